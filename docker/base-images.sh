#!/usr/bin/env bash
# The Dockerfiles' base images where no registry answers: Debian's own packages, unpacked by mmdebstrap and imported.
# An image that is there already is left alone. Needs root for `docker`; the packages' signatures are checked.
#
#   docker/base-images.sh [debian:forky-slim debian:bookworm-slim]
set -euo pipefail

KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
WORK="$(mktemp -d)"
trap 'rm -rf "$WORK"' EXIT

fail() { printf 'base-images: %s\n' "$*" >&2; exit 1; }

# Debian's sh, which apt has called inside, can't write to a descriptor above 9: none of the caller's own is passed on.
unpack() {    # suite, target, further options
    local suite="$1" target="$2"; shift 2
    mmdebstrap --variant=minbase --include=ca-certificates --keyring="$KEYRING" \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
        "$@" "$suite" "$target" 2>"$WORK/log" 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
}

make_image() {
    local image="$1" suite target="$WORK/root.tar" started=$SECONDS
    suite="${image#debian:}"; suite="${suite%-slim}"
    if ! unpack "$suite" "$target"; then
        # A snapshot of the archive: its Release file is older than it claims to be valid.
        grep -qE 'expired|not valid yet' "$WORK/log" || fail "mmdebstrap $suite: $(grep -m1 -E '^(E:|Err:)' "$WORK/log" || tail -n1 "$WORK/log")"
        rm -f "$target"
        unpack "$suite" "$target" --aptopt='Acquire::Check-Valid-Until "false"' ||
            fail "mmdebstrap $suite: $(grep -m1 -E '^(E:|Err:)' "$WORK/log" || tail -n1 "$WORK/log")"
    fi
    docker import "$target" "$image" >/dev/null
    rm -f "$target"
    printf '%s: %s, %d s\n' "$image" "$(docker image inspect -f '{{.Size}}' "$image" | numfmt --to=si)" "$((SECONDS - started))"
}

for tool in mmdebstrap docker; do
    command -v "$tool" >/dev/null || fail "$tool is missing: apt-get install mmdebstrap docker.io"
done
[[ $# -gt 0 ]] || set -- debian:forky-slim debian:bookworm-slim
for image in "$@"; do
    [[ "$image" == debian:*-slim ]] || fail "$image: only debian:SUITE-slim can be made"
    if docker image inspect "$image" >/dev/null 2>&1; then
        printf '%s: there already\n' "$image"
    else
        make_image "$image"
    fi
done
