"""What layers carry and what became of it, in images made by hand."""

from __future__ import annotations

import io

import pytest

from imgfetch.layer.ledger import Carried, Changes, Fate, LedgerTree
from imgfetch.layer.scan import merge
from tests.support import layers


def books(*stack: bytes) -> LedgerTree:
    tree = LedgerTree()
    for stream in stack:
        merge(io.BytesIO(stream), layers.described(stream), tree)
    return tree


BASE = layers.layer(
    layers.directory("etc"),
    layers.file("etc/a", b"1234"),
    layers.file("etc/b", b"12"),
    layers.symlink("link", "etc"),
)


def test_what_stays_has_no_fate() -> None:
    tree = books(BASE)
    assert tree.changes == [Changes(3, 0, 0)]
    assert tree.carried() == [Carried(b"etc/a", 4, 0, None), Carried(b"etc/b", 2, 0, None)]


def test_a_file_is_replaced_or_removed_by_a_layer() -> None:
    upper = layers.layer(layers.file("etc/a", b"123456"), layers.file("etc/.wh.b"))
    tree = books(BASE, upper)
    assert tree.changes[1] == Changes(0, 1, 1)
    assert tree.carried() == [
        Carried(b"etc/a", 6, 1, None),
        Carried(b"etc/a", 4, 0, Fate("replaced", 1)),
        Carried(b"etc/b", 2, 0, Fate("removed", 1)),
    ]


def test_paths_are_where_links_lead() -> None:
    tree = books(BASE, layers.layer(layers.file("link/a", b"1")))
    assert tree.changes[1] == Changes(0, 1, 0)
    assert Carried(b"etc/a", 4, 0, Fate("replaced", 1)) in tree.carried()


@pytest.mark.parametrize(
    "members",
    [
        (layers.file("etc/.wh.a"), layers.file("etc/a", b"new")),
        (layers.file("etc/a", b"new"), layers.file("etc/.wh.a")),
    ],
    ids=["whiteout first", "whiteout last"],
)
def test_the_order_of_a_whiteout_makes_no_difference(members: tuple[bytes, ...]) -> None:
    tree = books(BASE, layers.layer(*members))
    assert tree.changes[1] == Changes(0, 1, 0)
    assert Carried(b"etc/a", 4, 0, Fate("replaced", 1)) in tree.carried()


def test_all_that_an_opaque_directory_hides_is_gone() -> None:
    upper = layers.layer(layers.file("etc/.wh..wh..opq"), layers.file("etc/b", b"b"))
    tree = books(BASE, upper)
    assert tree.changes[1] == Changes(0, 1, 1)
    assert [one.fate for one in tree.carried()] == [None, Fate("removed", 1), Fate("replaced", 1)]


def test_what_was_in_a_directory_that_became_a_file_is_removed() -> None:
    tree = books(BASE, layers.layer(layers.file("etc", b"x")))
    assert tree.changes[1] == Changes(1, 0, 2)
    assert {one.fate for one in tree.carried()[1:]} == {Fate("removed", 1)}


def test_a_name_twice_in_one_archive_carries_the_first_for_nothing() -> None:
    tree = books(layers.layer(layers.file("a", b"123"), layers.file("a", b"1")))
    assert tree.changes == [Changes(1, 0, 0)]
    assert tree.carried() == [Carried(b"a", 1, 0, None), Carried(b"a", 3, 0, Fate("replaced", 0))]


def test_a_file_is_carried_for_nothing_when_its_last_name_goes() -> None:
    names = layers.layer(layers.file("a", b"123"), layers.hardlink("b", "a"))
    one_less = layers.layer(layers.file(".wh.a"))
    assert books(names, one_less).carried() == [Carried(b"b", 3, 0, None)]
    tree = books(names, one_less, layers.layer(layers.file("b", b"x")))
    assert tree.changes == [Changes(2, 0, 0), Changes(0, 0, 1), Changes(0, 1, 0)]
    assert tree.carried()[1:] == [Carried(b"b", 3, 0, Fate("replaced", 2))]


def test_a_layer_may_link_to_a_file_and_take_its_name() -> None:
    moved = layers.layer(layers.hardlink("z", "etc/a"), layers.file("etc/.wh.a"))
    tree = books(BASE, moved)
    assert tree.changes[1] == Changes(1, 0, 1)
    assert Carried(b"z", 4, 0, None) in tree.carried()


def test_a_copy_takes_other_layers_on_top() -> None:
    tree = books(BASE)
    other = tree.copy()
    other.add_layer(())
    stream = layers.layer(layers.file("etc/.wh.a"), layers.file("new/c", b"c"))
    merge(io.BytesIO(stream), layers.described(stream), other)
    assert {path for path, _ in tree.walk(tree.root)} == {b"", b"etc", b"etc/a", b"etc/b", b"link"}
    assert {path for path, _ in other.walk(other.root)} == {
        *(b"", b"etc", b"etc/b", b"link"),
        *(b"new", b"new/c"),
    }
    assert (tree.find(b"etc/b") or tree.root).inode is (other.find(b"etc/b") or other.root).inode
