"""``index.json`` belongs to other tools as well."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from imgfetch.cas.directory import LayoutStore
from imgfetch.errors import StoreCorruptError
from imgfetch.oci import mediatype
from imgfetch.oci.descriptor import REF_NAME, Descriptor
from tests.support.trees import snapshot_tree

IMAGE = Descriptor.of(b"image", mediatype.OCI_MANIFEST)
OTHER = Descriptor.of(b"other", mediatype.OCI_INDEX)

FOREIGN: list[dict[str, Any]] = [
    {"mediaType": "x/y", "digest": "sha256:" + "0" * 64, "size": 0},
    {"mediaType": "x/y", "digest": "blake3:" + "0" * 64, "size": 1, "urls": ["https://x.invalid"]},
    {
        "digest": "sha256:" + "1" * 64,
        "size": 2**60,
        "annotations": {REF_NAME: "theirs", "ünïcödé": "\U0001f433"},
        "data": "bm8=",
        "platform": {"os": "linux", "architecture": "amd64", "os.features": ["x"], "new": 1.5},
    },
]


@pytest.fixture
def store(tmp_path: Path) -> LayoutStore:
    store = LayoutStore(tmp_path / "store")
    store.tag("first", OTHER)
    store.untag("first")
    return store


def write(store: LayoutStore, document: object) -> None:
    Path(store.path, "index.json").write_text(json.dumps(document))


def read(store: LayoutStore) -> Any:  # noqa: ANN401 - JSON
    return json.loads(Path(store.path, "index.json").read_bytes())


def test_what_is_of_others_stays_as_it_is(store: LayoutStore) -> None:
    """R103."""
    document = {
        "schemaVersion": 2,
        "mediaType": mediatype.OCI_INDEX,
        "manifests": FOREIGN,
        "annotations": {"a": "b"},
        "new field": [1, 2.5, None, {"x": True}],
    }
    write(store, document)
    store.tag("ours", IMAGE)
    assert read(store)["manifests"][:3] == FOREIGN
    store.tag("ours", OTHER)
    store.untag("ours")
    assert read(store) == document


def test_entries_that_we_can_not_read_are_not_listed(store: LayoutStore) -> None:
    write(store, {"manifests": FOREIGN})
    assert [name for name, _ in store.entries()] == [None, "theirs"]


def test_a_tag_takes_the_place_of_all_entries_of_that_name(store: LayoutStore) -> None:
    """R075: skopeo and umoci have written several."""
    twice = [
        Descriptor(mediatype.OCI_MANIFEST, d.digest, d.size, {REF_NAME: "x"}).to_json()
        for d in (IMAGE, OTHER)
    ]
    write(store, {"manifests": [FOREIGN[0], *twice]})
    with pytest.raises(StoreCorruptError, match="several images") as caught:
        store.lookup("x")
    assert str(IMAGE.digest) in str(caught.value.actual)
    store.tag("x", IMAGE)
    assert store.lookup("x") == IMAGE
    assert len(read(store)["manifests"]) == 2


def test_the_same_entry_twice_is_one(store: LayoutStore) -> None:
    entry = Descriptor(IMAGE.media_type, IMAGE.digest, IMAGE.size, {REF_NAME: "x"}).to_json()
    write(store, {"manifests": [entry, entry]})
    assert store.lookup("x") == IMAGE
    assert store.untag("x") == IMAGE
    assert read(store)["manifests"] == []


def test_null_is_an_empty_list(store: LayoutStore) -> None:
    """R075: umoci wrote it."""
    write(store, {"schemaVersion": 2, "manifests": None})
    assert store.entries() == []
    store.tag("x", IMAGE)
    assert store.lookup("x") == IMAGE


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\0" * 100,
        b'{"schemaVersion":2,"manif',
        b"[]",
        b'{"manifests": {}}',
        b'{"manifests": [1]}',
        b'{"manifests": [{"digest": "sha256:' + b"0" * 64 + b'", "size": "1", "annotations":'
        b' {"org.opencontainers.image.ref.name": "x"}}]}',
        b'{"manifests": [], "manifests": []}',
    ],
)
def test_a_damaged_index_is_an_error_and_stays_as_it_is(store: LayoutStore, raw: bytes) -> None:
    """R094, R097: names are not ours to throw away."""
    Path(store.path, "index.json").write_bytes(raw)
    before = snapshot_tree(Path(store.path), ignore=["mtime_ns"])
    for use in (
        lambda: store.lookup("x"),
        store.entries,
        lambda: store.tag("x", IMAGE),
        lambda: store.untag("x"),
    ):
        with pytest.raises(StoreCorruptError, match=r"index\.json"):
            use()
    assert snapshot_tree(Path(store.path), ignore=["mtime_ns"]) == before


def test_an_index_over_the_limit_is_an_error(store: LayoutStore) -> None:
    """S124."""
    os.truncate(f"{store.path}/index.json", 1 << 30)
    with pytest.raises(StoreCorruptError, match="too large"):
        store.entries()


def test_a_layout_without_an_index_is_empty(store: LayoutStore) -> None:
    """A crash between the two documents of a new layout leaves that."""
    Path(store.path, "index.json").unlink()
    assert store.entries() == []
    LayoutStore(store.path).tag("x", IMAGE)
    assert store.lookup("x") == IMAGE


def test_a_name_that_is_not_there_writes_nothing(store: LayoutStore) -> None:
    before = snapshot_tree(Path(store.path))
    assert store.untag("nothing") is None
    assert snapshot_tree(Path(store.path)) == before
