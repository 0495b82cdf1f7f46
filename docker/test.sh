#!/usr/bin/env bash
# `make docker-test`: builds the images, brings the lab up in containers, plays the demo, kills the app under a call, takes
# everything down again. Exit 0: it holds, 1: it doesn't, 77: no engine can run here (said in one line; not a pass).
#
# ARI_APP_DOCKER_NETWORK=host|bridge   which variant; by default host, or bridge where a lab has the ports already
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

WORK="$(mktemp -d)"
LOG="$WORK/log"
PROJECT="ariapptest$$"
BASES=(debian:forky-slim debian:bookworm-slim)
PORTS=(5060 5160 8088 8188 5038 5232 4573 8780)
ENGINE_PID=""

step() { printf '[%3d s] %s\n' "$SECONDS" "$*"; }
fail() { printf 'docker-test: %s\n' "$*" >&2; tail -n 25 "$LOG" >&2 || true; exit 1; }
skip() { printf 'docker-test: SKIPPED, not passed: %s\n' "$*"; exit 77; }

compose() { "${COMPOSE[@]}" -p "$PROJECT" --env-file "$ENV_FILE" "${FILES[@]}" "$@"; }

clean_up() {
    local status=$?
    trap - EXIT
    if [[ -n "${ENV_FILE:-}" && -s "$ENV_FILE" ]]; then
        compose --profile phones down -v --remove-orphans >>"$LOG" 2>&1 ||
            printf 'docker-test: compose down failed, see docker ps\n' >&2
    fi
    if [[ -n "$ENGINE_PID" ]]; then
        kill "$ENGINE_PID" 2>/dev/null || true
        wait "$ENGINE_PID" 2>/dev/null || true
        step "the engine that was started here is stopped"
    fi
    ((status == 0 || status == 77)) && rm -rf "$WORK" || printf 'docker-test: logs are in %s\n' "$WORK" >&2
    exit "$status"
}
trap clean_up EXIT

# --- an engine

start_engine() {
    if ! command -v dockerd >/dev/null || ! command -v docker >/dev/null || ! find_compose; then
        ((EUID == 0)) || skip "no Docker here, and no right to install it"
        command -v apt-get >/dev/null || skip "no Docker here, and this isn't Debian"
        step "installing docker.io, docker-compose"
        { apt-get update || true; DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends docker.io docker-compose mmdebstrap; } \
            >>"$LOG" 2>&1 || skip "docker.io can't be installed: $(grep -m1 '^E:' "$LOG" || tail -n1 "$LOG")"
    fi
    docker info >/dev/null 2>&1 && return
    ((EUID == 0)) || skip "the engine doesn't run, and no right to start it"
    step "starting the engine"
    dockerd >"$WORK/dockerd.log" 2>&1 &
    ENGINE_PID=$!
    for _ in {1..60}; do
        docker info >/dev/null 2>&1 && return
        kill -0 "$ENGINE_PID" 2>/dev/null || break
        sleep 0.5
    done
    ENGINE_PID=""
    skip "the engine can't start here: $(grep -E 'failed|error' "$WORK/dockerd.log" | tail -n1)"
}

find_compose() {
    if docker compose version >/dev/null 2>&1; then
        COMPOSE=(docker compose)
    elif command -v docker-compose >/dev/null; then
        COMPOSE=(docker-compose)
    else
        return 1
    fi
}

# --- images

base_images() {
    local image missing=()
    for image in "${BASES[@]}"; do
        docker image inspect "$image" >/dev/null 2>&1 || timeout 60 docker pull -q "$image" >>"$LOG" 2>&1 || missing+=("$image")
    done
    ((${#missing[@]})) || return 0
    step "no registry answers: making ${missing[*]} from Debian's packages"
    docker/base-images.sh "${missing[@]}" || fail "no base images"
}

# The machine's own pip knows its index and certificates; the container doesn't.
fetch_wheels() {
    local python=.venv/bin/python
    [[ "$("$python" -c 'import sys; print(sys.version_info[:2])' 2>/dev/null)" == "(3, 11)" ]] || return 0
    step "wheels for the image"
    (cd "$WORK" && sh "$OLDPWD/docker/pick.sh" "$OLDPWD/docker/packages.txt" "$OLDPWD/constraints.txt" >requirements.txt)
    { "$python" -m pip download -q --no-deps --require-hashes -r "$WORK/requirements.txt" -d docker/wheels &&
        "$python" -m pip download -q -d docker/wheels 'hatchling>=1.27' setuptools wheel; } >>"$LOG" 2>&1 || fail "pip can't fetch the packages"
}

# --- the lab

choose_network() {
    local port network="${ARI_APP_DOCKER_NETWORK:-}"
    if [[ -z "$network" ]]; then
        network=host
        for port in "${PORTS[@]}"; do
            [[ -z "$(ss -Hlnut "sport = :$port")" ]] || network=bridge
        done
    fi
    FILES=(-f docker/compose.yaml)
    if [[ "$network" == bridge ]]; then
        FILES+=(-f docker/compose.bridge.yaml)
        export SIP_PORT="${SIP_PORT:-35060}" RTP_PORTS="${RTP_PORTS:-35100-35119}"
    fi
    step "network: $network"
}

wait_healthy() {
    local service id state
    for service in "$@"; do
        for _ in {1..120}; do
            id="$(compose ps -q "$service" 2>>"$LOG")"
            state="$(docker inspect -f '{{.State.Health.Status}}' "$id" 2>>"$LOG" || true)"
            [[ "$state" != healthy ]] || continue 2
            sleep 1
        done
        compose logs --tail 20 "$service" >>"$LOG" 2>&1 || true
        fail "$service isn't healthy"
    done
}

# The caller of a killed app reaches the human.
kill_under_a_call() {
    compose run --rm -T demo python3 docker/demo.py --killed >"$WORK/killed.log" 2>&1 &
    local caller=$! app killed_at
    app="$(compose ps -q app)"
    for _ in {1..120}; do
        ! grep -q 'KILL NOW' "$WORK/killed.log" || break
        kill -0 "$caller" 2>/dev/null || break
        sleep 0.25
    done
    grep -q 'KILL NOW' "$WORK/killed.log" || { cat "$WORK/killed.log" >>"$LOG"; fail "the call to be killed did not get up"; }
    docker kill "$app" >>"$LOG" 2>&1
    killed_at="$(date +%s.%N)"
    wait "$caller" || { cat "$WORK/killed.log" >>"$LOG"; fail "the caller of the killed app did not reach the human"; }
    step "$(awk -v killed="$killed_at" '/^a human.s phone rang at/ { printf "the human'"'"'s phone rang %.1f s after", $6 - killed }' "$WORK/killed.log")"
}

: >"$LOG"
start_engine
find_compose || skip "no compose"
step "engine $(docker version -f '{{.Server.Version}}'), $("${COMPOSE[@]}" version --short 2>/dev/null || echo compose)"
base_images
fetch_wheels
ENV_FILE="$WORK/env"
ENV_FILE="$ENV_FILE" sh docker/make-env.sh >>"$LOG"
choose_network
step "building"
compose build >>"$LOG" 2>&1 || fail "the images can't be built"
docker image ls --format '{{.Repository}} {{.Size}}' | grep '^ari_app/' | sort -u
step "up"
compose up -d >>"$LOG" 2>&1 || { compose logs --tail 20 >>"$LOG" 2>&1; fail "compose up failed"; }
wait_healthy asterisk calendar app
step "healthy; the demo"
compose run --rm -T demo >"$WORK/demo.log" 2>&1 || { cat "$WORK/demo.log" >>"$LOG"; fail "the demo doesn't hold"; }
tail -n 12 "$WORK/demo.log"
step "killing the app under a call"
kill_under_a_call
step "down"
compose --profile phones down -v --remove-orphans >>"$LOG" 2>&1 || fail "compose down failed"
[[ -z "$(docker ps -aq --filter "label=com.docker.compose.project=$PROJECT")" ]] || fail "containers are left"
rm -f "$ENV_FILE"
step "it holds"
