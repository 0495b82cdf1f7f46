#!/bin/bash
# Healthy: ARI answers (401 to us, who have no password) and Asterisk says that it has booted whole.
set -euo pipefail
exec 3<>"/dev/tcp/127.0.0.1/${HTTP_PORT:-8088}"
printf 'GET /ari/asterisk/ping HTTP/1.0\r\nHost: localhost\r\n\r\n' >&3
read -r -t 2 status <&3
[[ "$status" == *" 401 "* ]]
asterisk -C /run/asterisk/etc/asterisk.conf -rx 'core waitfullybooted' | grep -q 'fully booted'
