"""What is different between two images, and what of them has to be read for that."""

from __future__ import annotations

import pytest

from imgfetch.layer.comparison import Aspect
from imgfetch.oci.image import Image
from imgfetch.workflow.diff import Change, ImageDiff, Totals, compare_images
from tests.support import layers
from tests.support.memory_images import MemoryImages

BASE = layers.layer(
    layers.directory("etc"),
    layers.file("etc/a", b"1234"),
    layers.file("etc/b", b"12"),
    layers.symlink("etc/l", "a"),
    layers.file("top", b"x"),
)


def diff(made: MemoryImages, before: Image, after: Image, *, times: bool = False) -> ImageDiff:
    made.store.opened.clear()
    return compare_images(("before", before), ("after", after), made.store, times=times)


def upper(*members: bytes) -> tuple[MemoryImages, ImageDiff]:
    made = MemoryImages()
    return made, diff(made, made.image(BASE), made.image(BASE, layers.layer(*members)))


def brief(changes: tuple[Change, ...]) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(change.kind, change.path.decode(), change.aspects) for change in changes]


def test_images_of_the_same_layers_are_not_read() -> None:
    made = MemoryImages()
    before, after = made.image(BASE), made.image(BASE, config={"User": "app", "Cmd": ["sh"]})
    found = diff(made, before, after)
    assert made.store.opened == []
    assert found.shared_layers == 1
    assert found.changes == ()
    assert [(one.name, one.before, one.after) for one in found.settings] == [("user", "", "app")]
    assert not found.is_empty
    assert diff(made, before, before).is_empty


def test_layers_that_both_have_are_read_once() -> None:
    made = MemoryImages()
    one, other = (layers.layer(layers.file(name, b"new")) for name in ("one", "other"))
    found = diff(made, made.image(BASE, one), made.image(BASE, other))
    assert found.shared_layers == 1
    assert len(made.store.opened) == 3
    assert brief(found.changes) == [("removed", "one", ()), ("added", "other", ())]


def test_added_removed_and_changed_paths_are_told_apart() -> None:
    _, found = upper(
        layers.file("etc/a", b"5678"), layers.file("etc/.wh.b"), layers.file("new/c", b"123456")
    )
    assert brief(found.changes) == [
        ("changed", "etc/a", ("content",)),
        ("removed", "etc/b", ()),
        ("added", "new", ()),
        ("added", "new/c", ()),
    ]
    assert found.directories == {
        b"": Totals(1, 1, 0, 0, 0),
        b"etc": Totals(6, 4, 0, 1, 1),
        b"new": Totals(0, 6, 2, 0, 0),
    }
    assert found.totals == Totals(7, 11, 2, 1, 1)


@pytest.mark.parametrize(
    ("member", "aspects"),
    [
        (layers.file("etc/a", b"1235"), ("content",)),
        (layers.file("etc/a", b"12345"), ("content",)),
        (layers.file("etc/a", b"1234", mode=0o4755), ("mode",)),
        (layers.file("etc/a", b"1234", uid=7), ("owner",)),
        (layers.file("etc/a", b"4321", gid=7, mode=0o600), ("content", "mode", "owner")),
        (layers.symlink("etc/l", "b"), ("target",)),
        (layers.symlink("etc/a", "b"), ("type",)),
        (layers.fifo("etc/a"), ("type",)),
        (layers.directory("etc", mode=0o700), ("mode",)),
        (
            layers.pax({b"SCHILY.xattr.user.x": b"1"}) + layers.file("etc/a", b"1234"),
            ("xattrs",),
        ),
    ],
)
def test_a_changed_path_says_what_of_it(member: bytes, aspects: tuple[Aspect, ...]) -> None:
    _, found = upper(member)
    assert [change.aspects for change in found.changes] == [aspects]


def test_a_file_that_is_only_newer_is_counted_and_listed_on_request() -> None:
    made = MemoryImages()
    newer = layers.layer(layers.file("etc/a", b"1234", mtime=1))
    images = made.image(BASE), made.image(BASE, newer)
    found = diff(made, *images)
    assert (found.changes, found.only_times, found.is_empty) == ((), 1, True)
    assert brief(diff(made, *images, times=True).changes) == [("changed", "etc/a", ("time",))]


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_content_is_compared_whatever_layer_it_is_in(compression: str) -> None:
    made = MemoryImages()
    files = {f"f{number}": bytes([number]) * 3000 for number in range(20)}
    members = {name: layers.file(name, content) for name, content in files.items()}
    one = made.image(
        layers.layer(*members.values()),
        compression=compression,  # type: ignore[arg-type]  # a parameter is any text
    )
    members["f7"] = layers.file("f7", b"\xff" * 3000)
    reordered = [layers.layer(member) for member in reversed(members.values())]
    found = diff(made, one, made.image(*reordered))
    assert brief(found.changes) == [("changed", "f7", ("content",))]


def test_the_same_layer_elsewhere_in_the_stack_needs_no_second_look() -> None:
    made = MemoryImages()
    shared = layers.layer(layers.file("etc/a", b"same"))
    below = [layers.layer(layers.file("old", b"1")), layers.layer(layers.file("new", b"1"))]
    found = diff(made, *(made.image(one, shared) for one in below))
    assert brief(found.changes) == [("added", "new", ()), ("removed", "old", ())]
    assert len(made.store.opened) == 4


def test_names_of_one_file_count_its_bytes_once() -> None:
    _, found = upper(layers.file("bin/x", b"123"), layers.hardlink("bin/y", "bin/x"))
    assert found.directories[b"bin"] == Totals(0, 3, 3, 0, 0)


def test_settings_are_compared_one_by_one() -> None:
    made = MemoryImages()
    before = made.image(
        config={
            "Env": ["A=1", "B=2"],
            "Labels": {"l": "1"},
            "Entrypoint": ["/x"],
            "WorkingDir": "/w",
            "ExposedPorts": {"80/tcp": {}},
        }
    )
    after = made.image(
        config={
            "Env": ["B=3", "C=4"],
            "Labels": {"l": "2"},
            "Cmd": ["y"],
            "WorkingDir": "/w",
            "Volumes": {"/v": {}},
        }
    )
    assert {tuple(setting) for setting in diff(made, before, after).settings} == {
        ("entrypoint", ("/x",), ()),
        ("cmd", (), ("y",)),
        ("env A", "1", None),
        ("env B", "2", "3"),
        ("env C", None, "4"),
        ("port 80/tcp", "", None),
        ("volume /v", None, ""),
        ("label l", "1", "2"),
    }
