#!/bin/bash
# Puts a configuration together in /run/asterisk (a tmpfs; the image itself is read-only) and becomes Asterisk.
#
#   /config, /dialplan     mounted: asterisk-config/ and dialplan/ (the caller's side: ari_app/lab/caller/, no dialplan)
#   ARI_USER, ARI_PASSWORD, AMI_ARI_APP, AMI_SENTINEL, PHONE_<NAME>     passwords, each needed
#   EXTERNAL_ADDRESS       where phones outside this container reach it; empty: loopback only
#   RTP_PORTS              first-last, where fewer are published than the configuration names
set -euo pipefail
ETC=/run/asterisk/etc
umask 027
mkdir -p "$ETC/secrets" "$ETC/dialplan" /run/asterisk/{lib,db,spool,keys,log/cdr-csv}
cp /config/*.conf "$ETC/"
[[ ! -d /dialplan ]] || cp /dialplan/*.conf "$ETC/dialplan/"

MODULES=(/usr/lib/*/asterisk/modules)
cat >"$ETC/asterisk.conf" <<CONF
[directories]
astetcdir => $ETC
astmoddir => ${MODULES[0]}
astdatadir => /usr/share/asterisk
astagidir => /usr/share/asterisk/agi-bin
astkeydir => /run/asterisk
astvarlibdir => /run/asterisk/lib
astdbdir => /run/asterisk/db
astspooldir => /run/asterisk/spool
astrundir => /run/asterisk
astlogdir => /run/asterisk/log

[options]
nocolor = yes
verbose = 2
hideconnect = yes
live_dangerously = no
documentation_language = en_US
CONF

# ARI's password as a hash; the salt is as random as the password.
hash="$(ARI_PASSWORD="${ARI_PASSWORD:?}" perl -e 'open my $r, "<", "/dev/urandom"; read $r, my $b, 8;
    print crypt($ENV{ARI_PASSWORD}, q($6$rounds=1000$) . unpack("H*", $b))')"
printf '[%s](+)\npassword_format = crypt\npassword = %s\n' "${ARI_USER:?}" "$hash" >"$ETC/secrets/ari.conf"
if [[ -n "${AMI_ARI_APP:-}" ]]; then
    printf '[ari_app](+)\nsecret = %s\n\n[sentinel](+)\nsecret = %s\n' "$AMI_ARI_APP" "${AMI_SENTINEL:?}" >"$ETC/secrets/manager.conf"
fi
for name in softphone-1 softphone-2 softphone-3 softphone-4 scheduling trunk; do
    variable="PHONE_${name^^}"; variable="${variable//-/_}"
    printf '[%s-auth](+)\npassword = %s\n\n' "$name" "${!variable:?}"
done >"$ETC/secrets/pjsip.conf"

if [[ -n "${EXTERNAL_ADDRESS:-}" ]]; then
    subnet="$(hostname -I | awk '{print $1}')/16"
    sed -i -e "s|^bind = 127.0.0.1:\(.*\)|bind = 0.0.0.0:\1\nlocal_net = 127.0.0.0/8\nlocal_net = $subnet\nexternal_media_address = $EXTERNAL_ADDRESS\nexternal_signaling_address = $EXTERNAL_ADDRESS|" \
        -e '/^media_address = 127/d' -e '/^bind_rtp_to_media_address/d' "$ETC/pjsip.conf"
fi
if [[ -n "${RTP_PORTS:-}" ]]; then
    sed -i -e "s/^rtpstart *=.*/rtpstart = ${RTP_PORTS%-*}/" -e "s/^rtpend *=.*/rtpend = ${RTP_PORTS#*-}/" "$ETC/rtp.conf"
fi
# What the log files hold, `docker logs` shows too.
sed -i '/^messages.log/s/.*/console = notice,warning,error,verbose(2)\n&/' "$ETC/logger.conf"

unset ARI_PASSWORD AMI_ARI_APP AMI_SENTINEL "${!PHONE_@}"
exec asterisk -f -C "$ETC/asterisk.conf"
