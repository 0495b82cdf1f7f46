#!/usr/bin/env bash
# The whole suite: style, types, floors, unit tests, live tests on the lab. `make test` calls it.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"
step() { printf '== %s\n' "$*"; }

step "ruff";         ruff check . ; ruff format --check .
step "mypy --strict"; mypy
step "floors";       lint-imports --no-cache | tail -n 12
step "tests without the lab"
python -m pytest tests --ignore=tests/live -q -n 2 --dist loadfile "$@"
step "live tests on the lab: two Asterisks, Radicale, Vosk, Piper"
python -m pytest tests/live -q -n 2 --dist worksteal "$@"    # calls are real time: two labs at once
