"""When the network is asked, and what is fetched."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from imgfetch.cas.directory import LayoutStore
from imgfetch.errors import DigestMismatchError, NetworkError, NotInStoreError
from imgfetch.interfaces import Source
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.digest import Digest
from imgfetch.oci.image import Image
from imgfetch.oci.platform import Platform
from imgfetch.oci.reference import Reference
from imgfetch.workflow.obtain import Obtained, Obtainer, Policy, Wanted
from imgfetch.workflow.stored import StoredSource
from tests.support.images import File, ImageBuilder, WrittenImage
from tests.support.sources import FakeSource, RecordedProgress, source_of_layout

AMD64 = Platform("linux", "amd64")
TAG = Reference.parse("registry.test/x:1")


@dataclass(slots=True)
class Setting:
    """A store, a source, and what obtains from one into the other."""

    store: LayoutStore
    source: FakeSource
    written: WrittenImage
    progress: RecordedProgress

    def has_layers(self, image: Image) -> bool:
        return all(self.store.contains(layer) for layer in image.manifest.layers)

    def obtain(
        self,
        policy: Policy = "missing",
        *,
        reference: Reference = TAG,
        remote: Callable[[], Source] | None = None,
        offline: bool = False,
    ) -> Obtained:
        obtainer = Obtainer(self.store, self.progress, is_complete=self.has_layers, jobs=4)
        wanted = Wanted(str(reference), (AMD64,), policy, reference.pinned)
        stored = StoredSource(reference, self.store, self.store)
        opener = None if offline else remote or (lambda: self.source)
        return obtainer.obtain(wanted, stored, opener)

    def lose(self, digest: Digest) -> None:
        Path(self.store.path, "blobs", digest.algorithm, digest.encoded).unlink()

    def pull(self) -> None:
        obtained = self.obtain("always")
        self.store.tag(str(TAG), obtained.top)
        self.source.fetched.clear()


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    base = ImageBuilder().layer({"a": File("a" * 5000)}).layer({"b": File("b")})
    layout = tmp_path / "layout"
    written = base.layer({"a": File("a" * 5000)}).write(layout, "x:1", "linux/amd64")
    source = source_of_layout(layout, "x:1")
    return Setting(LayoutStore(tmp_path / "store"), source, written, RecordedProgress())


def unreachable() -> Source:
    message = "registry.test: no answer"
    raise NetworkError(message)


def test_everything_of_the_image_is_fetched_once(setting: Setting) -> None:
    """R058: a layer that occurs twice is one blob."""
    setting.obtain()
    written = setting.written
    expected = {written.digest, written.config.digest, *(layer.digest for layer in written.layers)}
    assert sorted(map(str, setting.source.fetched)) == sorted(map(str, expected))
    assert setting.source.closed


@pytest.mark.parametrize("policy", ["missing", "never"])
def test_what_is_there_is_not_asked_for(setting: Setting, policy: Policy) -> None:
    setting.pull()
    setting.obtain(policy, remote=unreachable)
    assert setting.source.fetched == []


def test_always_asks_but_transfers_only_what_is_missing(setting: Setting) -> None:
    setting.pull()
    setting.lose(setting.written.layers[1].digest)
    setting.obtain("always")
    assert setting.source.fetched == [setting.written.layers[1].digest]


def test_a_digest_that_is_there_is_never_asked_for(setting: Setting) -> None:
    setting.pull()
    pinned = TAG.with_digest(setting.written.digest)
    assert setting.obtain("always", reference=pinned, remote=unreachable).top.digest == (
        setting.written.digest
    )


def test_never_and_offline_name_what_is_missing(setting: Setting) -> None:
    expected = r"registry\.test/x:1 is not in the store"
    with pytest.raises(NotInStoreError, match=expected):
        setting.obtain("never")
    with pytest.raises(NotInStoreError, match=expected):
        setting.obtain(offline=True)


def test_offline_names_the_layer_that_is_missing(setting: Setting) -> None:
    setting.pull()
    layer = setting.written.layers[1]
    setting.lose(layer.digest)
    with pytest.raises(NotInStoreError, match=f"layer 2 of 3 .*{layer.digest}"):
        setting.obtain(offline=True)


def test_missing_fetches_the_layers_that_are_not_there(setting: Setting) -> None:
    setting.pull()
    setting.lose(setting.written.layers[1].digest)
    setting.obtain("missing")
    assert setting.source.fetched == [setting.written.layers[1].digest]


def test_newer_uses_the_store_when_there_is_no_answer(setting: Setting) -> None:
    setting.pull()
    setting.obtain("newer", remote=unreachable)
    assert setting.progress.warnings == ["registry.test: no answer; using what is in the store"]


def test_newer_without_anything_in_the_store_says_why(setting: Setting) -> None:
    with pytest.raises(NetworkError):
        setting.obtain("newer", remote=unreachable)


def test_a_layer_that_is_not_what_was_promised_ends_everything(setting: Setting) -> None:
    """The other transfers are given up, and the failure that is told is the first one."""
    big, small = (layer.digest for layer in setting.written.layers[:2])
    setting.source.blobs[small] = b"x" * setting.written.layers[1].size
    with pytest.raises(DigestMismatchError):
        setting.obtain()
    assert setting.store.find(small) is None
    assert big != small


def test_a_failing_transfer_stops_the_others(tmp_path: Path) -> None:
    builder = ImageBuilder()
    for name in "abcd":
        builder = builder.layer({name: File(name * 400_000)}, compression="none")
    layout = tmp_path / "layout"
    written = builder.write(layout, "x:1", "linux/amd64")
    source = source_of_layout(layout, "x:1")
    failed = threading.Event()
    offsets: dict[Digest, int] = {}
    victim = written.layers[2]

    def on_chunk(descriptor: Descriptor, offset: int) -> None:
        if descriptor.digest == victim.digest:
            failed.set()
            message = "broken"
            raise NetworkError(message)
        if descriptor in written.layers:
            assert failed.wait(10)
            time.sleep(0.001)
            offsets[descriptor.digest] = offset

    source.on_chunk = on_chunk
    store = LayoutStore(tmp_path / "store")
    with pytest.raises(NetworkError, match="broken"):
        Setting(store, source, written, RecordedProgress()).obtain()
    assert offsets
    assert all(offset < 390_000 for offset in offsets.values())
