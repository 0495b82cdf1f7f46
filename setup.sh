#!/usr/bin/env bash
# Everything that `make demo` and `make test` need, on a fresh Debian 12 and later: Debian packages, the virtual
# environment, Asterisk unpacked into the cache. Run again, it does what is still missing; with nothing missing it takes a
# second. As root, or as a user who may sudo for the packages; nothing else needs a privilege.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

CACHE="${ARI_APP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ari-app}"
LOG="$CACHE/setup.log"    # what each step said, of this run
PACKAGES=(
    ca-certificates
    debian-archive-keyring mmdebstrap    # Asterisk's root
    espeak-ng flite                      # callers' voices; the agent has its own
    festival festvox-kdlpc16k
    postgresql                           # the store, as several workers share it
    python3 python3-venv
    systemd                              # systemd-analyze, which judges the units
)

step() { printf '[%3d s] %s\n' "$SECONDS" "$*"; }
detail() { printf '        %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }
# The line that names the cause, from the log of the step that failed.
cause() { grep -E -m1 "$1" "$LOG" || tail -n 1 "$LOG"; }

mkdir -p "$CACHE" 2>/dev/null || fail "can't make $CACHE: name a folder you may write to in ARI_APP_CACHE"
: >"$LOG" || fail "can't write $LOG: name a folder you may write to in ARI_APP_CACHE"

install_packages() {
    command -v dpkg-query >/dev/null || fail "this isn't Debian (no dpkg-query): use docker/ instead, see the README"
    local installed missing=() name
    installed="$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "${PACKAGES[@]}" 2>/dev/null || true)"
    for name in "${PACKAGES[@]}"; do
        grep -qx "$name installed" <<<"$installed" || missing+=("$name")
    done
    ((${#missing[@]})) || return 0

    local become=()
    if ((EUID != 0)); then
        command -v sudo >/dev/null || fail "Debian packages are missing; as root run: apt-get install ${missing[*]}"
        become=(sudo)
    fi
    step "Debian packages: ${missing[*]}"
    local apt=("${become[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120)
    "${apt[@]}" update >>"$LOG" 2>&1 || detail "apt-get update failed; trying with the package lists that are there"
    if ! "${apt[@]}" install -y --no-install-recommends "${missing[@]}" >>"$LOG" 2>&1; then
        fail "apt-get couldn't install ${missing[*]}: $(cause '^(dpkg: error processing|E: )') (see $LOG; mend it, then run this again)"
    fi
}

find_python() {
    local name
    for name in python3 python3.13 python3.12 python3.11; do
        if "$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    fail "Python 3.11 or newer is needed: Debian 12 has it (apt-get install python3 python3-venv)"
}

make_venv() {
    local wanted
    wanted="$(sha256sum constraints.txt | cut -c1-64)"
    if [[ "$(cat .venv/.constraints 2>/dev/null)" == "$wanted" ]] && .venv/bin/python -I -c 'import aiohttp, ari_app' 2>/dev/null; then
        return
    fi
    if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
        local python
        python="$(find_python)"
        step "virtual environment, $("$python" --version)"
        "$python" -m venv --clear .venv >>"$LOG" 2>&1 || fail "can't make .venv: $(cause 'Error') (see $LOG)"
    fi
    step "Python packages, each checked against its hash"
    local total
    total="$(grep -c '==' constraints.txt)"
    if ! .venv/bin/python -m pip install --progress-bar off --require-hashes -r constraints.txt 2>&1 | tee -a "$LOG" |
        awk -v total="$total" '/^(Collecting|Processing|Requirement already)/ && ++n % 20 == 0 { printf "        %d of %d\n", n, total }
                               /^Installing collected/ { print "        installing" } { fflush() }'; then
        fail "pip couldn't install constraints.txt: $(cause '^ERROR') (see $LOG; a second run goes on from here)"
    fi
    if ! .venv/bin/python -m pip install --no-deps -e . >>"$LOG" 2>&1; then
        fail "pip couldn't install ari_app itself: $(cause '^ *(ERROR|error)') (see $LOG)"
    fi
    printf '%s\n' "$wanted" >.venv/.constraints
}

unpack_asterisk() {
    local root="$CACHE/asterisk"
    [[ -s "$root/.version" ]] && return
    step "Asterisk 22 into $root (no root rights, no container)"
    .venv/bin/python -m ari_app.lab.rootfs 2> >(tee -a "$LOG" >&2) || exit 1
}

# fail2ban's own reader of logs, for the tests of the jail; unpacked and not installed, so that no service starts.
unpack_fail2ban() {
    local root="$CACHE/fail2ban"
    [[ -x "$root/usr/bin/fail2ban-regex" ]] && return
    step "fail2ban's programs into $root (nothing of it is installed)"
    rm -rf "$root.new"
    mkdir -p "$root.new"
    chmod 777 "$root.new"    # apt downloads as a user of its own
    if ! (cd "$root.new" && apt-get download fail2ban && dpkg -x fail2ban_*.deb .) >>"$LOG" 2>&1; then
        detail "fail2ban couldn't be fetched ($(cause '^E: ')): its test will fail; as root apt-get update, then make setup"
        rm -rf "$root.new"
        return
    fi
    chmod 755 "$root.new"
    rm -rf "$root" "$root.new"/*.deb
    mv "$root.new" "$root"
}

check_models() {
    local file
    for file in models/vosk/lab-en-us/graph/HCLr.fst models/piper/en_US-lab-low.onnx; do
        [[ -s "$file" ]] || fail "$file is missing from this checkout: git checkout -- models"
    done
}

check_models
install_packages
make_venv
unpack_asterisk
unpack_fail2ban
step "ready: make demo, make test, or .venv/bin/ari-app --help"
