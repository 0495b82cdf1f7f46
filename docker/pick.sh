#!/bin/sh
# pick.sh NAMES CONSTRAINTS: the lines of CONSTRAINTS (versions and hashes) for the packages that NAMES lists; writes
# pip.env beside it, which keeps pip to ./wheels where there are any.
set -eu
awk 'NR == FNR { if (!/^#/ && NF) wanted[$1] = 1; next }
     /^[a-z0-9]/ { split($1, part, "=="); name = part[1]; is_in = name in wanted; if (is_in) seen[name] = 1 }
     is_in
     END { for (name in wanted) if (!(name in seen)) { print name " is not in the constraints" >"/dev/stderr"; exit 1 } }' "$1" "$2"
if ls wheels/*.whl >/dev/null 2>&1; then
    printf 'export PIP_NO_INDEX=1 PIP_FIND_LINKS=%s\n' "$PWD/wheels"
else
    printf ':\n'
fi >pip.env
