"""What a run of an image that is unpacked takes, and what not."""

from __future__ import annotations

from tests.e2e.people import Somebody


def test_a_run_in_the_foreground_imports_nothing_of_this(myself: Somebody) -> None:
    """Warm runs are to be fast."""
    said = myself.imgfetch(
        "run", "--network", "none", myself.published.busybox, "true",
        env={"PYTHONPROFILEIMPORTTIME": "1"},
    ).succeeded()  # fmt: skip
    imported = {line.rpartition("|")[2].strip() for line in said.errors.splitlines()}
    assert "imgfetch.workflow.run" in imported
    room = "imgfetch.runtime"
    ours = {f"{room}.{name}" for name in ("containers", "monitor", "output", "execution")}
    ours |= {f"imgfetch.workflow.{name}" for name in ("detach", "control", "execute", "result")}
    assert imported & ours == set()
