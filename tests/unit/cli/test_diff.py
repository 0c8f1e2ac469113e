"""``diff``: lines, totals, JSON and the exit status."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commandline import CommandLine
from tests.support.images import Dir, File, ImageBuilder, Symlink, Whiteout, WrittenImage


@pytest.fixture
def images(tmp_path: Path) -> tuple[WrittenImage, WrittenImage]:
    base = ImageBuilder().layer(
        {"etc": Dir(), "etc/a": File("1"), "etc/l": Symlink("a"), "old": File("o" * 2048)}
    )
    after = base.layer(
        {"etc/a": File("2", mode=0o600), "old": Whiteout(), "new\x1b": File("n" * 1024)}
    )
    layout = tmp_path / "layout"
    return base.write(layout, "a:1"), after.config(user="app", cmd=["x", "y z"]).write(
        layout, "b:1"
    )


@pytest.fixture
def names(tmp_path: Path) -> list[str]:
    return [f"oci:{tmp_path}/layout:{name}:1" for name in "ab"]


@pytest.mark.usefixtures("images")
def test_lines_are_those_of_docker_with_reasons_and_totals(
    command_line: CommandLine, names: list[str]
) -> None:
    said = command_line("-q", "diff", *names).succeeded()
    assert said.lines == [
        "user: '' -> 'app'",
        "cmd: [] -> [x 'y z']",
        "C /etc/a  (content, mode)",
        "A /new\\x1b",
        "D /old",
        "",
        "DIRECTORY  ADDED  REMOVED  CHANGED  BEFORE   AFTER    DELTA",
        "/          1      1        0        2.0 KiB  1.0 KiB  -1.0 KiB",
        "/etc       0      0        1        1 B      1 B      0 B",
        "all        1      1        1        2.0 KiB  1.0 KiB  -1.0 KiB",
    ]
    assert said.err == ""
    stat = command_line("-q", "diff", "--stat", *names).succeeded()
    assert stat.lines == said.lines[:2] + said.lines[5:]


def test_json_has_both_sides_of_all_that_is_different(
    command_line: CommandLine, images: tuple[WrittenImage, WrittenImage], names: list[str]
) -> None:
    diff = command_line("-q", "diff", "--format", "json", *names).succeeded().json
    assert diff["before"]["digest"] == str(images[0].digest)
    assert diff["after"]["layers"] == 2
    assert diff["sharedLayers"] == 1
    assert {"name": "cmd", "before": [], "after": ["x", "y z"]} in diff["settings"]
    entry = {"type": "file", "size": 1, "uid": 0, "gid": 0, "target": None, "xattrs": []}
    assert diff["changes"][0] == {
        "path": "/etc/a",
        "kind": "changed",
        "aspects": ["content", "mode"],
        "before": {**entry, "mode": "0644"},
        "after": {**entry, "mode": "0600"},
    }
    assert [change["kind"] for change in diff["changes"]] == ["changed", "added", "removed"]
    assert diff["changes"][1]["path"] == "/new\x1b"
    assert diff["onlyTimes"] == 0
    sizes = {"before": 1, "after": 1}
    counts = {"added": 0, "removed": 0, "changed": 1}
    assert diff["directories"][1] == {"path": "/etc", **sizes, **counts}
    stat = command_line("-q", "diff", "--stat", "--format", "json", *names).succeeded().json
    assert "changes" not in stat


@pytest.mark.usefixtures("images")
def test_a_check_fails_where_anything_is_different(
    command_line: CommandLine, names: list[str]
) -> None:
    same = command_line("-q", "diff", "--check", names[0], names[0]).succeeded()
    assert (same.out, same.err) == ("", "")
    said = command_line("-q", "diff", "--check", *names).exited(16)
    assert f"imgfetch: {names[0]} and {names[1]} are not the same" in said.err
    assert said.lines[0].startswith("user: ")
