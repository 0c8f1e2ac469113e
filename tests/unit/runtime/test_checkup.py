"""What ``doctor`` says about runtimes, networks and runs that were killed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imgfetch import remedies
from imgfetch.errors import RuntimeMissingError
from imgfetch.fs.claim import make_claimed
from imgfetch.runtime.checkup import killed_runs, private_networks, runtimes
from imgfetch.runtime.program import find_runtime

RUNC = "runc version 1.3.3\nlibseccomp: 2.5.4"
CRUN = "crun version 1.21\n+SYSTEMD +SECCOMP +CAP"


def program(directory: Path, name: str, said: str) -> str:
    path = directory / name
    path.write_text(f"#!/bin/sh\necho '{said}'\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture(autouse=True)
def only_the_search_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """What this machine has installed makes no difference."""
    monkeypatch.setattr("imgfetch.fs.programs._SYSTEM", ())


def test_the_one_that_runs_use_comes_first(tmp_path: Path) -> None:
    runc, crun = program(tmp_path, "runc", RUNC), program(tmp_path, "crun", CRUN)
    used, other = runtimes(None, str(tmp_path))
    assert (used.check, used.state, used.found) == ("runtime", "ok", f"{runc}, version 1.3.3")
    assert (other.check, other.found) == ("another-runtime", f"{crun}, version 1.21.0")


def test_a_missing_one_blocks_in_the_words_of_runs(tmp_path: Path) -> None:
    (found,) = runtimes(None, str(tmp_path))
    with pytest.raises(RuntimeMissingError) as caught:
        find_runtime(None, str(tmp_path))
    assert (found.found, found.remedy) == (caught.value.message, caught.value.hint)
    assert found.blocks


@pytest.mark.parametrize(
    ("name", "said", "state", "remedy"),
    [
        ("runc", "runc version 1.1.5\nlibseccomp: 2.5.4", "warning", remedies.UPDATE_RUNTIME),
        ("runc", "runc version 1.3.3\ngo: 1", "missing", remedies.NO_SECCOMP),
        ("crun", "crun version 1.21\n+CAP", "missing", remedies.NO_SECCOMP),
        ("crun", CRUN, "ok", None),
        ("youki", "youki version 0.5", "ok", None),
    ],
)
def test_what_is_known_of_versions_is_told(
    tmp_path: Path, name: str, said: str, state: str, remedy: str | None
) -> None:
    """S142, R160."""
    program(tmp_path, name, said)
    found = next(runtimes(name, str(tmp_path)))
    assert (found.state, found.remedy) == (state, remedy)
    assert found.blocks == (state == "missing")


def test_one_that_fails_blocks_only_if_runs_use_it(tmp_path: Path) -> None:
    """R154."""
    program(tmp_path, "runc", RUNC)
    (tmp_path / "crun").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "crun").chmod(0o755)
    _, other = runtimes(None, str(tmp_path))
    assert (other.state, other.blocks) == ("warning", False)
    used, _ = runtimes("crun", str(tmp_path))
    assert (used.state, used.blocks) == ("missing", True)


@pytest.mark.parametrize("wanted", [False, True])
def test_private_networks_block_only_those_who_want_them(tmp_path: Path, wanted: bool) -> None:
    found = private_networks(str(tmp_path), wanted=wanted)
    assert (found.state, found.blocks) == ("missing", wanted)
    assert found.remedy == remedies.INSTALL_NETWORK_HELPER


def test_killed_runs_are_counted(tmp_path: Path) -> None:
    """R145: living ones and detached ones are none."""
    runs = tmp_path / "runs"
    assert killed_runs(str(runs)).found == "none"
    for name in ("dead", "detached", "names"):
        (runs / name).mkdir(parents=True)
    (runs / "detached/detached.json").touch()
    descriptor = make_claimed(str(runs / "living"))
    assert killed_runs(str(runs)).found.startswith("3 containers, 1 left by killed runs")
    os.close(descriptor)
