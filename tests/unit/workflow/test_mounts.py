"""Where volumes, images and secrets come from; what needs mounts is tested end to end."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from imgfetch.bundle.options import (
    BindMount,
    FileOptions,
    ImageMount,
    Secret,
    TmpfsMount,
    VolumeMount,
)
from imgfetch.errors import InvalidMountError
from imgfetch.oci.image import Layer
from imgfetch.workflow.mounts import SECRET_LIMIT, MountMaker, read_secrets


@dataclass(slots=True)
class NoSnapshots:
    mounted: list[Path] = field(default_factory=list)

    def prepare(self, layers: Sequence[Layer]) -> None:
        raise AssertionError

    def mount(self, layers: Sequence[Layer], directory: Path) -> Path:
        raise AssertionError

    def unmount(self, directory: Path) -> None:
        raise AssertionError


@dataclass(frozen=True, slots=True)
class Place:
    directory: Path
    maker: MountMaker

    @property
    def root(self) -> Path:
        return self.directory / "run/rootfs"

    def planned(self, *mounts: object) -> list[object]:
        options = FileOptions(mounts=mounts)  # type: ignore[arg-type]  # mounts of any kind
        return list(self.maker.planned(options, str(self.root), "/run").mounts)

    def make(self, *mounts: object) -> None:
        options = FileOptions(mounts=mounts)  # type: ignore[arg-type]  # mounts of any kind
        with ExitStack() as stack:
            self.maker.make(options, str(self.root), str(self.directory / "run"), stack)

    def volume(self, name: str) -> Path:
        return self.directory / "volumes" / name


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "run/rootfs").mkdir(parents=True)
    (tmp_path / "locks").mkdir()
    maker = MountMaker(f"{tmp_path}/volumes", f"{tmp_path}/locks", NoSnapshots(), {})
    return Place(tmp_path, maker)


def test_options_without_anything_to_make_say_so() -> None:
    assert not FileOptions(mounts=(BindMount("/a", "/b"), TmpfsMount("/c"))).need_making
    for mount in (VolumeMount("a", "/a"), VolumeMount(None, "/a"), ImageMount("i", "/a")):
        assert FileOptions(mounts=(mount,)).need_making
    assert FileOptions(secrets=(Secret("/a", "/b"),)).need_making


def test_what_is_planned_are_bind_mounts_and_makes_nothing(place: Place) -> None:
    (place.root / "data").symlink_to("/var/data")
    others = (BindMount("/a", "/b"), TmpfsMount("/c"))
    before = sorted(place.directory.rglob("*"))
    assert place.planned(
        *others,
        VolumeMount("name", "/v", read_only=True),
        VolumeMount(None, "/data"),
        ImageMount("app:1", "/i"),
    ) == [
        *others,
        BindMount(f"{place.volume('name')}", "/v", read_only=True),
        BindMount(f"{place.root}/var/data", "/data"),
        BindMount("/run/images/4/rootfs", "/i", read_only=True),
    ]
    assert sorted(place.directory.rglob("*")) == before


def test_a_place_that_a_link_takes_out_of_the_root_stays_inside(place: Place) -> None:
    (place.root / "up").symlink_to("../../../../..")
    [mount] = place.planned(VolumeMount(None, "/up/etc"))
    assert mount == BindMount(f"{place.root}/etc", "/up/etc")
    place.make(VolumeMount(None, "/up/new"))
    assert (place.root / "new").is_dir()


def test_a_new_volume_is_a_copy_of_what_is_in_the_image(place: Place) -> None:
    content = place.root / "content"
    content.mkdir(0o750)
    (content / "file").write_text("x")
    place.make(VolumeMount("name", "/content"), VolumeMount("empty", "/none"))
    assert (place.volume("name") / "file").read_text() == "x"
    assert place.volume("name").stat().st_mode == content.stat().st_mode
    assert os.listdir(place.volume("empty")) == []
    assert sorted(os.listdir(place.directory / "volumes")) == ["empty", "name"]
    assert os.listdir(place.directory / "locks") == []


def test_a_volume_that_has_something_stays_as_it_is(place: Place) -> None:
    (place.root / "content").mkdir()
    (place.root / "content/new").write_text("")
    place.volume("name").mkdir(parents=True)
    (place.volume("name") / "old").write_text("")
    place.make(VolumeMount("name", "/content"))
    assert os.listdir(place.volume("name")) == ["old"]


def test_an_empty_volume_that_is_in_use_is_filled_where_it_is(place: Place) -> None:
    (place.root / "content/deep").mkdir(parents=True)
    (place.root / "content/deep/file").write_text("x")
    place.volume("name").mkdir(parents=True)
    before = place.volume("name").stat().st_ino
    place.make(VolumeMount("name", "/content"))
    assert place.volume("name").stat().st_ino == before
    assert (place.volume("name") / "deep/file").read_text() == "x"
    assert os.listdir(place.directory / "volumes") == ["name"]


def test_a_file_is_no_place_for_a_volume(place: Place) -> None:
    (place.root / "file").write_text("")
    with pytest.raises(InvalidMountError, match="not a directory"):
        place.make(VolumeMount(None, "/file"))


def test_secrets_are_read_up_to_a_limit(tmp_path: Path) -> None:
    longest = tmp_path / "longest"
    longest.write_bytes(b"x" * SECRET_LIMIT)
    assert read_secrets([Secret(str(longest), "/s")]) == (b"x" * SECRET_LIMIT,)
    longest.write_bytes(b"x" * (SECRET_LIMIT + 1))
    with pytest.raises(InvalidMountError, match="too long"):
        read_secrets([Secret(str(longest), "/s")])
    with pytest.raises(InvalidMountError, match="Is a directory"):
        read_secrets([Secret(str(tmp_path), "/s")])
