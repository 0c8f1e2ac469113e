"""File systems that can't hold what images have, or not as it is meant."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imgfetch.errors import LayerError, MalformedLayerError
from imgfetch.fs import filesystem
from imgfetch.layer import failure
from tests.support.busybox import busybox_image
from tests.support.cli import Imgfetch, imgfetch
from tests.support.contents import Contents, Dir, Entry, Fifo, File, Hardlink, Symlink, tar
from tests.support.layers import apply_layer
from tests.support.mounts import exfat, mounted_tmpfs

__all__ = ["imgfetch"]


@pytest.fixture
def card(tmp_path: Path) -> Iterator[Path]:
    """A directory on a file system for memory cards."""
    with exfat(tmp_path / "card") as directory:
        yield directory


@pytest.fixture
def image(tmp_path: Path) -> str:
    busybox_image(tmp_path / "layout")
    return f"oci:{tmp_path}/layout:busybox:1"


class TestMemoryCards:
    def test_upper_and_lower_case_are_told_apart_or_nothing_is_unpacked(
        self, card: Path, imgfetch: Imgfetch, image: str
    ) -> None:
        """R124: one of two files would be lost, and nobody would know."""
        result = imgfetch("unpack", image, card / "bundle").exited(13)
        assert str(card) in result.errors
        assert "names that differ in case only" in result.errors
        assert "another file system" in result.errors
        assert list(card.iterdir()) == []

    def test_no_store_is_made_where_everybody_could_change_it(
        self, card: Path, imgfetch: Imgfetch, image: str
    ) -> None:
        """R125."""
        result = imgfetch("--store", card / "store", "pull", image).exited(11)
        assert f"{card}/store would be on fuseblk, without permissions" in result.errors
        assert "--store" in result.errors

    @pytest.mark.parametrize(
        "entry", [Symlink("target"), Fifo(), File("x", uid=5)], ids=["link", "pipe", "owner"]
    )
    def test_what_it_does_not_have_is_told_with_its_name(self, card: Path, entry: Entry) -> None:
        """R125."""
        with pytest.raises(LayerError) as caught:
            apply_layer(card, tar({"d": Dir(), "d/name": entry}))
        assert "'d/name'" in caught.value.message
        assert "fuseblk" in (caught.value.hint or "")

    def test_hard_links_are_told_apart_from_broken_ones(self, card: Path) -> None:
        """R125."""
        with pytest.raises(LayerError) as caught:
            apply_layer(card, tar({"a": File("x"), "b": Hardlink("a")}))
        assert not isinstance(caught.value, MalformedLayerError)
        assert "'b' can't be made" in caught.value.message
        assert "fuseblk" in (caught.value.hint or "")


def test_names_longer_than_the_file_system_takes_are_an_error(tmp_path: Path) -> None:
    """R125: it says how long they may be, for eCryptfs takes 143 bytes and others 255."""
    with mounted_tmpfs(tmp_path / "m", "size=1m") as root:
        apply_layer(root, tar({"n" * 255: File("fits")}))
        with pytest.raises(LayerError, match=r"too long for the file system \(tmpfs: 255 bytes\)"):
            apply_layer(root, tar({"n" * 256: File()}))


class TestMountOptions:
    """R128: stores where programs don't run, setuid bits don't count, devices don't open."""

    @pytest.fixture
    def restricted(self, tmp_path: Path, imgfetch: Imgfetch) -> Iterator[Imgfetch]:
        with mounted_tmpfs(tmp_path / "m", "noexec,nosuid,nodev") as directory:
            yield Imgfetch(directory / "store", imgfetch.home)

    def test_overlays_are_mounts_of_their_own(self, restricted: Imgfetch, image: str) -> None:
        run = [
            "run",
            "--network",
            "none",
            image,
            "sh",
            "-c",
            "cp /bin/busybox /tmp && /tmp/busybox echo hello",
        ]
        assert restricted(*run).succeeded().stdout == b"hello\n"

    def test_copies_say_why_nothing_can_be_executed(self, restricted: Imgfetch, image: str) -> None:
        run = ["run", "--network", "none", "--rootfs-mode", "copy", image, "true"]
        result = restricted(*run).exited(126)
        assert "true: the root filesystem is on a file system mounted noexec" in result.errors
        assert "--store" in result.errors

    def test_images_are_kept_and_unpacked(
        self, restricted: Imgfetch, image: str, tmp_path: Path
    ) -> None:
        restricted("unpack", image, restricted.store.parent / "bundle").succeeded()
        assert (restricted.store.parent / "bundle/rootfs/bin/busybox").stat().st_mode & 0o111


Call = Callable[..., None]


class TestNetworkFileSystems:
    """R129: servers that let nobody give files away."""

    @pytest.fixture(params=[errno.EPERM, errno.EACCES], ids=["EPERM", "EACCES"], autouse=True)
    def squashed(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise OSError(request.param, os.strerror(request.param))

        for call in ("chown", "fchown"):
            monkeypatch.setattr(os, call, refuse)

    @pytest.mark.parametrize(
        "contents",
        [{"a": File("x", uid=5)}, {"a": Dir(gid=5)}, {"a": Symlink("b", uid=5)}],
        ids=["file", "directory", "link"],
    )
    def test_the_way_out_is_told(
        self, contents: Contents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(failure, "kind", lambda _: "nfs4")
        with pytest.raises(LayerError, match=r"'a/?' belongs to") as caught:
            apply_layer(tmp_path, tar(contents))
        hint = "This is nfs4, which has not all that images need: use --store on a local disk."
        assert caught.value.hint == hint

    def test_on_a_disk_it_is_the_users_ids(self, tmp_path: Path) -> None:
        assert not filesystem.is_foreign(filesystem.kind_of(str(tmp_path)))
        with pytest.raises(LayerError) as caught:
            apply_layer(tmp_path, tar({"a": File("x", uid=5)}))
        assert "/etc/subuid" in (caught.value.hint or "")
