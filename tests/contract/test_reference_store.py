"""What every store of names does."""

from collections.abc import Callable
from pathlib import Path

import pytest

from imgfetch.cas.directory import LayoutStore
from imgfetch.cas.layered import LayeredStore
from imgfetch.cas.memory import MemoryStore
from imgfetch.cas.reader import LayoutReader
from imgfetch.interfaces import ReferenceStore
from imgfetch.oci import mediatype
from imgfetch.oci.descriptor import REF_NAME, Descriptor
from imgfetch.oci.platform import Platform

ALPINE = "docker.io/library/alpine:3"
LOCAL = "127.0.0.1:5000/x/y:tag"


@pytest.fixture(params=["directory", "memory", "layered"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ReferenceStore:
    stores: dict[str, Callable[[], ReferenceStore]] = {
        "directory": lambda: LayoutStore(tmp_path / "store"),
        "memory": MemoryStore,
        "layered": lambda: LayeredStore(
            LayoutStore(tmp_path / "store"), [LayoutReader(tmp_path / "other")]
        ),
    }
    return stores[request.param]()


def image(text: str) -> Descriptor:
    return Descriptor.of(text.encode(), mediatype.OCI_MANIFEST)


def names(store: ReferenceStore) -> dict[str | None, Descriptor]:
    return dict(store.entries())


def test_an_empty_store_knows_no_names(store: ReferenceStore) -> None:
    assert store.lookup(ALPINE) is None
    assert store.untag(ALPINE) is None
    assert store.entries() == []


def test_names_stand_for_what_they_were_given_to(store: ReferenceStore) -> None:
    store.tag(ALPINE, image("a"))
    store.tag(LOCAL, image("b"))
    assert store.lookup(ALPINE) == image("a")
    assert store.lookup(LOCAL) == image("b")
    assert names(store) == {ALPINE: image("a"), LOCAL: image("b")}


def test_what_has_a_name_is_found_by_its_digest(store: ReferenceStore) -> None:
    assert store.announced(image("a").digest) is None
    store.tag(ALPINE, image("a"))
    store.tag(LOCAL, image("b"))
    assert store.announced(image("b").digest) == image("b")
    assert store.announced(image("c").digest) is None


def test_a_name_moves(store: ReferenceStore) -> None:
    store.tag(ALPINE, image("a"))
    store.tag(LOCAL, image("b"))
    store.tag(ALPINE, image("c"))
    assert store.entries() == [(ALPINE, image("c")), (LOCAL, image("b"))]


def test_one_image_has_many_names(store: ReferenceStore) -> None:
    store.tag(ALPINE, image("a"))
    store.tag(LOCAL, image("a"))
    assert store.untag(ALPINE) == image("a")
    assert names(store) == {LOCAL: image("a")}


def test_a_forgotten_name_is_gone(store: ReferenceStore) -> None:
    store.tag(ALPINE, image("a"))
    assert store.untag(ALPINE) == image("a")
    assert store.lookup(ALPINE) is None
    assert store.untag(ALPINE) is None


def test_a_name_is_not_a_prefix_or_a_pattern(store: ReferenceStore) -> None:
    store.tag(ALPINE, image("a"))
    for other in (ALPINE[:-2], f"{ALPINE}.1", ALPINE.upper(), "", "*"):
        assert store.lookup(other) is None


def test_the_platform_is_kept(store: ReferenceStore) -> None:
    descriptor = Descriptor(
        mediatype.OCI_MANIFEST, image("a").digest, 1, platform=Platform("linux", "arm", "v7")
    )
    store.tag(ALPINE, descriptor)
    assert store.lookup(ALPINE) == descriptor


def test_annotations_that_may_be_other_names_are_not_kept(store: ReferenceStore) -> None:
    """S048: an image does not choose what other tools call it."""
    annotations = {REF_NAME: "other", "io.containerd.image.name": "docker.io/library/bash:5"}
    store.tag(ALPINE, Descriptor("", image("a").digest, 1, annotations))
    (entry,) = (descriptor for _, descriptor in store.entries())
    assert entry.annotations == {REF_NAME: ALPINE}
