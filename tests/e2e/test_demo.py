"""The demonstration works, and clears up behind itself."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path

import pytest

from tests.support.users import CHECKOUT, User, run_as

DEMO = CHECKOUT / "scripts" / "demo"


@pytest.mark.timeout(300)
def test_the_demonstration_works(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [DEMO],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    output, _ = process.communicate()
    assert process.returncode == 0, output.decode()
    assert output.endswith(b"demo: all answers were as expected\n")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(KeyError):
        pwd.getpwnam(f"imgfetch-demo-{process.pid}")


@pytest.mark.timeout(300)
def test_it_works_for_an_ordinary_user_too(any_user: User) -> None:
    directory = any_user.directory("tmp")
    done = run_as(any_user, [DEMO], env={"TMPDIR": str(directory)}, timeout=280)
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    assert list(directory.iterdir()) == []
