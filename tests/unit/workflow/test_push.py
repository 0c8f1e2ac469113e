"""What is pushed, in which order, and what is not."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import pytest

from imgfetch.cas.memory import MemoryStore
from imgfetch.errors import (
    DocumentError,
    NotFoundError,
    PlatformError,
    RateLimitError,
    RegistryError,
)
from imgfetch.oci import mediatype
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.digest import Digest
from imgfetch.oci.manifest import Index, Manifest
from imgfetch.oci.platform import Platform
from imgfetch.workflow.copy import from_source
from imgfetch.workflow.push import Origin, Pusher, choose
from imgfetch.workflow.resolve import Documents
from tests.support.images import File, ImageBuilder, add_document, name_entry, write_index
from tests.support.sources import FakeSource, RecordedProgress, source_of_layout

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")


@dataclass(slots=True)
class FakeRepository:
    """A destination in memory that refuses what leads nowhere, as registries do.

    Attributes:
        blobs: content by digest.
        manifests: raw documents by digest.
        tags: what they stand for.
        elsewhere: blobs by the repository that they can be mounted from.
        calls: what was done, in order.
        refusal: raised by `mount`.
        gaps: whether a manifest's layers may be missing.
        listed: subjects and what refers to them.
    """

    blobs: dict[Digest, bytes] = field(default_factory=dict)
    manifests: dict[Digest, bytes] = field(default_factory=dict)
    tags: dict[str, Digest] = field(default_factory=dict)
    elsewhere: dict[str, dict[Digest, bytes]] = field(default_factory=dict)
    calls: list[tuple[str, Digest]] = field(default_factory=list)
    refusal: RegistryError | None = None
    gaps: bool = False
    listed: set[tuple[Digest, Digest]] = field(default_factory=set)

    def has(self, descriptor: Descriptor) -> bool:
        documents = mediatype.INDEXES | mediatype.MANIFESTS
        here = self.manifests if descriptor.media_type in documents else self.blobs
        return descriptor.digest in here

    def tagged(self, tag: str) -> Digest | None:
        return self.tags.get(tag)

    def lists(self, subject: Digest, referrer: Digest) -> bool:
        return (subject, referrer) in self.listed

    def mount(self, descriptor: Descriptor, repository: str) -> bool:
        self.calls.append(("mount", descriptor.digest))
        if self.refusal is not None:
            raise self.refusal
        found = self.elsewhere.get(repository, {}).get(descriptor.digest)
        if found is None:
            return False
        self.blobs[descriptor.digest] = found
        return True

    def push(self, descriptor: Descriptor, open_blob: Callable[[], BinaryIO]) -> None:
        with open_blob() as blob:
            raw = blob.read()
        assert Digest.of(raw) == descriptor.digest
        self.calls.append(("push", descriptor.digest))
        self.blobs[descriptor.digest] = raw

    def push_manifest(
        self, document: Manifest | Index, descriptor: Descriptor, tag: str | None = None
    ) -> None:
        assert Digest.of(document.raw) == descriptor.digest
        assert descriptor.media_type == document.media_type
        if isinstance(document, Manifest):
            named = {document.config.digest, *(layer.digest for layer in document.layers)}
            assert self.gaps or named <= set(self.blobs)
        else:
            assert {entry.digest for entry in document.manifests} <= set(self.manifests)
        self.calls.append(("manifest", descriptor.digest))
        self.manifests[descriptor.digest] = document.raw
        if document.subject is not None:
            self.listed.add((document.subject.digest, descriptor.digest))
        if tag is not None:
            self.tags[tag] = descriptor.digest

    def sent(self, call: str) -> list[Digest]:
        """The digests of one kind of call."""
        return [digest for name, digest in self.calls if name == call]


@dataclass(slots=True)
class Setting:
    """A source, and a repository that its images are pushed to."""

    source: FakeSource
    repository: FakeRepository = field(default_factory=FakeRepository)
    progress: RecordedProgress = field(default_factory=RecordedProgress)
    mountable: str | None = None
    referrers: Callable[[Digest], Sequence[Descriptor]] = lambda _: ()

    @property
    def origin(self) -> Origin:
        return from_source(
            self.source, self.documents, mountable=self.mountable, referrers=self.referrers
        )

    @property
    def documents(self) -> Documents:
        return Documents(self.source, MemoryStore(), self.progress)

    def push(self, tag: str | None = "1", *, referrers: bool = False) -> None:
        pusher = Pusher(self.origin, self.repository, self.progress)
        pusher.push(self.source.top, tag, referrers=referrers)


@pytest.fixture
def image(tmp_path: Path) -> Setting:
    """Three layers, two of them the same."""
    base = ImageBuilder().layer({"a": File("a" * 5000)}).layer({"b": File("b")})
    base.layer({"a": File("a" * 5000)}).write(tmp_path, "x")
    return Setting(source_of_layout(tmp_path, "x"))


@pytest.fixture
def index(tmp_path: Path) -> Setting:
    """Two platforms with a layer in common, and attestations."""
    base = ImageBuilder().layer({"a": File("a")})
    images = {"linux/amd64": base, "linux/arm64": base.layer({"b": File("b")})}
    write_index(tmp_path, images, "x", attestations=True)
    return Setting(source_of_layout(tmp_path, "x"))


def test_everything_arrives_once_and_the_tag_last(image: Setting) -> None:
    """R058: a layer that occurs twice is one blob."""
    image.push()
    top = image.source.top.digest
    assert sorted(map(str, image.repository.sent("push"))) == sorted(
        str(digest) for digest in image.source.blobs if digest != top
    )
    assert image.repository.calls[-1] == ("manifest", top)
    assert image.repository.tags == {"1": top}
    assert {stage for _, stage in image.progress.stages} >= {"pushing", "pushed"}


def test_an_index_comes_after_what_it_names(index: Setting) -> None:
    """The repository checks that; the bytes are those of the source (R039)."""
    index.push()
    manifests = index.repository.sent("manifest")
    assert len(manifests) == 5
    assert manifests[-1] == index.source.top.digest
    assert index.repository.manifests | index.repository.blobs == index.source.blobs


def test_what_is_there_is_neither_fetched_nor_sent(index: Setting) -> None:
    index.push()
    index.repository.calls.clear()
    index.source.fetched.clear()
    index.push("2")
    assert index.repository.calls == [("manifest", index.source.top.digest)]
    assert not set(index.source.fetched) & set(index.repository.blobs)
    assert index.repository.tags == dict.fromkeys(("1", "2"), index.source.top.digest)


def test_a_manifest_that_is_missing_below_an_index_is_sent(index: Setting) -> None:
    """The index itself may be there: registries take some with gaps."""
    index.push()
    lost = next(
        digest for digest in index.repository.manifests if digest != index.source.top.digest
    )
    del index.repository.manifests[lost]
    index.repository.calls.clear()
    index.push()
    assert index.repository.sent("manifest") == [lost]


def test_blobs_are_mounted_where_that_is_possible(image: Setting) -> None:
    blobs = {d: raw for d, raw in image.source.blobs.items() if d != image.source.top.digest}
    here, there = list(blobs)[:1], list(blobs)[1:]
    image.mountable = "other"
    image.repository.elsewhere["other"] = {digest: blobs[digest] for digest in there}
    image.push()
    assert set(image.repository.sent("mount")) == set(blobs)
    assert image.repository.sent("push") == here
    assert not set(image.source.fetched) & set(there)


def test_a_mount_that_is_refused_becomes_a_push(image: Setting) -> None:
    image.mountable = "secret"
    image.repository.refusal = NotFoundError("no access")
    image.push()
    assert image.repository.tags
    image.repository.blobs.clear()
    image.repository.manifests.clear()
    image.repository.refusal = RateLimitError("too often")
    with pytest.raises(RateLimitError):
        image.push()


def test_without_a_tag_it_goes_by_digest(image: Setting) -> None:
    image.push(None)
    assert image.source.top.digest in image.repository.manifests
    assert image.repository.tags == {}


def test_what_fails_leaves_no_tag(image: Setting) -> None:
    layer = max(image.source.blobs, key=lambda digest: len(image.source.blobs[digest]))
    del image.source.blobs[layer]
    with pytest.raises(NotFoundError):
        image.push()
    assert image.repository.tags == {}


def _foreign(directory: Path) -> Setting:
    written = ImageBuilder().layer({"a": File("a")}).write(directory)
    layer = replace(
        written.layers[0], media_type="application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
    )
    document = {
        "schemaVersion": 2,
        "config": written.config.to_json(),
        "layers": [layer.to_json()],
    }
    name_entry(directory, add_document(directory, document, mediatype.OCI_MANIFEST), "x")
    return Setting(source_of_layout(directory, "x"))


def test_r073_layers_that_may_not_be_given_away_go_where_they_are_there(tmp_path: Path) -> None:
    setting = _foreign(tmp_path)
    setting.push()
    assert len(setting.repository.sent("push")) == 2
    assert setting.progress.warnings == []


def test_r073_layers_that_may_not_be_given_away_are_passed_over(tmp_path: Path) -> None:
    setting = _foreign(tmp_path)
    top = json.loads(setting.source.blobs[setting.source.top.digest])
    layer = Digest.parse(top["layers"][0]["digest"])
    del setting.source.blobs[layer]
    setting.repository.gaps = True
    setting.push()
    assert setting.repository.tags
    assert setting.progress.warnings == [
        f"{layer} may be had from its maker only, and is not pushed"
    ]


def test_what_refers_to_any_of_it_goes_with_it(tmp_path: Path) -> None:
    """A bill of materials, and the signature of that bill, which refers to itself in a circle."""
    written = ImageBuilder().layer({"a": File("a")}).write(tmp_path, "x")
    bill = _artifact(tmp_path, written.descriptor, "bill")
    signature = _artifact(tmp_path, bill, "signature")
    setting = Setting(source_of_layout(tmp_path, "x"))
    known = {
        written.digest: (bill,),
        bill.digest: (signature,),
        signature.digest: (signature, bill),
    }
    setting.referrers = lambda digest: known.get(digest, ())
    setting.push()
    assert len(setting.repository.manifests) == 1
    setting.push(referrers=True)
    assert setting.repository.sent("manifest")[1:] == [bill.digest, signature.digest]
    setting.push(referrers=True)
    assert len(setting.repository.sent("manifest")) == 3
    assert setting.repository.tags == {"1": written.digest}


def _artifact(layout: Path, subject: Descriptor, kind: str) -> Descriptor:
    config = add_document(layout, {"kind": kind}, "application/vnd.test+json")
    document = {
        "schemaVersion": 2,
        "artifactType": f"application/vnd.test.{kind}",
        "config": config.to_json(),
        "layers": [config.to_json()],
        "subject": subject.to_json(),
    }
    return add_document(layout, document, mediatype.OCI_MANIFEST)


def test_s040_indexes_that_nest_too_deeply_are_refused(tmp_path: Path) -> None:
    entry = ImageBuilder().layer({"a": File("a")}).write(tmp_path).descriptor
    for _ in range(5):
        document = {"schemaVersion": 2, "manifests": [entry.to_json()]}
        entry = add_document(tmp_path, document, mediatype.OCI_INDEX)
    name_entry(tmp_path, entry, "x")
    setting = Setting(source_of_layout(tmp_path, "x"))
    with pytest.raises(DocumentError, match="nested too deeply"):
        setting.push()
    assert setting.repository.calls == []


def test_a_platform_is_chosen_from_several_only(index: Setting, image: Setting) -> None:
    top = index.source.top
    here = choose(index.documents, top, None, ARM64, "x")
    there = choose(index.documents, top, AMD64, ARM64, "x")
    assert here.digest != there.digest
    with pytest.raises(PlatformError):
        choose(index.documents, top, Platform("linux", "s390x"), ARM64, "x")
    single = image.source.top
    assert choose(image.documents, single, None, Platform("windows", "amd64"), "x") == single
    with pytest.raises(PlatformError):
        choose(image.documents, single, Platform("windows", "amd64"), AMD64, "x")
