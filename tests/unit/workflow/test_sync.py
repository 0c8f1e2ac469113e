"""What has to be done for the store to hold what a lock file names."""

from __future__ import annotations

from imgfetch.cas.memory import MemoryStore
from imgfetch.oci import mediatype
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.platform import Platform
from imgfetch.oci.reference import Reference
from imgfetch.workflow.lockfile import LockedImage, LockedPlatform, LockFile
from imgfetch.workflow.sync import plan

NAMES = {word: f"registry.test/{word}:1" for word in ("absent", "here", "moved", "unnamed")}


def image(text: str) -> Descriptor:
    return Descriptor.of(text.encode(), mediatype.OCI_MANIFEST)


def locked(word: str) -> LockedImage:
    digest = image(word).digest
    platform = LockedPlatform(Platform("linux", "amd64"), digest, 1)
    return LockedImage(Reference.parse(NAMES[word]), digest, mediatype.OCI_MANIFEST, (platform,))


LOCK = LockFile.of(map(locked, NAMES))


def steps(*, prune: bool) -> list[tuple[str, str]]:
    store = MemoryStore()
    store.tag("registry.test/extra:1", image("extra"))
    store.tag(NAMES["here"], image("here"))
    store.tag(NAMES["moved"], image("somewhere"))
    absent = image("absent").digest
    made = plan(LOCK, store, lambda one: one.digest != absent, store if prune else None)
    return [(step.action, step.name.partition("/")[2]) for step in made]


def test_each_name_has_its_step() -> None:
    assert steps(prune=False) == [
        ("fetch", "absent:1"),
        ("keep", "here:1"),
        ("name", "moved:1"),
        ("name", "unnamed:1"),
    ]


def test_names_that_are_not_locked_go_last_and_on_request_only() -> None:
    assert steps(prune=True)[-1] == ("remove", "extra:1")
    assert steps(prune=True)[:-1] == steps(prune=False)


def test_entries_without_a_name_stay() -> None:
    class Foreign(MemoryStore):
        def entries(self) -> list[tuple[str | None, Descriptor]]:
            return [(None, image("referrer"))]

    assert plan(LockFile(), MemoryStore(), lambda _: True, Foreign()) == []
