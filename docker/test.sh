#!/usr/bin/env bash
# `make docker-test`: builds the images, brings the lab up in containers, plays the demo, kills the app under a call, takes
# everything down again. Exit 0: it holds, 1: it doesn't, 77: no engine can run here (said in one line; not a pass).
#
#   docker/test.sh [book|move|handoff ...]   which of the demo's calls; all by default
#   ARI_APP_DOCKER_NETWORK=host|bridge       which variant; by default host, or bridge where a lab has the ports already
#   COMPOSE="docker compose"                 which Compose, where there are several
#
# An engine that runs already is used. Else one is started for this run, its images and build cache in the cache folder,
# so that a second run is quick; it ends with the run, and what it changed in the machine's network is taken back. A run
# that was killed outright leaves its engine behind: the next one ends it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

CACHE="${ARI_APP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ari-app}"
ENGINE="$CACHE/docker"    # of the engine that is started here: images, containers, pid
WORK="$(mktemp -d)"
LOG="$WORK/log"
PROJECT="ariapptest$$"
CALLS=("$@")
PORTS=(5060 5160 8088 8188 5038 5232 4573 8780)
INSTALL_S=300             # for the engine's Debian packages
ENGINE_PID=""
exec 3>&1 4>&2            # for the end, which may come where the output goes into a log

step() { printf '[%3d s] %s\n' "$SECONDS" "$*"; }
fail() { printf 'docker-test: %s\n' "$*" >&2; tail -n 25 "$LOG" >&2 || true; exit 1; }
skip() { printf 'docker-test: SKIPPED, not passed: %s\n' "$*"; exit 77; }

# A long command that a signal ends at once: the shell would wait for its end otherwise.
patiently() { "$@" & wait $!; }

compose() { "${COMPOSE[@]}" -p "$PROJECT" --env-file "$ENV_FILE" "${FILES[@]}" "$@"; }

clean_up() {
    local status=$?
    trap - EXIT
    trap '' INT TERM HUP
    exec >&3 2>&4
    end_work
    if [[ -n "${ENV_FILE:-}" && -s "$ENV_FILE" ]]; then
        compose --profile phones down -v --remove-orphans --timeout 5 >>"$LOG" 2>&1 ||
            printf 'docker-test: compose down failed, see docker ps\n' >&2
    fi
    [[ -z "$ENGINE_PID" ]] || end_engine
    if ((status == 0 || status == 77 || status == 130)); then
        rm -rf "$WORK"
    else
        printf 'docker-test: logs are in %s\n' "$WORK" >&2
    fi
    exit "$status"
}
# Builds and downloads that still run, with all that they started; not the engine, which is needed to clean up.
end_work() {
    local job
    for job in $(jobs -p); do
        [[ "$job" == "$ENGINE_PID" ]] || end_tree "$job"
    done
}

end_tree() {
    local child
    for child in $(cat "/proc/$1/task/$1/children" 2>/dev/null); do
        end_tree "$child"
    done
    kill "$1" 2>/dev/null || true
}

trap clean_up EXIT
trap 'exit 130' INT TERM HUP

# --- an engine

find_engine() {
    if ! command -v dockerd >/dev/null || ! command -v docker >/dev/null || ! find_compose; then
        ((EUID == 0)) || skip "no Docker here, and no right to install it"
        command -v apt-get >/dev/null || skip "no Docker here, and this isn't Debian"
        step "installing docker.io, docker-compose"
        install_engine >>"$LOG" 2>&1 ||
            skip "docker.io can't be installed: $(grep -m1 '^E:' "$LOG" || tail -n1 "$LOG")"
        find_compose || skip "no compose"
    fi
    ! docker info >/dev/null 2>&1 || return 0
    ((EUID == 0)) || skip "the engine doesn't run, and no right to start it"
    start_engine
}

install_engine() {
    local apt=(timeout "$INSTALL_S" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120)
    "${apt[@]}" update || true
    "${apt[@]}" install -y --no-install-recommends docker.io docker-compose mmdebstrap
}

start_engine() {
    local options=(--data-root "$ENGINE/data" --exec-root "$ENGINE/run" --pidfile "$ENGINE/pid" -H "unix://$ENGINE/socket")
    export DOCKER_HOST="unix://$ENGINE/socket"
    mkdir -p "$ENGINE"
    exec 9>"$ENGINE/lock"
    flock -w 900 9 || fail "another run has the engine for 15 minutes already: end it, or wait"
    if ENGINE_PID="$(cat "$ENGINE/pid" 2>/dev/null)" && [[ "$(cat "/proc/$ENGINE_PID/comm" 2>/dev/null)" == dockerd ]]; then
        step "an engine is left from a killed run"
        end_engine
    fi
    step "starting an engine"
    if [[ "$NETWORK" == host ]]; then
        options+=(--bridge=none --iptables=false)    # nothing of the machine's network is touched
    else
        iptables-save >"$WORK/iptables" 2>>"$LOG" || true
        [[ -e /sys/class/net/docker0 ]] || touch "$WORK/made-docker0"
    fi
    rm -f "$ENGINE/pid"
    dockerd "${options[@]}" >"$WORK/dockerd.log" 2>&1 3>&- 4>&- 9>&- &
    ENGINE_PID=$!
    for _ in {1..60}; do
        if docker info >/dev/null 2>&1; then
            [[ "$(docker info -f '{{.Driver}}')" != vfs ]] || skip "the engine here copies whole images (vfs): too slow and too big"
            remove_leftovers
            return
        fi
        kill -0 "$ENGINE_PID" 2>/dev/null || break
        sleep 0.5
    done
    skip "the engine can't start here: $(grep -E 'failed|error' "$WORK/dockerd.log" | tail -n1)"
}

# Containers of a run that was killed: the engine would start them again.
remove_leftovers() {
    local containers
    mapfile -t containers < <(docker ps -aq --filter name=ariapptest)
    ((${#containers[@]} == 0)) || docker rm -fv "${containers[@]}" >>"$LOG" 2>&1
    docker volume prune -f >>"$LOG" 2>&1
}

end_engine() {
    kill "$ENGINE_PID" 2>/dev/null || true
    for _ in {1..100}; do
        [[ -e "/proc/$ENGINE_PID" ]] || break
        sleep 0.2
    done
    kill -KILL "$ENGINE_PID" 2>/dev/null || true
    umount "$ENGINE"/run/netns/* 2>>"$LOG" || true
    [[ ! -e "$WORK/made-docker0" ]] || ip link delete docker0 2>>"$LOG" || true
    [[ ! -s "$WORK/iptables" ]] || iptables-restore <"$WORK/iptables" 2>>"$LOG" || true
    step "the engine is stopped"
}

find_compose() {
    if [[ -n "${COMPOSE:-}" ]]; then
        read -ra COMPOSE <<<"${COMPOSE[*]}"
    elif docker compose version >/dev/null 2>&1; then
        COMPOSE=(docker compose)
    elif command -v docker-compose >/dev/null; then
        COMPOSE=(docker-compose)
    else
        return 1
    fi
}

# --- images: Asterisk's and the app's are made side by side

base_image() {
    docker image inspect "$1" >/dev/null 2>&1 || timeout 60 docker pull -q "$1" >/dev/null 2>&1 || docker/base-images.sh "$1"
}

# The machine's own pip knows its index and certificates; the container doesn't.
fetch_wheels() {
    local python=.venv/bin/python
    [[ "$("$python" -c 'import sys; print(sys.version_info[:2])' 2>/dev/null)" == "(3, 11)" ]] || return 0
    (cd "$WORK" && sh "$OLDPWD/docker/pick.sh" "$OLDPWD/docker/packages.txt" "$OLDPWD/constraints.txt" >requirements.txt)
    "$python" -m pip download -q --no-deps --require-hashes -r "$WORK/requirements.txt" -d docker/wheels &&
        "$python" -m pip download -q -d docker/wheels 'hatchling>=1.27' setuptools wheel
}

# A build whose download broke off goes on, at the second try, from the layers that it has.
build() { compose build "$@" || compose build "$@"; }

asterisk_image() {
    base_image debian:forky-slim || return 3
    build asterisk
}

app_images() {
    local fetching
    fetch_wheels &
    fetching=$!
    base_image debian:bookworm-slim || return 3
    wait "$fetching" || return 4
    build app calendar
}

build_images() {
    local asterisk status=0
    (asterisk_image) >"$WORK/asterisk.log" 2>&1 &
    asterisk=$!
    patiently app_images >>"$LOG" 2>&1 || status=$?
    if wait "$asterisk"; then :; else
        status=$?
        cat "$WORK/asterisk.log" >>"$LOG"
    fi
    case "$status" in
        0) ;;
        3) fail "no base images, neither from a registry nor from Debian's packages: $(grep -h -m1 '^base-images:' "$LOG" | tail -n1)" ;;
        4) fail "pip can't fetch the packages: $(grep -m1 '^ERROR' "$LOG")" ;;
        *) fail "the images can't be built" ;;
    esac
}

# --- the lab

choose_network() {
    local port
    NETWORK="${ARI_APP_DOCKER_NETWORK:-}"
    if [[ -z "$NETWORK" ]]; then
        NETWORK=host
        for port in "${PORTS[@]}"; do
            [[ -z "$(ss -Hlnut "sport = :$port")" ]] || NETWORK=bridge
        done
    fi
    FILES=(-f docker/compose.yaml)
    if [[ "$NETWORK" == bridge ]]; then
        FILES+=(-f docker/compose.bridge.yaml)
        export SIP_PORT="${SIP_PORT:-35060}" RTP_PORTS="${RTP_PORTS:-35100-35119}"
    fi
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

main() {
    : >"$LOG"
    choose_network
    find_engine
    step "engine $(docker version -f '{{.Server.Version}}'), ${COMPOSE[*]} $("${COMPOSE[@]}" version --short 2>/dev/null || true), $NETWORK network; building"
    ENV_FILE="$WORK/env"
    ENV_FILE="$ENV_FILE" sh docker/make-env.sh >>"$LOG"
    build_images
    docker image ls --format '{{.Repository}} {{.Size}}' | grep '^ari_app/' | sort -u
    step "up"
    patiently compose up -d >>"$LOG" 2>&1 || { compose logs --tail 20 >>"$LOG" 2>&1; fail "compose up failed"; }
    wait_healthy asterisk calendar app
    step "healthy; the demo: ${CALLS[*]:-all calls}"
    patiently compose run --rm -T demo python3 docker/demo.py "${CALLS[@]}" >"$WORK/demo.log" 2>&1 ||
        { cat "$WORK/demo.log" >>"$LOG"; fail "the demo doesn't hold"; }
    grep -A 40 '^┏' "$WORK/demo.log"
    step "killing the app under a call"
    kill_under_a_call
    step "down"
    compose --profile phones down -v --remove-orphans >>"$LOG" 2>&1 || fail "compose down failed"
    [[ -z "$(docker ps -aq --filter "label=com.docker.compose.project=$PROJECT")" ]] || fail "containers are left"
    rm -f "$ENV_FILE"
    step "it holds"
    exit 0    # a script that changes while it runs is read no further
}

main
