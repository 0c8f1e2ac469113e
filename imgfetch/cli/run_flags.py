"""The options of ``run``, ``bundle`` and ``spec``, whose names are docker's."""

from __future__ import annotations

from imgfetch.cli.option import Option, choice, flag, many, one

RUN = (
    flag("-i", "--interactive", text="Pass stdin on; without it the container's is empty."),
    flag("-t", "--tty", text="Give the container a pseudo-terminal."),
    many("-e", "--env", value="K[=V]", text="Set a variable; without =V, the caller's value."),
    many("--env-file", value="FILE", text="Variables from a file, a line each."),
    flag("--env-host", text="Start from the caller's whole environment."),
    many(
        "-v",
        "--volume",
        value="[SRC:]DST[:OPTS]",
        text="Bind a path or a named volume, or have an empty one: ro, rw, rslave …",
    ),
    many("--mount", value="type=…,…", text="type=bind|tmpfs|volume|image, src, dst, ro …"),
    many("--tmpfs", value="DST[:OPTS]", text="An empty file system in memory."),
    many("--secret", value="id=…,src=FILE", text="A file in /run/secrets, in no layer."),
    flag("--read-only", text="The root file system can't be written."),
    one("-w", "--workdir", value="PATH", text="Working directory."),
    one("-u", "--user", value="USER[:GROUP]", text="Names in the image, or numbers."),
    many("--group-add", value="GROUP", text="A further group."),
    one("--entrypoint", value="COMMAND", text="Instead of the image's; empty for none."),
    one("--network", value="MODE", text="auto, private, host or none."),
    many("-p", "--publish", value="[[IP:]PORT:]PORT[/udp]", text="Let a port lead inside."),
    flag("-P", "--publish-all", text="Let ports lead to all that the image exposes."),
    one("--hostname", value="NAME", text="Host name inside."),
    many("--add-host", value="NAME:IP", text="A line of /etc/hosts."),
    many("--dns", value="IP", text="A name server, instead of the host's."),
    many("--dns-search", value="DOMAIN", text="A search domain, instead of the host's."),
    many("--dns-option", value="OPT", text="A resolver option, instead of the host's."),
    one("--name", value="NAME", text="The container's name."),
    many("--cap-add", value="CAP", text="Add a capability, or ALL."),
    many("--cap-drop", value="CAP", text="Drop a capability, or ALL."),
    many("--security-opt", value="OPT", text="seccomp=FILE|unconfined, no-new-privileges …"),
    flag("--privileged", text="Every capability there is; no seccomp, nothing masked."),
    many("--device", value="HOST[:DST[:rwm]]", text="A device of the host."),
    one("--userns", value="MODE", text="auto, host, or keep-id: the caller is the same inside."),
    many("--uidmap", value="C:H:N", text="Have users C on inside that are H on outside."),
    many("--gidmap", value="C:H:N", text="The same for groups; one stands for both."),
    *(
        choice(f"--{kind}", "private", "host", text=f"Whose {what}.")
        for kind, what in (("pid", "processes"), ("ipc", "shared memory"), ("uts", "host name"))
    ),
    many("--ulimit", value="NAME=SOFT[:HARD]", text="A resource limit."),
    many("--sysctl", value="KEY=VALUE", text="A namespaced kernel setting."),
    one("-m", "--memory", value="SIZE", text="Limit of memory."),
    one("--memory-swap", value="SIZE", text="Limit of memory and swap together; -1 for none."),
    one("--memory-reservation", value="SIZE", text="What it should have of memory."),
    one("--cpus", value="N", text="Limit of processors, e.g. 1.5."),
    Option(
        "integer",
        ("-c", "--cpu-shares"),
        "Its weight among others; 1024 is usual.",
        value="N",
        least=2,
        most=262144,
    ),
    one("--cpuset-cpus", value="LIST", text="Processors to run on, e.g. 0-2."),
    one("--cpuset-mems", value="LIST", text="Memory nodes to use, e.g. 0."),
    one("--pids-limit", value="N", text="Limit of processes; -1 for none."),
    one("--shm-size", value="SIZE", text="Size of /dev/shm."),
    Option(
        "integer",
        ("--oom-score-adj",),
        "How soon it is killed when memory runs out.",
        value="N",
        least=-1000,
        most=1000,
    ),
    one("--umask", value="MODE", text="Octal.  [default: 0022]"),
    flag("--init", text="A small init as process 1: it reaps, and passes signals on."),
    Option(
        "integer",
        ("--preserve-fds",),
        "Pass descriptors 3 to N+2 on.",
        value="N",
        most=1000,
        default=0,
    ),
    one("--stop-signal", value="SIGNAL", text="What ends the container."),
    many("-l", "--label", value="K[=V]", text="A label, for people."),
    many("--annotation", value="K=V", text="An annotation, for the runtime."),
    one("--spec-patch", value="FILE", text="A JSON merge patch for the specification."),
)


"""What decides what the container is like."""

SUPERVISION = (
    flag("-d", "--detach", text="Run in the background, and print the container's id."),
    flag("--rm", text="Leave nothing behind: what every run without -d does."),
    Option("number", ("--timeout",), "Stop it after that time.", value="SECONDS"),
    Option(
        "number",
        ("--stop-timeout",),
        "From asking it to stop to killing it.  [default: 10]",
        value="SECONDS",
        default=10.0,
    ),
    Option(
        "switch",
        ("--sig-proxy", "--no-sig-proxy"),
        "Pass signals on to the container.  [default: yes]",
        default=True,
    ),
    one("--cidfile", value="FILE", text="Write the container's id; must not be there yet."),
    one("--pidfile", value="FILE", text="Write the pid of the container's process."),
    one("--result", value="FILE", text="Write what came of it as JSON, whatever happened."),
    flag("--keep", text="Keep what the container wrote, and say where."),
    one("--runtime", value="NAME|PATH", text="The OCI runtime.  [env: IMGFETCH_RUNTIME]"),
    flag("--strict", text="Refuse a runtime that containers are known to get out of."),
    choice(
        "--rootfs-mode",
        "auto",
        "overlay",
        "fuse-overlayfs",
        "copy",
        text="How the root file system is made.",
    ),
)
"""What decides how a run is watched over."""
