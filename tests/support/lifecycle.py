"""Images of a data service's lifecycle scripts, as a broker calls them.

The service is a directory with a file for each instance and each user: enough for scripts
that have state, fail, and use a tool of the version that their image brings.
"""

from __future__ import annotations

from tests.support.busybox import busybox_builder
from tests.support.contents import Dir, Executable
from tests.support.images import ImageBuilder

_COMMON = """\
#!/bin/sh
set -eu
umask 077
password=$(cat /run/secrets/admin)
[ "$password" = "$ADMIN_PASSWORD" ] || { echo "wrong password" >&2; exit 3; }
"""

PROVISION = f"""{_COMMON}
parameters=$(cat)
[ ! -e "/workspace/$1" ] || {{ echo "$1 is there already" >&2; exit 4; }}
mkdir "/workspace/$1"
printf '%s' "$parameters" >"/workspace/$1/parameters"
printf '{{"instance":"%s","tool":"%s"}}\\n' "$1" "$(psql --version)"
"""

BIND = f"""{_COMMON}
[ -d "/workspace/$1" ] || {{ echo "no $1" >&2; exit 5; }}
token=$(head -c 9 /dev/urandom | base64)
printf '%s' "$token" >"/workspace/$1/user-$2"
printf '{{"username":"%s","password":"%s"}}\\n' "$2" "$token"
"""

UNBIND = f"""{_COMMON}
rm "/workspace/$1/user-$2"
"""

DEPROVISION = f"""{_COMMON}
rm -r "/workspace/$1"
"""

VIABLE = """\
#!/bin/sh
command -v psql >/dev/null && [ -w /workspace ]
"""

STUCK = """\
#!/bin/sh
trap '' TERM
while :; do sleep 1; done
"""

DAEMON = """\
#!/bin/sh
( trap '' HUP TERM; sleep 67.125 ) >/dev/null 2>&1 </dev/null &
echo "left one behind"
"""

FLOOD = """\
#!/bin/sh
head -c "$1" /dev/zero | tr '\\0' x
"""


def lifecycle_builder(version: str) -> ImageBuilder:
    """The image whose tool has a version."""
    scripts = {
        "provision": PROVISION, "bind": BIND, "unbind": UNBIND, "deprovision": DEPROVISION,
        "viable": VIABLE, "stuck": STUCK, "daemon": DAEMON, "flood": FLOOD,
    }  # fmt: skip
    return (
        busybox_builder()
        .layer({"usr/bin/psql": Executable(f"#!/bin/sh\necho psql {version}\n")}, "zstd")
        .layer(
            {
                "lifecycle": Dir(),
                "workspace": Dir(),
                **{f"lifecycle/{name}": Executable(text) for name, text in scripts.items()},
            }
        )
        .config(working_dir="/workspace", env=["PATH=/lifecycle:/usr/sbin:/usr/bin:/sbin:/bin"])
    )
