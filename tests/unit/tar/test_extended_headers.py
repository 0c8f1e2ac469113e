"""Headers that say more of the entry after them, or of all: pax(1) and GNU tar's."""

from __future__ import annotations

import pytest

from imgfetch.errors import LayerLimitError, MalformedLayerError
from imgfetch.tar.reader import EXTENSION_LIMIT
from tests.support.entries import entries, names
from tests.support.layers import END, extension, file, header, layer, pax, record


def test_r065_global_headers_say_something_of_all_entries() -> None:
    stream = layer(
        pax({b"comment": b"x"}, flag=b"g"),
        pax({b"uid": b"5", b"mtime": b"7", b"SCHILY.xattr.user.a": b"x"}, flag=b"g"),
        file("a"),
        pax({b"uid": b"6"}),
        file("b"),
        pax({b"uid": b""}),
        file("c"),
    )
    assert not any(entry.xattrs for entry in entries(stream))
    found = [(entry.uid, entry.mtime_ns) for entry in entries(stream)]
    assert found == [(5, 7_000_000_000), (6, 7_000_000_000), (0, 7_000_000_000)]
    assert names(layer(pax({b"comment": b"x"}, flag=b"g"))) == []


@pytest.mark.parametrize("keyword", [b"path", b"linkpath", b"size", b"GNU.sparse.size"])
def test_global_headers_can_not_name_entries(keyword: bytes) -> None:
    with pytest.raises(MalformedLayerError, match="global"):
        names(layer(pax({keyword: b"1"}, flag=b"g"), file("a")))


@pytest.mark.parametrize(
    "content",
    [
        b"5 a=b\n",
        b"7 a=b\n",
        b"6 a=b ",
        b"x a=b\n",
        b"06 a=b\n",
        b"+6 a=b\n",
        b"6 abc\n",
        b"6 =bc\n",
        b"\n",
        b"8 a\0b=c\n",
        b"6 a=b\nrest",
        b"999999999 a=b\n",
        b"0 ",
    ],
)
def test_malformed_pax_records_are_refused(content: bytes) -> None:
    with pytest.raises(MalformedLayerError, match="malformed record"):
        names(layer(extension(b"x", content), file("a")))


def test_s091_headers_are_limited() -> None:
    with pytest.raises(LayerLimitError, match="too large"):
        names(header(b"x", b"L", size=256 << 20))
    with pytest.raises(LayerLimitError, match="too large"):
        names(header(b"x", b"x", size=EXTENSION_LIMIT + 1))
    with pytest.raises(LayerLimitError, match="too many records"):
        names(layer(extension(b"x", record(b"a", b"b") * 1001), file("a")))
    with pytest.raises(LayerLimitError, match="too many extended headers"):
        names(layer(extension(b"x", record(b"a", b"b") * 900) * 3, file("a")))
    with pytest.raises(LayerLimitError, match="is too long"):
        names(layer(pax({b"path": b"a" * 4096}), file("a")))
    assert len(names(layer(pax({b"path": b"a" * 4095}), file("a")))[0]) == 4095


def test_two_kinds_of_long_names_at_once_are_refused() -> None:
    """GNU tar would take the one, Go the other."""
    with pytest.raises(MalformedLayerError, match="two formats"):
        names(layer(pax({b"path": b"a"}), extension(b"L", b"b\0"), file("c")))


def test_an_extended_header_needs_its_entry() -> None:
    with pytest.raises(MalformedLayerError, match="after an extended header"):
        names(pax({b"path": b"a"}) + END)
