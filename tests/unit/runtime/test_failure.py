"""Messages of runtimes, as they are, and what they mean."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from imgfetch import remedies
from imgfetch.errors import CommandError, RuntimeFailedError
from imgfetch.runtime.failure import failure, last_error

RUNC = "runc run failed: unable to start container process:"
NOT_FOUND = {
    "runc 1.0": 'container_linux.go:380: starting container process caused: exec: "nosuch": '
    "executable file not found in $PATH",
    "runc 1.1": f'{RUNC} exec: "nosuch": executable file not found in $PATH',
    "runc, a path": f'{RUNC} exec: "/no/such": stat /no/such: no such file or directory',
    "runc 1.2": f'{RUNC} error during container init: exec: "/x": no such file or directory',
    "crun": "executable file `nosuch` not found in $PATH: No such file or directory",
    "crun, exec": "exec container process (missing dynamic library?) `/x`: "
    "No such file or directory",
}
NOT_EXECUTABLE = {
    "runc": f'{RUNC} exec: "/etc/passwd": permission denied',
    "runc, a directory": f'{RUNC} exec: "/etc": is a directory',
    "crun": "exec container process `/etc/passwd`: Permission denied",
    "crun, foreign": "exec container process `/foreign`: Exec format error",
}
OTHERS = {
    "runc, a mount": f'{RUNC} error mounting "/x" to "/y": stat /x: no such file or directory',
    "runc, chdir": f'{RUNC} chdir to cwd ("/x") set in config.json failed: permission denied',
    "runc, a user": "runc run failed: cannot set uid to unmapped user in user namespace",
    "crun, a mount": "mount `proc` to `/proc`: Permission denied",
}


def write_log(directory: Path, *messages: str) -> Path:
    log = directory / "log"
    lines = [{"level": "warning", "msg": "executable file not found, perhaps"}]
    lines += [{"level": "error", "msg": message} for message in messages]
    log.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return log


@pytest.mark.parametrize("message", NOT_FOUND.values(), ids=NOT_FOUND)
def test_a_missing_command_is_127(message: str, tmp_path: Path) -> None:
    """R140."""
    error = failure("runc", write_log(tmp_path, message), 1)
    assert isinstance(error, CommandError)
    assert error.status == 127


@pytest.mark.parametrize("message", NOT_EXECUTABLE.values(), ids=NOT_EXECUTABLE)
def test_a_command_that_cannot_be_executed_is_126(message: str, tmp_path: Path) -> None:
    """R140."""
    error = failure("runc", write_log(tmp_path, message), 1)
    assert isinstance(error, CommandError)
    assert error.status == 126


@pytest.mark.parametrize("message", OTHERS.values(), ids=OTHERS)
def test_everything_else_is_the_runtimes(message: str, tmp_path: Path) -> None:
    error = failure("runc", write_log(tmp_path, message), 1)
    assert type(error) is RuntimeFailedError
    assert error.hint is not None


@pytest.mark.parametrize(
    ("message", "hint"),
    [
        ("cannot set uid to unmapped user in user namespace", remedies.UNMAPPED_ID),
        ("mkdir /sys/fs/cgroup/x: cgroup: permission denied", remedies.NO_LIMITS),
        ("unable to apply apparmor profile: no such file", remedies.NO_APPARMOR),
        ("nobody has ever seen this", remedies.DOCTOR),
        ("", remedies.DOCTOR),
    ],
)
def test_the_next_step_is_that_of_the_catalogue(message: str, hint: str, tmp_path: Path) -> None:
    """R161: limits that can't be had."""
    assert failure("runc", write_log(tmp_path, message), 1).hint == hint


def test_the_message_is_the_last_error_in_one_line(tmp_path: Path) -> None:
    log = write_log(tmp_path, "first", "runc run failed: several\n lines")
    assert failure("runc", log, 1).message == "runc: several lines"


def test_the_message_is_not_longer_than_a_person_reads(tmp_path: Path) -> None:
    assert len(failure("runc", write_log(tmp_path, "x" * 5000), 1).message) < 1100


def test_hybrid_cgroups_have_a_hint(tmp_path: Path) -> None:
    """R160."""
    log = write_log(
        tmp_path, "cgroups in hybrid mode not supported, drop all controllers from cgroupv2"
    )
    assert failure("crun", log, 1).hint == (
        "crun does not work with hybrid cgroups: use --runtime runc"
    )


@pytest.mark.parametrize("content", [None, "", "not json\n", '"text"\n', '{"level":"info"}\n'])
def test_a_log_without_an_error_leaves_the_status(content: str | None, tmp_path: Path) -> None:
    log = tmp_path / "log"
    if content is not None:
        log.write_text(content)
    assert last_error(log) is None
    assert failure("runc", log, 3).message == "runc ended with status 3 and said nothing"
    assert failure("runc", log, -9).message == "runc ended with signal 9 and said nothing"
