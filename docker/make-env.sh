#!/bin/sh
# Writes docker/.env: a password for every account of the Docker lab, made at random, readable by its owner only. One that
# is there is kept. `--scale` adds PostgreSQL and two more workers. ENV_FILE names another file.
set -eu
FILE="${ENV_FILE:-$(dirname "$0")/.env}"
[ ! -e "$FILE" ] || { echo "$FILE is there already: kept"; exit 0; }
umask 077
random() { od -An -N20 -tx1 /dev/urandom | tr -d ' \n'; }
{
    echo "# Made by docker/make-env.sh. Every account's password; the phones' are what a softphone asks for."
    for name in BOOKING CALLER ARI_APP SENTINEL CALDAV POSTGRES \
        SOFTPHONE_1 SOFTPHONE_2 SOFTPHONE_3 SOFTPHONE_4 SCHEDULING TRUNK; do
        echo "LAB_$name=$(random)"
    done
    echo "# The address of this machine that phones reach; for compose.bridge.yaml."
    echo "EXTERNAL_ADDRESS=127.0.0.1"
} >"$FILE.part"
if [ "${1:-}" = --scale ]; then
    password="$(sed -n 's/^LAB_POSTGRES=//p' "$FILE.part")"
    { echo "STORE_URL=postgresql://ari_app:$password@127.0.0.1:5432/ari_app"; echo "COMPOSE_PROFILES=scale"; } >>"$FILE.part"
fi
mv "$FILE.part" "$FILE"
echo "$FILE is made"
