"""Ctrl-C at any time: no traceback, and the status that shells know."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

_IMPORTING = """
import os, signal, sys
sys.argv = ["/somewhere/imgfetch", "version"]
import imgfetch.cli
os.kill(os.getpid(), signal.SIGINT)
"""
_RUNNING = """
import os, signal, sys
sys.argv = ["/somewhere/imgfetch", "version"]
from imgfetch.cli import main
main.invoke = lambda _: print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
main.main()
"""
_ELSEWHERE = """
import signal
import imgfetch.cli
print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
"""


def run(code: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)


def test_during_imports_it_ends_the_command_without_a_word() -> None:
    """R142."""
    done = run(_IMPORTING)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, b"")


@pytest.mark.parametrize("code", [_RUNNING, _ELSEWHERE])
def test_afterwards_and_in_other_programs_it_is_an_exception(code: str) -> None:
    """R142."""
    assert run(code).stdout == b"True\n"
