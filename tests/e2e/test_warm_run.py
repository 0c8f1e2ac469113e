"""What a run of an image that is unpacked takes, and what not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.people import Somebody
from tests.e2e.published import Published
from tests.support.cli import PROGRAM

# Of Python's own, besides what it loads for an empty program. Each is small, and none imports
# more than others in here: `re`, `typing`, `dataclasses`, `json`, `pathlib` and the like take
# milliseconds each, and `imgfetch.lean` stands for them.
_SMALL = {
    "__future__",
    "_functools",
    "_json",
    "_operator",
    "_sha2",
    "_sha256",
    "_sha512",
    "_struct",
    "_ctypes",
    "encodings.ascii",
    "errno",
    "fcntl",
    "gc",
    "imgfetch",
    "pwd",
    "resource",
    "select",
    "struct",
}
_OURS_AT_MOST = 115
_BEFORE_THE_PACK = 6


def _imported(errors: str) -> set[str]:
    """The modules in a report of ``-X importtime``."""
    lines = [line for line in errors.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines[1:]}


@pytest.fixture(scope="module")
def of_python() -> set[str]:
    """What Python loads by itself."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "pass"],
        capture_output=True,
        text=True,
        check=True,
    )
    return _imported(done.stderr)


@pytest.fixture(scope="module")
def imported(anybody: Somebody) -> set[str]:
    """What a run loads whose image is at hand."""
    said = anybody.imgfetch(
        "run", "--network", "none", anybody.published.busybox, "true",
        env={"PYTHONPROFILEIMPORTTIME": "1"},
    ).succeeded()  # fmt: skip
    return _imported(said.errors)


def test_a_warm_run_loads_little_that_is_not_ours(imported: set[str], of_python: set[str]) -> None:
    """Warm runs are to be fast: no click, no HTTP, no regular expressions."""
    assert "imgfetch.workflow.run" in imported
    others = {name for name in imported if not name.startswith("imgfetch.")}
    assert others - of_python - _SMALL == set()


def test_a_warm_run_loads_what_it_takes_of_ours(imported: set[str]) -> None:
    """Each takes a tenth of a millisecond, if there is nothing in it."""
    ours = {name for name in imported if name.startswith("imgfetch.")}
    assert len(ours) <= _OURS_AT_MOST
    rooms = {name.split(".")[1] for name in ours}
    assert rooms.isdisjoint({"archive", "layer", "library", "registry", "tar"})


def test_a_warm_run_opens_no_file_for_each_module(tmp_path: Path, published: Published) -> None:
    """The first one keeps the bytecode of all that it has loaded in a file."""
    calls = tmp_path / "calls"
    trace = ["strace", "--follow-forks", "--trace=openat", f"--output={calls}"]
    env = {name: value for name, value in os.environ.items() if "BYTECODE" not in name}
    env["IMGFETCH_STORE"] = f"{tmp_path}/store"
    command = [str(PROGRAM), "run", "--network", "none", published.busybox, "true"]
    for before in ([], [], trace):
        subprocess.run([*before, *command], env=env, check=True, capture_output=True)
    opened = re.findall(r'"([^"]*imgfetch/[^"]*)\.cpython-[^"]*\.pyc"', calls.read_text())
    # Those that come before it: the package, its command line, and what finds the pack.
    assert len(opened) <= _BEFORE_THE_PACK, opened


def test_a_run_in_the_foreground_imports_nothing_of_this(imported: set[str]) -> None:
    """Warm runs are to be fast."""
    room = "imgfetch.runtime"
    ours = {f"{room}.{name}" for name in ("containers", "monitor", "output", "execution")}
    ours |= {f"imgfetch.workflow.{name}" for name in ("detach", "control", "execute", "result")}
    assert imported & ours == set()
