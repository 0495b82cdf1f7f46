# Two commands for a newcomer: `make demo` (a real call that books) and `make test` (everything).
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help setup demo test lint docker-test clean

help:  ## what there is
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/'

setup:  ## install what is missing: Debian packages, the virtual environment, Asterisk (a second where all is there)
	@bash setup.sh

demo: setup  ## three real calls on the lab: one books, one moves, one is handed over
	@$(BIN)/ari-app demo

test: setup  ## the whole suite, live tests included
	@bash tests/run.sh

lint: setup  ## ruff, mypy --strict, import-linter
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

docker-test: setup  ## build the images, compose up, demo, kill the app under a call
	@bash docker/test.sh

clean:  ## remove the virtual environment and what the demo recorded
	rm -rf $(VENV) demo
