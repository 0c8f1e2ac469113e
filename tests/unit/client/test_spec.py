"""The specification of a run, printed; nothing is changed by that."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.busybox import busybox_builder
from tests.support.commandline import CommandLine
from tests.support.fake_runtime import fake_runtime
from tests.support.images import File
from tests.support.trees import snapshot_tree

NAME = "registry.test/app:1"


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    directory = tmp_path / "layout"
    busybox_builder().layer({"etc/x": File("1")}).config(user="app").write(directory, NAME)
    return directory


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files are made."""
    directory = tmp_path / "scratch"
    directory.mkdir()
    monkeypatch.setenv("TMPDIR", str(directory))
    monkeypatch.setattr("tempfile.tempdir", None)
    return directory


@pytest.mark.parametrize("unpacked", [True, False], ids=["unpacked", "pulled"])
def test_the_store_stays_as_it_is_byte_for_byte(
    command_line: CommandLine, layout: Path, scratch: Path, *, unpacked: bool
) -> None:
    words = ["--unpack"] if unpacked else []
    command_line.forked("pull", *words, f"oci:{layout}").succeeded()
    before = snapshot_tree(command_line.store)
    said = command_line.forked("-q", "spec", f"store:{NAME}", "--network", "none").succeeded()
    assert snapshot_tree(command_line.store) == before
    assert list(scratch.iterdir()) == []
    assert said.err == ""
    # The user comes from the image's own /etc/passwd, so its layers were looked at.
    assert said.json["process"]["user"]["uid"] == 1000


def test_an_image_that_is_not_in_the_store_does_not_get_there(
    command_line: CommandLine, layout: Path, scratch: Path
) -> None:
    said = command_line.forked("-q", "spec", f"oci:{layout}", "--network", "none").succeeded()
    assert said.json["process"]["args"] == ["sh"]
    assert not command_line.store.exists()
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("words", [["spec", "store:registry.test/none:1"],
                                   ["spec", "--pull", "never", "registry.test/none:1"],
                                   ["--offline", "spec", "registry.test/none:1"]],
                         ids=" ".join)  # fmt: skip
def test_an_image_that_is_nowhere_is_told(
    command_line: CommandLine, scratch: Path, words: list[str]
) -> None:
    said = command_line.forked("-q", *words, "--network", "none").failed(11)
    assert "registry.test/none:1" in said.err
    assert not command_line.store.exists()
    assert list(scratch.iterdir()) == []


def test_what_is_impossible_is_told_and_leaves_nothing(
    command_line: CommandLine, layout: Path, scratch: Path
) -> None:
    command_line.forked(
        "-q", "spec", f"oci:{layout}", "--network", "none", "-u", "nobody-here"
    ).failed(13)
    assert list(scratch.iterdir()) == []


def test_it_is_what_run_uses(
    command_line: CommandLine, layout: Path, tmp_path: Path, scratch: Path
) -> None:
    options = ["--network", "none", "-e", "A=1", "--memory", "64m", "--hostname", "box"]
    runtime = fake_runtime(tmp_path / "runtime")
    command_line("pull", f"oci:{layout}").succeeded()
    words = [*options, "--runtime", str(runtime.program), f"store:{NAME}", "true"]
    command_line.forked("-q", "run", *words).succeeded()
    printed = command_line.forked("-q", "spec", *options, f"store:{NAME}", "--", "true").json
    used = runtime.spec
    # Ids are random; so are the paths that have them in them.
    text = str(printed).replace(
        printed["linux"]["cgroupsPath"].rpartition("/")[2], runtime.container_id
    )
    printed_root, used_root = printed.pop("root"), used.pop("root")
    assert printed_root.keys() == used_root.keys()
    assert text.replace(f", 'root': {printed_root}", "").replace(
        f"'root': {printed_root}, ", ""
    ) == str(used)
