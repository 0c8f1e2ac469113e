"""Children: how they are started, what they tell, and what ends them."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import imgfetch
from imgfetch.client import Settings
from imgfetch.errors import NotInStoreError, RuntimeFailedError, RuntimeMissingError
from imgfetch.library.call import Call
from imgfetch.library.interpreter import find_interpreter
from tests.architecture.rules import ROOT

NOTHING = (subprocess.DEVNULL, subprocess.DEVNULL, subprocess.DEVNULL)


def settings(store: Path) -> Settings:
    return Settings(str(store), offline=True, environment={"PATH": os.defpath})


def call(store: Path, verb: str = "collect", python: str | None = None, **arguments: Any) -> Call:
    return Call(
        settings(store),
        verb,
        arguments,
        python=find_interpreter(python),
        progress=None,
        streams=NOTHING,
    )


def program(path: Path, text: str) -> str:
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_a_verb_gives_what_it_returns(tmp_path: Path) -> None:
    assert call(tmp_path / "store").result().blobs == 0


def test_a_verb_raises_what_it_raises(tmp_path: Path) -> None:
    image = imgfetch.PinnedImage("a.test/b", imgfetch.Digest.of(b""))
    with pytest.raises(NotInStoreError) as caught:
        call(tmp_path / "store", "prepare", images=(image,)).result()
    assert "a.test/b" in caught.value.message


def test_only_some_verbs_are_for_children(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="login is nothing for a process of its own"):
        call(tmp_path / "store", "login").result()


def test_a_child_that_is_killed_is_an_error(tmp_path: Path) -> None:
    python = program(tmp_path / "python", "#!/bin/sh\nkill -9 $$\n")
    with pytest.raises(RuntimeFailedError, match="killed by signal 9"):
        call(tmp_path / "store", python=python).result()


def test_a_child_that_is_killed_while_it_tells_something_is_an_error(tmp_path: Path) -> None:
    python = program(
        tmp_path / "python",
        f"#!{sys.executable}\nimport os, re, sys\n"
        "reports = int(re.search(r'main\\(\\d+, (\\d+)', sys.argv[-1])[1])\n"
        "os.write(reports, b'{\"value\": [')\n"
        "os.kill(os.getpid(), 9)\n",
    )
    with pytest.raises(RuntimeFailedError, match="killed by signal 9"):
        call(tmp_path / "store", python=python).result()


def test_a_child_that_tells_nonsense_is_an_error(tmp_path: Path) -> None:
    python = program(
        tmp_path / "python",
        f"#!{sys.executable}\nimport os, re, sys\n"
        "reports = int(re.search(r'main\\(\\d+, (\\d+)', sys.argv[-1])[1])\n"
        "os.write(reports, b'nonsense\\n')\n",
    )
    with pytest.raises(ValueError, match="Expecting value"):
        call(tmp_path / "store", python=python).result()


def test_signals_for_a_container_wait_until_somebody_takes_them() -> None:
    # As for long pulls: what comes too early must not pile up in handlers.
    text = (
        "import os, signal, sys\n"
        "from imgfetch.library import child\n"
        "child._take_signals()\n"
        "sys.setrecursionlimit(100)\n"
        "os.kill(os.getpid(), signal.SIGWINCH)\n"
        "os.kill(os.getpid(), signal.SIGUSR2)\n"
        "for _ in range(100_000): pass\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})\n"
        "print(signal.sigtimedwait({signal.SIGUSR2}, 60).si_signo)\n"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stdout) == (0, b"%d\n" % signal.SIGUSR2), done.stderr


def test_a_child_that_cant_be_executed_is_an_error(tmp_path: Path) -> None:
    python = program(tmp_path / "python", "#!/no/such/interpreter\n")
    with pytest.raises(RuntimeMissingError, match="can't be started"):
        call(tmp_path / "store", python=python)
    with pytest.raises(RuntimeMissingError, match="no Python interpreter at"):
        call(tmp_path / "store", python=str(tmp_path / "none"))


def test_a_child_that_cant_import_the_package_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = list(sys.path)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    child = call(tmp_path / "store")
    monkeypatch.setattr(sys, "path", before)
    with pytest.raises(RuntimeError, match="ModuleNotFoundError"):
        child.result()


def test_the_working_directory_and_pythons_variables_decide_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('not this one')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONSTARTUP", str(tmp_path / "json.py"))
    assert call(tmp_path / "store").result().blobs == 0


@pytest.mark.parametrize("executable", ["", None, "/bin/true", "/no/such/python3"])
def test_an_interpreter_is_found_where_there_seems_to_be_none(
    executable: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", executable)
    found = find_interpreter()
    version = subprocess.run([found, "-V"], capture_output=True, text=True, check=True).stdout
    assert version.split()[1].startswith(f"{sys.version_info[0]}.{sys.version_info[1]}.")


def test_where_there_is_no_interpreter_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("executable", "prefix", "exec_prefix", "base_prefix"):
        monkeypatch.setattr(sys, name, "/no/such")
    with pytest.raises(RuntimeMissingError) as caught:
        find_interpreter()
    assert "Client(python=...)" in (caught.value.hint or "")


def test_a_package_in_a_zip_file_has_children_too(tmp_path: Path) -> None:
    archive = tmp_path / "app.pyz"
    with zipfile.ZipFile(archive, "w") as file:
        for path in (ROOT / "imgfetch").rglob("*.py"):
            file.write(path, path.relative_to(ROOT))
        file.writestr(
            "__main__.py",
            "import imgfetch, sys\n"
            "assert imgfetch.__file__.startswith(sys.argv[1])\n"
            "with imgfetch.Client(store=sys.argv[2], offline=True) as client:\n"
            "    print(client.collect().blobs)\n",
        )
    done = subprocess.run(
        [sys.executable, archive, archive, tmp_path / "store"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr


def test_a_call_that_is_abandoned_ends(tmp_path: Path) -> None:
    # An interpreter that reads its requests to their end, and does nothing.
    python = program(
        tmp_path / "python",
        f"#!{sys.executable}\nimport os, re, sys\n"
        "requests = int(re.search(r'main\\((\\d+),', sys.argv[-1])[1])\n"
        "while os.read(requests, 65536): pass\n",
    )
    child = call(tmp_path / "store", python=python)
    assert not child.has_ended()
    with pytest.raises(TimeoutError):
        child.result(0.01)
    child.abandon()
    with pytest.raises(RuntimeFailedError, match="ended with 0"):
        child.result()


def blocked() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


def ignored() -> None:
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGIO, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)


def closed() -> None:
    os.closerange(0, 3)


@pytest.mark.parametrize("change", [blocked, ignored, closed], ids=lambda change: change.__name__)
def test_what_the_caller_does_to_its_process_is_no_obstacle(
    change: Callable[[], None], tmp_path: Path
) -> None:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            change()
            os.write(write, b"%d" % call(tmp_path / "store").result().blobs)
        except BaseException as error:  # noqa: BLE001 - told to the parent
            os.write(write, repr(error).encode())
        finally:
            os._exit(0)
    os.close(write)
    with open(read, "rb") as said:
        assert said.read() == b"0"
    os.waitpid(child, 0)
