"""``tree``: tables, JSON, and bars for terminals of any kind and width."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest

from imgfetch.cli.drawing import Terminal, terminal
from imgfetch.cli.shown import clipped, clipped_path, columns, command_text, path_json, share
from imgfetch.cli.tree_text import draw
from imgfetch.workflow.tree import account
from tests.support.commandline import CommandLine
from tests.support.hostile_names import hostile_image
from tests.support.images import File, ImageBuilder, Whiteout, WrittenImage, host_platform
from tests.support.memory_images import MemoryImages

HISTORY = [
    {"created": "2026-01-02T03:04:05Z", "created_by": "/bin/sh -c #(nop) ADD file:12 in / "},
    {"created_by": 'ENTRYPOINT ["x"]', "empty_layer": True},
    {"created_by": "RUN /bin/sh -c rm -f  /srv/b # buildkit"},
]


@pytest.fixture
def image(tmp_path: Path) -> WrittenImage:
    return (
        ImageBuilder()
        .layer(
            {"srv/a": File("a" * 3000), "srv/b": File("b" * 2048), "srv/latin-\udce9": File("l")}
        )
        .layer({"srv/a": File("a" * 10), "srv/b": Whiteout()}, "none")
        .config(history=HISTORY)
        .write(tmp_path / "layout", "test/app:1")
    )


def test_json_has_steps_directories_and_on_request_files(
    command_line: CommandLine, image: WrittenImage, tmp_path: Path
) -> None:
    name = f"oci:{tmp_path}/layout:test/app:1"
    tree = command_line("tree", "--format", "json", name).succeeded().json
    first, second = image.layers
    assert tree == {
        "name": name,
        "digest": str(image.digest),
        "platform": str(host_platform()),
        "compressed": first.size + second.size,
        "size": 5059,
        "wasted": 5048,
        "steps": [
            {
                "created": "2026-01-02T03:04:05Z",
                "createdBy": "/bin/sh -c #(nop) ADD file:12 in / ",
                "comment": "",
                "layer": {
                    "number": 1,
                    "digest": str(first.digest),
                    "diffID": str(image.diff_ids[0]),
                    "compressed": first.size,
                    "stream": 10240,
                    "size": 5049,
                    "wasted": 5048,
                    "files": 3,
                    "added": 3,
                    "replaced": 0,
                    "removed": 0,
                },
            },
            {"created": None, "createdBy": 'ENTRYPOINT ["x"]', "comment": "", "layer": None},
            {
                "created": None,
                "createdBy": "RUN /bin/sh -c rm -f  /srv/b # buildkit",
                "comment": "",
                "layer": {
                    "number": 2,
                    "digest": str(second.digest),
                    "diffID": str(image.diff_ids[1]),
                    "compressed": second.size,
                    "stream": 10240,
                    "size": 10,
                    "wasted": 0,
                    "files": 1,
                    "added": 0,
                    "replaced": 1,
                    "removed": 1,
                },
            },
        ],
        "directories": [{"path": "/srv", "size": 5059, "wasted": 5048}],
    }
    assert command_line("tree", "--json", name).succeeded().json == tree
    files = command_line("tree", "--json", "--files", name).succeeded().json["files"]
    raw = base64.b64encode(b"/srv/latin-\xe9").decode()
    assert files == [
        {"path": "/srv/a", "size": 10, "layer": 2, "fate": None},
        {"path": "/srv/latin-\\xe9", "rawPath": raw, "size": 1, "layer": 1, "fate": None},
        {"path": "/srv/a", "size": 3000, "layer": 1, "fate": {"how": "replaced", "layer": 2}},
        {"path": "/srv/b", "size": 2048, "layer": 1, "fate": {"how": "removed", "layer": 2}},
    ]


def test_a_pipe_gets_tables(command_line: CommandLine, image: WrittenImage, tmp_path: Path) -> None:
    assert len(image.layers) == 2
    name = f"oci:{tmp_path}/layout:test/app:1"
    lines = command_line("tree", name).succeeded().lines
    assert re.fullmatch(
        r"LAYER +COMPRESSED +SIZE +WASTED +ADDED +REPLACED +REMOVED +CREATED BY", lines[0]
    )
    assert re.fullmatch(r"1 .* 4\.9 KiB +4\.9 KiB +3 +0 +0 +ADD file:12 in /", lines[1])
    assert re.fullmatch(r'- .* ENTRYPOINT \["x"\]', lines[2])
    assert re.fullmatch(r"2 .* 10 B +0 B +0 +1 +1 +RUN rm -f /srv/b", lines[3])
    assert "4.9 KiB  4.9 KiB  /srv" in lines
    assert "2.9 KiB  1      replaced in layer 2  /srv/a" in lines
    assert lines[-1] == "4.9 KiB (99 %) carried for nothing"
    listed = command_line("tree", "--files", name).succeeded().lines
    assert [line.rpartition(" ")[2] for line in listed] == [
        *("PATH", "/srv/a", "/srv/a", "/srv/b", "/srv/latin-\\xe9"),
    ]


def test_the_page_is_a_file_that_is_whole(
    command_line: CommandLine, image: WrittenImage, tmp_path: Path
) -> None:
    said = command_line("tree", "--html", "page.html", f"oci:{tmp_path}/layout:test/app:1")
    assert said.succeeded().out == ""
    page = (tmp_path / "page.html").read_text("utf-8")
    assert page.startswith("<!doctype html>")
    assert page.endswith("</html>\n")
    assert str(image.digest) in page
    command_line("tree", "--html", "no/page.html", f"oci:{tmp_path}/layout").failed(2)


@pytest.mark.parametrize("width", [24, 40, 80])
@pytest.mark.parametrize("kind", ["dumb", "plain", "colours"])
def test_bars_fit_the_terminal(width: int, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    made = MemoryImages()
    tree = account("registry.test/a/long/name:1", hostile_image(made), made.store)
    draw(tree, Terminal(width, colours=kind == "colours", blocks=kind != "dumb"), 2)
    drawn = capsys.readouterr().out
    assert ("\x1b" in drawn) == (kind == "colours")
    plain = re.sub(r"\x1b\[[0-9]*m", "", drawn)
    assert max(map(columns, plain.splitlines())) <= width
    assert {"dumb": "#", "plain": "█", "colours": "█"}[kind] in plain
    assert all(char.isprintable() for line in plain.splitlines() for char in line)
    assert not set(plain) & {"\u202e", "\u2028", "\x1b"}
    assert kind != "dumb" or not set(plain) & set("█░…")


def test_what_is_cut_fits_its_columns() -> None:
    assert clipped("a directory", 5) == "a di…"
    assert clipped_path("/usr/share/locale", 9) == "/us…ocale"
    assert [columns(text) for text in ("ab", "漢字", "e\u0301")] == [2, 4, 1]
    assert clipped("漢字漢字", 6) == "漢字…"
    assert clipped_path("/漢字/漢字/漢字", 8) == "/漢…漢字"


def test_each_part_of_a_bar_is_seen() -> None:
    screen = Terminal(80, colours=False, blocks=True)
    assert screen.bar(10, 50, 50, 100) == "█████░░░░░"
    assert screen.bar(10, 999, 1, 1000) == "█████████░"
    assert screen.bar(10, 1, 999, 1000) == "█░░░░░░░░░"
    assert screen.bar(10, 0, 1, 1000) == "░"
    assert screen.bar(10, 0, 0, 1000) == ""


def test_what_is_no_terminal_is_not_drawn_on() -> None:
    assert terminal() is None


@pytest.mark.parametrize(
    ("created_by", "text"),
    [
        ('/bin/sh -c #(nop)  CMD ["sh"]', 'CMD ["sh"]'),
        ("/bin/sh -c apt-get  update", "RUN apt-get update"),
        ("RUN /bin/sh -c make # buildkit", "RUN make"),
        ("COPY . / # buildkit", "COPY . /"),
        ("", "a comment"),
    ],
)
def test_commands_are_shown_as_they_were_written(created_by: str, text: str) -> None:
    assert command_text(created_by, "a  comment") == text


def test_parts_are_none_or_all_only_if_they_are() -> None:
    parts = [share(0, 5), share(5, 5), share(1, 5000), share(4999, 5000), share(1, 3), share(0, 0)]
    assert parts == ["0 %", "100 %", "<1 %", "99 %", "33 %", "0 %"]


def test_paths_have_their_bytes_where_text_cant_say_them() -> None:
    assert path_json(b"a/\xc3\xa9") == {"path": "/a/é"}
    assert path_json(b"\xff") == {"path": "/\\xff", "rawPath": base64.b64encode(b"/\xff").decode()}
