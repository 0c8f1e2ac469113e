"""run, as root and as both kinds of ordinary users: what the container gets and gives."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.e2e.people import Somebody

# podman's eleven: no AUDIT_WRITE, MKNOD and NET_RAW.
DEFAULT_CAPABILITIES = 0x00000000800405FB


def test_the_command_is_process_one_and_alone(anybody: Somebody) -> None:
    lines = anybody.run(command=["ps", "-ef"]).succeeded().lines
    assert len(lines) == 2
    assert re.fullmatch(r" *1 .* ps -ef", lines[1])


def test_a_tag_and_its_digest_run_the_same(anybody: Somebody) -> None:
    pinned = anybody.published.pinned(anybody.published.busybox)
    assert anybody.run(image=pinned, command=["echo", "hello"]).succeeded().stdout == b"hello\n"


def test_the_exit_status_is_the_containers(anybody: Somebody) -> None:
    """R140, R156: 0 is one too."""
    for status in (0, 1, 42, 125, 255):
        anybody.run(command=["sh", "-c", f"exit {status}"]).exited(status)


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (["no-such-command"], 127),
        (["/no/such/file"], 127),
        (["/no-interpreter"], 127),
        (["/etc/passwd"], 126),
        (["/etc"], 126),
    ],
)
def test_commands_that_cannot_run_have_their_own_status(
    anybody: Somebody, command: list[str], status: int
) -> None:
    """P03, R140, R141."""
    result = anybody.run(image=anybody.published.settings, command=command).exited(status)
    assert result.stdout == b""
    assert "Traceback" not in result.errors


@pytest.mark.parametrize(
    "options",
    [
        ["-v", "/no/such/source:/x"],
        ["-v", "rela/tive:/x"],
        ["-v", "/etc:/x:no-such-option"],
        ["-u", "no-such-user"],
        ["-u", "4294967296"],
        ["--network", "no-such-network"],
        ["--mount", "type=no-such-type,dst=/x"],
        ["-e", "=value"],
        ["--env-file", "/no/such/file"],
        ["-w", "relative"],
        ["--hostname", "x" * 65],
    ],
)
def test_options_that_cannot_be_had_are_125(anybody: Somebody, options: list[str]) -> None:
    """P03, S051, S152, R151, R153."""
    result = anybody.run(*options, command=["true"]).exited(125)
    assert result.errors.startswith("imgfetch: ")
    assert "Traceback" not in result.errors


def test_an_image_without_a_command_needs_one(anybody: Somebody) -> None:
    """R076."""
    anybody.run(image=anybody.published.bare).exited(125)
    anybody.run(image=anybody.published.bare, command=["true"]).succeeded()


def test_standard_input_is_empty_unless_asked_for(anybody: Somebody) -> None:
    assert anybody.run(command=["cat"], input="not read").succeeded().stdout == b""


def test_standard_input_arrives_byte_for_byte(anybody: Somebody) -> None:
    """R150: and its end does too."""
    data = os.urandom(1_000_000)
    assert anybody.run("-i", command=["cat"], input=data).succeeded().stdout == data


def test_a_loop_over_standard_input_keeps_its_lines(myself: Somebody) -> None:
    argv = myself.imgfetch.argv("run", "--network", "none", myself.published.busybox, "true")
    loop = 'while read -r line; do "$@" || exit; echo "$line"; done'
    done = subprocess.run(
        ["sh", "-c", loop, "sh", *argv],
        input=b"1\n2\n3\n",
        capture_output=True,
        env=myself.imgfetch.environment(),
        check=True,
        timeout=60,
    )
    assert done.stdout == b"1\n2\n3\n"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_are_no_obstacle(myself: Somebody, closed: str) -> None:
    """P04, R150."""
    argv = myself.imgfetch.argv("run", "--network", "none", myself.published.busybox, "true")
    done = subprocess.run(
        ["sh", "-c", f'"$@" {closed}', "sh", *argv],
        env=myself.imgfetch.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def test_output_and_errors_stay_apart(anybody: Somebody) -> None:
    result = anybody.run(command=["sh", "-c", "printf out; printf err >&2"]).succeeded()
    assert (result.stdout, result.stderr) == (b"out", b"err")


def test_the_environment_is_the_images_and_the_options(anybody: Somebody) -> None:
    """P15, S050, R077, R151."""
    file = anybody.workspace() / "env"
    file.write_text("# a comment\nFILE=from the file\nBOTH=file\n")
    result = anybody.imgfetch(
        "run", "--network", "none", "--env-file", file, "-e", "BOTH=option", "-e", "PASSED",
        "-e", "NOT_SET", "--env", "TWICE=1", "--env", "TWICE=2", anybody.published.settings,
        "env",
        env={"PASSED": "from the caller", "HIDDEN": "x", "NOTIFY_SOCKET": "/x", "LISTEN_FDS": "1"},
    ).succeeded()  # fmt: skip
    environment = dict(line.split("=", 1) for line in result.lines)
    hostname = environment.pop("HOSTNAME")
    assert re.fullmatch(r"[0-9a-f]{12}", hostname)
    assert environment == {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "FROM_IMAGE": "yes",
        "FILE": "from the file",
        "BOTH": "option",
        "PASSED": "from the caller",
        "TWICE": "2",
    }


def test_a_volume_is_shared_with_the_host(anybody: Somebody) -> None:
    workspace = anybody.workspace()
    (workspace / "in").write_text("from the host")
    script = "cat /work/in; echo -n from the container >/work/out"
    result = anybody.run("-v", f"{workspace}:/work", command=["sh", "-c", script]).succeeded()
    assert result.stdout == b"from the host"
    assert (workspace / "out").read_text() == "from the container"
    assert (workspace / "out").stat().st_uid == workspace.stat().st_uid


@pytest.mark.parametrize(
    "option",
    [
        ["-v", "{}:/work:ro"],
        ["--mount", "type=bind,src={},dst=/work,ro"],
        ["--mount", "type=bind,source={},target=/work,readonly"],
    ],
)
def test_a_read_only_mount_cannot_be_written(anybody: Somebody, option: list[str]) -> None:
    workspace = anybody.workspace()
    options = [part.format(workspace) for part in option]
    result = anybody.run(*options, command=["touch", "/work/x"]).exited(1)
    assert b"Read-only file system" in result.stderr
    assert list(workspace.iterdir()) == []


@pytest.mark.parametrize(
    "option", [["--tmpfs", "/scratch"], ["--mount", "type=tmpfs,dst=/scratch"]]
)
def test_a_tmpfs_is_empty_and_writable(anybody: Somebody, option: list[str]) -> None:
    script = "ls -A /scratch; touch /scratch/x; grep ' /scratch ' /proc/mounts"
    result = anybody.run("--read-only", *option, command=["sh", "-c", script]).succeeded()
    [line] = result.lines
    assert line.split()[2] == "tmpfs"


def test_a_read_only_root_cannot_be_written(anybody: Somebody) -> None:
    result = anybody.run("--read-only", command=["touch", "/x"]).exited(1)
    assert b"Read-only file system" in result.stderr


def test_what_a_container_writes_is_gone_with_it(anybody: Somebody) -> None:
    """S128."""
    anybody.run(command=["sh", "-c", "touch /x; rm /etc/group; echo >/etc/passwd"]).succeeded()
    lines = anybody.run(command=["sh", "-c", "ls /x; wc -l </etc/passwd; ls /etc/group"]).lines
    assert lines == ["4", "/etc/group"]


def test_the_working_directory_is_made_if_missing(anybody: Somebody) -> None:
    """R152."""
    assert anybody.run(command=["pwd"]).succeeded().lines == ["/"]
    assert anybody.run("-w", "/new/dir", command=["pwd"]).succeeded().lines == ["/new/dir"]


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("app", "uid=1000(app) gid=1000(app) groups=50(staff),1000(app),2000(audit)"),
        ("1000", "uid=1000(app) gid=1000(app) groups=50(staff),1000(app),2000(audit)"),
        ("app:0", "uid=1000(app) gid=0(root) groups=0(root)"),
        ("1234", "uid=1234 gid=0(root) groups=0(root)"),
        ("1234:50", "uid=1234 gid=50(staff) groups=50(staff)"),
    ],
)
def test_the_user_is_looked_up_in_the_image(
    with_many_ids: Somebody, user: str, expected: str
) -> None:
    """S053, R077."""
    result = with_many_ids.run("-u", user, command=["id"]).succeeded()
    fields = [set(field.split(",")) for field in result.lines[0].split()]
    assert fields == [set(field.split(",")) for field in expected.split()]


def test_home_is_the_users(with_many_ids: Somebody) -> None:
    """R077."""
    script = ["sh", "-c", "echo $HOME"]
    for user, home in (("app", "/home/app"), ("root", "/root"), ("1234", "/")):
        assert with_many_ids.run("-u", user, command=script).succeeded().lines == [home]


def test_one_id_runs_as_root_inside_and_as_oneself_outside(plain_somebody: Somebody) -> None:
    """R121."""
    workspace = plain_somebody.workspace()
    result = plain_somebody.run(
        "-v", f"{workspace}:/work", command=["sh", "-c", "id -u; touch /work/x"]
    ).succeeded()
    assert result.lines == ["0"]
    assert plain_somebody.imgfetch.user is not None
    assert (workspace / "x").stat().st_uid == plain_somebody.imgfetch.user.uid


def test_entrypoint_and_command_are_dockers(anybody: Somebody) -> None:
    stencil = anybody.published.stencil
    workspace = anybody.workspace()
    mount = ["-v", f"{workspace}:/workspace"]
    result = anybody.run(*mount, "-i", image=stencil, command=["db"], input="a=1\n").succeeded()
    assert result.lines == ["creating db as root, pid 1", "  a=1", "done"]
    assert (workspace / "binding").read_text() == "uri=postgres://nobody@db.internal\n"
    default = anybody.run(*mount, image=stencil).succeeded()
    assert default.lines[0] == "creating unnamed as root, pid 1"
    other = anybody.run("--entrypoint", "echo", image=stencil, command=["x"]).succeeded()
    assert other.lines == ["x"]
    anybody.run("--entrypoint", "echo", image=stencil).succeeded()
    none = anybody.run("--entrypoint", "", image=stencil, command=["echo", "y"]).succeeded()
    assert none.lines == ["y"]


def test_the_command_may_begin_with_a_dash(anybody: Somebody) -> None:
    """R156: everything after the image is the container's."""
    result = anybody.run(
        "--entrypoint", "echo", command=["-e", "--rm", "-", "--", "--help"]
    ).succeeded()
    assert result.lines == ["--rm - -- --help"]


def test_without_a_network_there_is_only_loopback(anybody: Somebody) -> None:
    result = anybody.run("--network", "none", command=["ls", "/sys/class/net"]).succeeded()
    assert result.lines == ["lo"]
    up = anybody.run(command=["sh", "-c", "ip -o addr show lo"]).succeeded()
    assert "127.0.0.1" in up.stdout.decode()


def test_the_hosts_network_is_the_hosts(anybody: Somebody) -> None:
    result = anybody.run("--network", "host", command=["cat", "/proc/net/dev"]).succeeded()
    inside = {line.split(":")[0].strip() for line in result.lines[2:]}
    outside = Path("/proc/self/net/dev").read_text().splitlines()[2:]
    assert inside == {line.split(":")[0].strip() for line in outside}


def test_the_hostname_is_given_or_the_containers_id(anybody: Somebody) -> None:
    """R153."""
    given = anybody.run("--hostname", "somewhere", command=["hostname"]).succeeded()
    assert given.lines == ["somewhere"]
    assert re.fullmatch(r"[0-9a-f]{12}", anybody.run(command=["hostname"]).succeeded().lines[0])


def test_names_and_rm_are_accepted(anybody: Somebody) -> None:
    for _ in range(2):
        anybody.run("--rm", "--name", "my-container", command=["true"]).succeeded()
    anybody.run("--name", "../x", command=["true"]).exited(125)
    anybody.run("--name", "-x", command=["true"]).exited(125)


def test_capabilities_are_few_and_not_inherited(anybody: Somebody) -> None:
    """S054."""
    lines = anybody.run(command=["grep", "^Cap", "/proc/self/status"]).succeeded().lines
    sets = {name: int(value, 16) for name, value in (line.split(":\t") for line in lines)}
    assert sets["CapInh"] == 0
    assert sets["CapAmb"] == 0
    assert sets["CapEff"] == sets["CapPrm"] == sets["CapBnd"]
    assert sets["CapEff"] & ~DEFAULT_CAPABILITIES == 0
    assert sets["CapEff"]


def test_a_seccomp_profile_is_loaded(anybody: Somebody) -> None:
    """S148."""
    [line] = anybody.run(command=["grep", "^Seccomp:", "/proc/self/status"]).succeeded().lines
    assert line.split()[1] == "2"


def test_no_descriptor_of_the_callers_is_left_open(anybody: Somebody) -> None:
    """S057, S146."""
    process = anybody.imgfetch.start(
        "run", "--network", "none", anybody.published.busybox, "ls", "/proc/self/fd",
        wrapper=["sh", "-c", 'exec 7</ 8</etc; exec "$@"', "sh"],
    )  # fmt: skip
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, b"")
    assert output.split() == [b"0", b"1", b"2", b"3"]


def test_a_signal_is_passed_to_the_container(anybody: Somebody) -> None:
    """R148."""
    script = "trap 'echo got it; exit 5' TERM; echo ready; while :; do sleep 0.05; done"
    process = anybody.imgfetch.start(
        "run", "--network", "none", anybody.published.busybox, "sh", "-c", script
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=30)
    assert (output, errors) == (b"got it\n", b"")
    assert process.returncode == 5


def test_a_container_that_is_killed_has_the_signals_status(anybody: Somebody) -> None:
    """P03, R143."""
    anybody.run(command=["sh", "-c", "sh -c 'kill -9 $$'; exit $?"]).exited(137)


def test_limits_are_set(anybody: Somebody) -> None:
    result = anybody.run("--ulimit", "nofile=100:200", command=["sh", "-c", "ulimit -n"])
    assert result.succeeded().lines == ["100"]


def test_a_missing_image_is_pulled(newcomer: Somebody) -> None:
    """Into a store that does not exist yet."""
    result = newcomer.run(command=["echo", "pulled"]).succeeded()
    assert result.stdout == b"pulled\n"
    again = newcomer.imgfetch(
        "--offline", "run", "--network", "none", newcomer.published.busybox, "true"
    )
    again.succeeded()
