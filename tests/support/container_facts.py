"""What a container is, asked from inside: to be compared with what another tool's is."""

from __future__ import annotations

from tests.support.cli import Result

# A line each, beginning with what it is about.
FACTS = """
echo "user $(id -u):$(id -g) $(id -G)"
echo "home $HOME"
echo "directory $(pwd) $(stat -c '%a %u:%g' .)"
echo "umask $(umask)"
echo "hostname $(hostname) $(cat /etc/hostname)"
echo "arguments $*"
env | sed 's/^/env /' | sort
sed -n 's/\\t/ /; s/^\\(Cap\\|NoNew\\|Seccomp:\\)/security \\1/p' /proc/self/status
sed -n 's/^Max \\(open files\\|processes\\) */limit \\1 /p' /proc/self/limits
grep -v : /etc/hosts | awk '{ $1 = $1; print "hosts", $0 }'
for path in /proc/acpi /proc/kcore /proc/keys /proc/latency_stats /proc/timer_list \\
    /proc/sched_debug /proc/scsi /sys/firmware; do
    [ -e $path ] && echo "masked $path $(ls -A $path | wc -l) $(cat $path 2>/dev/null | wc -c)"
done
for path in bus fs irq sys sysrq-trigger; do
    awk -v path=/proc/$path '$2 == path { print "readonly", path, substr($4, 1, 2) }' /proc/mounts
done
ls -l /dev | awk '/^[cl]/ { print "device", $1, $3, $4, $(NF - 2), $NF }' | sort
awk '$2 ~ /^.(proc|sys|sys.fs.cgroup|dev.pts|dev.mqueue|t)$/ { print "mount", $2, $3, $4 }' \\
    /proc/mounts | sort
awk '$2 == "/" { print "root", substr($4, 1, 2) }' /proc/mounts
echo "mtab $(readlink /etc/mtab)"
echo "oom $(cat /proc/self/oom_score_adj)"
"""


class Compared:
    """One image in two stores, of another tool and of ours."""

    __slots__ = ()

    def run(self, *options: str, command: tuple[str, ...]) -> tuple[Result, Result]:
        """The result of the other tool, and ours."""
        raise NotImplementedError

    def facts(self, *options: str) -> tuple[list[str], list[str]]:
        """What both say of a container from inside."""
        both = self.run(*options, command=("sh", "-c", FACTS, "sh", "a", "b c"))
        theirs, ours = (result.succeeded().lines for result in both)
        return theirs, ours


def without(lines: list[str], *beginnings: str) -> list[str]:
    """The lines that are not about some things."""
    return [line for line in lines if not line.startswith(beginnings)]
