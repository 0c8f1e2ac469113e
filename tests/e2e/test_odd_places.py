"""Containers started where something is missing, or in the place of something else."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.people import Somebody
from tests.e2e.published import Published
from tests.e2e.traces import cgroups_with, eventually, mounts_with, processes_with
from tests.support.cli import Imgfetch, Result
from tests.support.tools import require_tool
from tests.support.users import CHECKOUT

_OPENAT2 = 437
_PID_ONE = ["--pid", "--fork", "--kill-child", "--mount-proc"]


def _children(pid: int) -> list[int]:
    """The children of a process, zombies included."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _is_ours(pid: int) -> bool:
    words = Path(f"/proc/{pid}/cmdline").read_text()
    return "imgfetch" in words or "runc" in words


class TestProcessOne:
    """R155: the command as the first process of a pod, with nobody to clear up behind it."""

    def _start(self, myself: Somebody, script: str, before: str = "") -> subprocess.Popen[bytes]:
        argv = myself.imgfetch.argv(
            "run", "--network", "none", myself.published.busybox, "sh", "-c", script
        )
        # A shell leaves a process of its own behind, and becomes the command.
        shell = [require_tool("unshare"), *_PID_ONE, "sh", "-c", f'{before} exec "$@"', "sh"]
        return subprocess.Popen(
            [*shell, *argv],
            env=myself.imgfetch.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def test_others_orphans_are_taken_in(self, myself: Somebody, tmp_path: Path) -> None:
        """What ends is not left as a zombie, nor taken for the container."""
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        script = "trap 'exit 5' TERM; echo ready; sleep 60 & wait"
        process = self._start(myself, script, before=f"sh -c 'read line <{pipe}; exit 3' &")
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        [one] = _children(process.pid)
        [orphan] = [pid for pid in _children(one) if not _is_ours(pid)]
        pipe.write_text("end\n")
        assert eventually(lambda: orphan not in _children(one))
        os.kill(one, signal.SIGTERM)
        process.communicate(timeout=60)
        assert process.returncode == 5

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
    def test_signals_reach_the_container(self, myself: Somebody, number: signal.Signals) -> None:
        """The kernel drops those that the first process has no handler for."""
        process = self._start(myself, "trap 'exit 9' INT TERM HUP; echo ready; sleep 60 & wait")
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        [one] = _children(process.pid)
        os.kill(one, number)
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 9, errors


def test_neither_systemd_nor_a_bus_is_asked(anybody: Somebody, tmp_path: Path) -> None:
    """R162: not by us and not by the runtime, though both seem to be there."""
    trace = tmp_path / "trace"
    strace = [
        require_tool("strace"),
        "--follow-forks",
        "--trace=connect,execve",
        f"--output={trace}",
    ]
    bus = {"DBUS_SESSION_BUS_ADDRESS": "unix:path=/run/user/0/bus", "XDG_RUNTIME_DIR": "/run"}
    process = anybody.imgfetch.start(
        "run", "--network", "none", anybody.published.busybox, "true",
        wrapper=[*strace, "--"], env=bus,
    )  # fmt: skip
    _, errors = process.communicate(timeout=100)
    assert process.returncode == 0, errors
    calls = trace.read_text()
    assert "runc" in calls
    assert re.findall(r"connect\(.*(?:dbus|systemd|/bus\b).*", calls) == []


_NO_WEAK_DIGESTS = """
import hashlib, _hashlib

STRONG = ("sha256", "sha384", "sha512")
_new = hashlib.new

def _refuse(*args, **kwargs):
    raise ValueError("[digital envelope routines] unsupported")

def _only_strong(name, *args, **kwargs):
    return _new(name, *args, **kwargs) if name in STRONG else _refuse()

for weak in ("md5", "sha1", "blake2b", "blake2s"):
    setattr(hashlib, weak, _refuse)
    setattr(_hashlib, f"openssl_{weak}", _refuse)
hashlib.new = _only_strong
with open({log!r}, "a") as log:
    log.write("loaded\\n")
"""


def test_a_python_without_weak_digests_will_do(
    imgfetch: Imgfetch, myself: Somebody, tmp_path: Path
) -> None:
    """R174: as in FIPS mode, from the registry to the exit status."""
    log = tmp_path / "log"
    (tmp_path / "sitecustomize.py").write_text(_NO_WEAK_DIGESTS.replace("{log!r}", repr(str(log))))
    env = {"PYTHONPATH": str(tmp_path)}
    image = myself.published.layered
    imgfetch("pull", image, env=env).succeeded()
    imgfetch("run", "--network", "none", image, "true", env=env).succeeded()
    imgfetch("unpack", image, tmp_path / "bundle", env=env).succeeded()
    imgfetch("save", image, "-o", tmp_path / "saved.tar", env=env).succeeded()
    imgfetch("fsck", env=env).succeeded()
    assert log.read_text().count("loaded") >= 5


# Does what `runc run` does but for the last step.
_ONLY_CREATE = """#!/bin/sh
case " $* " in *" run "*) ;; *) exec {runc} "$@" ;; esac
for word do
    shift
    [ "$word" != run ] || word=create
    set -- "$@" "$word"
done
{runc} "$@" && echo created >&2
exec sleep {marker}
"""


class TestKilledBeforeTheStart:
    """R146: the runtime has made a container, whose process waits to become the command."""

    def test_the_next_run_clears_it_away(self, myself: Somebody, tmp_path: Path) -> None:
        marker = f"61{os.getpid()}.5"
        runtime = tmp_path / "runc"
        runtime.write_text(_ONLY_CREATE.format(runc=require_tool("runc"), marker=marker))
        runtime.chmod(0o755)
        store = myself.imgfetch.store
        options = ["--network", "none", "--runtime", str(runtime)]
        process = myself.imgfetch.start("run", *options, myself.published.busybox, "echo", "never")
        assert eventually(lambda: bool(processes_with(marker)))
        [state] = store.glob("runs/*/state/*/state.json")
        container = state.parent.name
        process.kill()
        output, _ = process.communicate(timeout=30)
        assert output == b""
        assert eventually(lambda: not processes_with(container) and not processes_with(marker))
        assert eventually(lambda: not mounts_with(container))
        myself.run(command=["true"]).succeeded()
        assert not list(store.glob(f"runs/{container}"))
        assert cgroups_with(container) == []

    def test_processes_with_an_old_id_are_left_alone(self, myself: Somebody) -> None:
        """After a reboot an id is somebody else's: the lock tells who lives, and no file."""
        run = myself.imgfetch.store / "runs" / ("0" * 63 + "1")
        (run / "state" / run.name).mkdir(parents=True)
        with subprocess.Popen([require_tool("sleep"), "60"]) as other:
            (run / "pid").write_text(str(other.pid))
            state = f'{{"id": "{run.name}", "init_process_pid": {other.pid}}}'
            (run / "state" / run.name / "state.json").write_text(state)
            myself.run(command=["true"]).succeeded()
            assert not run.exists()
            assert other.poll() is None
            other.kill()


@pytest.mark.parametrize("error", [errno.ENOSYS, errno.EPERM], ids=errno.errorcode.get)
def test_without_openat2_all_is_as_with_it(
    imgfetch: Imgfetch, published: Published, tmp_path: Path, error: int
) -> None:
    """R169: in sandboxes that do not know the call, and on kernels before 5.6."""
    script = "find / -xdev -not -path '/proc/*' -not -path '/sys/*' | sort; cat /data/new"
    (tmp_path / "data").mkdir()
    (tmp_path / "data/new").write_text("from here")
    run = (
        "run", "--network", "none", "--hostname", "box", "-w", "/made/here",
        "-v", f"{tmp_path}/data:/data:ro", published.layered, "sh", "-c", script,
    )  # fmt: skip
    known = imgfetch(*run).succeeded()
    other = replace(imgfetch, store=tmp_path / "store")
    refused = [sys.executable, "-m", "tests.support.refused_call", str(_OPENAT2), str(error)]
    done = subprocess.run(
        [*refused, *other.argv(*run)],
        env=other.environment(), capture_output=True, check=False, cwd=CHECKOUT, timeout=60,
    )  # fmt: skip
    assert Result(done.returncode, done.stdout, done.stderr).succeeded().lines == known.lines
