#!/bin/sh
# The lab's CalDAV server in its container: users from the environment, Radicale, then the seed events and customers.
set -eu
umask 077
sed "s/@PASSWORD@/${LAB_CALDAV:?}/" calendar/users >/tmp/users
python3 docker/seed.py &
exec python3 -m radicale --config calendar/radicale.conf --hosts 127.0.0.1:5232 --rights-file calendar/rights \
    --auth-htpasswd-filename /tmp/users --storage-filesystem-folder /data
