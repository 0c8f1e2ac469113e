"""A tag that moves while its image is fetched."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from imgfetch.cas.directory import LayoutStore
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.platform import Platform
from imgfetch.oci.unverified import Unverified
from imgfetch.workflow.obtain import Obtainer, Wanted
from tests.support.images import File, ImageBuilder, write_index
from tests.support.sources import FakeSource, RecordedProgress, source_of_layout

PLATFORMS = ("linux/amd64", "linux/arm64")


@dataclass(slots=True)
class MovingSource:
    """Stands for one image when it is asked first, and for another ever after."""

    first: FakeSource
    second: FakeSource
    name: str = "moving"
    asked: list[Descriptor] = field(default_factory=list)

    def resolve(self) -> Unverified:
        source = self.second if self.asked else self.first
        self.asked.append(source.top)
        return source.resolve()

    def fetch(self, descriptor: Descriptor) -> Unverified:
        known = self.first if descriptor.digest in self.first.blobs else self.second
        return known.fetch(descriptor)

    def close(self) -> None:
        pass


def source(directory: Path, text: str) -> FakeSource:
    images = {
        platform: ImageBuilder().layer({"which": File(f"{text} {platform}")})
        for platform in PLATFORMS
    }
    write_index(directory, images, "x:1")
    return source_of_layout(directory, "x:1")


@pytest.mark.parametrize("platforms", [PLATFORMS, None])
def test_all_that_is_fetched_belongs_to_what_the_tag_stood_for_first(
    tmp_path: Path, platforms: tuple[str, ...] | None
) -> None:
    """R104: one look at the tag, and digests from there on."""
    moving = MovingSource(source(tmp_path / "old", "old"), source(tmp_path / "new", "new"))
    store = LayoutStore(tmp_path / "store")
    chosen = None if platforms is None else tuple(map(Platform.parse, platforms))
    wanted = Wanted("x", chosen, "always")
    obtainer = Obtainer(store, RecordedProgress(), is_complete=lambda _: False, jobs=2)
    obtained = obtainer.obtain(wanted, None, lambda: moving)
    assert moving.asked == [moving.first.top]
    assert obtained.top == moving.first.top
    assert moving.second.fetched == []
    assert set(moving.first.fetched) == set(moving.first.blobs)
    assert len(obtained.images) == len(PLATFORMS)
