"""A process that is killed at any moment leaves a store that the next one just uses."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.rules import ROOT
from tests.support.mounts import small_tmpfs
from tests.support.preloaded import unmeasured


@pytest.mark.parametrize(("scenario", "least"), [("pull", 100), ("remove", 40)])
def test_the_next_command_succeeds_wherever_the_one_before_was_killed(
    tmp_path: Path, scenario: str, least: int
) -> None:
    """R091: SIGKILL before each step, and in the middle of each write."""
    # A file system of its own: what other tests write is nothing to wait for in a sync.
    with small_tmpfs(tmp_path / "fs", size=1 << 30) as directory:
        done = subprocess.run(
            [sys.executable, "-m", "tests.support.crash_steps", scenario, str(directory)],
            cwd=ROOT,
            env=unmeasured(),
            capture_output=True,
            text=True,
            check=False,
            timeout=110,
        )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= least
