"""load: what docker has written over the years, names that move, and archives that lie."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import pytest

from tests.e2e.archives import files_of, repacked, small_image
from tests.support.archives import write_docker_archive
from tests.support.cli import Imgfetch
from tests.support.images import File, ImageBuilder
from tests.support.tarballs import file, symlink, write_tar
from tests.support.users import CHECKOUT

FIXTURES = CHECKOUT / "fixtures"


class TestOldForms:
    """R074: what docker has written over the years."""

    def test_of_docker_before_25_with_several_images(self, other: Imgfetch, tmp_path: Path) -> None:
        layout = tmp_path / "layout"
        one = ImageBuilder().layer({"f": File("1")}, "none").write(layout)
        two = ImageBuilder().layer({"f": File("2")}, "gzip").write(layout)
        tags = {one: ["one:1", "one:2"], two: []}
        write_docker_archive(layout, tags, tmp_path / "a.tar")
        lines = other("load", "-i", tmp_path / "a.tar").succeeded().lines
        assert [line.partition("@")[0] for line in lines] == [
            "docker.io/library/one",
            "localhost/a",
        ]
        listed = json.loads(other("images", "--format", "json").stdout)
        assert {image["name"].partition("@")[0] for image in listed} == {
            "docker.io/library/one:1",
            "docker.io/library/one:2",
            "localhost/a",
        }

    def test_with_links_for_layers_and_dots_before_names(
        self, other: Imgfetch, tmp_path: Path
    ) -> None:
        layout = tmp_path / "layout"
        image = ImageBuilder().layer({"f": File("1")}, "none").write(layout)
        blob = layout / "blobs/sha256"
        (layer,) = image.layers
        manifest = [
            {"Config": "c.json", "RepoTags": ["a:1"], "Layers": ["1/layer.tar", "2/layer.tar"]}
        ]
        config = json.loads((blob / image.config.digest.encoded).read_bytes())
        config["rootfs"]["diff_ids"] *= 2
        members = [
            file("./1/layer.tar", (blob / layer.digest.encoded).read_bytes()),
            symlink("./2/layer.tar", "../1/layer.tar"),
            file("./c.json", json.dumps(config).encode()),
            file("./manifest.json", json.dumps(manifest).encode()),
        ]
        write_tar(tmp_path / "a.tar", members)
        assert other("load", "-i", tmp_path / "a.tar").succeeded().lines

    def test_before_1_10_are_refused_by_name(self, other: Imgfetch, tmp_path: Path) -> None:
        write_tar(tmp_path / "a.tar", [file("repositories", b"{}"), file("VERSION", b"1.0")])
        result = other("load", "-i", tmp_path / "a.tar").exited(5)
        assert "docker before 1.10" in result.errors

    def test_what_is_no_archive_of_images_is_told_so(self, other: Imgfetch, tmp_path: Path) -> None:
        write_tar(tmp_path / "a.tar", [file("hello", b"world")])
        assert "no archive of images" in other("load", "-i", tmp_path / "a.tar").exited(11).errors
        other("load", input=b"hello").exited(5)
        other("load", "-i", tmp_path / "nothing").exited(11)
        once = gzip.compress((FIXTURES / "oci-archive.tar").read_bytes())
        other("load", input=gzip.compress(once)).exited(5)


class TestNames:
    """S125."""

    def test_a_name_that_stands_for_another_image_stays(
        self, imgfetch: Imgfetch, tmp_path: Path
    ) -> None:
        for text in ("old", "new"):
            name = small_image(tmp_path / text, text, "registry.test/x:1")
            imgfetch("save", name, "-o", tmp_path / f"{text}.tar").succeeded()
        fresh = small_image(tmp_path / "fresh", "fresh", "registry.test/fresh:1")
        (old,) = imgfetch("load", "-i", tmp_path / "old.tar").succeeded().lines
        imgfetch(
            "save", f"oci:{tmp_path}/new:registry.test/x:1", fresh, "-o", tmp_path / "both.tar"
        ).succeeded()
        before = imgfetch("images", "--format", "json").stdout
        result = imgfetch("load", "-i", tmp_path / "both.tar").exited(16)
        assert old.partition("@")[2] in result.errors
        assert "--force" in result.errors
        assert imgfetch("images", "--format", "json").stdout == before
        moved = imgfetch("load", "--force", "-i", tmp_path / "both.tar").succeeded().lines
        assert old not in moved
        assert imgfetch("resolve", "store:registry.test/x:1").lines[0] in moved

    def test_loading_again_changes_nothing(self, imgfetch: Imgfetch) -> None:
        first = imgfetch("load", "-i", FIXTURES / "oci-archive.tar").succeeded().lines
        index = (imgfetch.store / "index.json").stat()
        assert imgfetch("load", "-i", FIXTURES / "oci-archive.tar").succeeded().lines == first
        assert (imgfetch.store / "index.json").stat().st_ino == index.st_ino

    @pytest.mark.parametrize("tag", ["../../x:y", "a:b c", "x:1/UPPER", "x:\x1b]0;t\x07"])
    def test_what_can_not_be_a_name_is_refused(
        self, imgfetch: Imgfetch, tmp_path: Path, tag: str
    ) -> None:
        """S059: nor does it reach the terminal as it is."""
        layout = tmp_path / "layout"
        image = ImageBuilder().layer({"f": File("1")}).write(layout)
        write_docker_archive(layout, {image: ["good:1", tag]}, tmp_path / "a.tar")
        result = imgfetch("load", "-i", tmp_path / "a.tar").exited(5)
        assert "\x1b" not in result.errors
        assert json.loads(imgfetch("images", "--format", "json").stdout) == []

    def test_a_name_with_another_digest_is_a_lie(self, imgfetch: Imgfetch, tmp_path: Path) -> None:
        name = f"registry.test/x@sha256:{'0' * 64}"
        layout = tmp_path / "layout"
        small_image(layout, "x", name)
        imgfetch("load", "-i", layout).exited(4)

    def test_too_many_names_are_refused(self, imgfetch: Imgfetch, tmp_path: Path) -> None:
        layout = tmp_path / "layout"
        image = ImageBuilder().layer({"f": File("1")}).write(layout)
        tags = [f"x:{number}" for number in range(2000)]
        write_docker_archive(layout, {image: tags}, tmp_path / "a.tar")
        assert "too many" in imgfetch("load", "-i", tmp_path / "a.tar").exited(5).errors


class TestLies:
    """S123, S124, S126: an archive that is not what it says changes no image."""

    @pytest.fixture
    def archive(self, imgfetch: Imgfetch, tmp_path: Path) -> dict[str, bytes]:
        name = small_image(tmp_path / "layout", "x", "registry.test/x:1")
        return files_of(imgfetch("save", name).succeeded().stdout)

    def refused(self, other: Imgfetch, path: Path, status: int) -> str:
        result = other("load", "-i", path).exited(status)
        assert result.stdout == b""
        assert json.loads(other("images", "--format", "json").succeeded().stdout) == []
        # Blobs that are what they are said to be may stay.
        shutil.rmtree(other.store, ignore_errors=True)
        return result.errors

    def test_a_blob_that_is_another(
        self, other: Imgfetch, archive: dict[str, bytes], tmp_path: Path
    ) -> None:
        for number, name in enumerate(name for name in archive if name.startswith("blobs/")):
            changed = bytearray(archive[name])
            changed[-1] ^= 1
            path = repacked(tmp_path / f"{number}.tar", {**archive, name: bytes(changed)})
            errors = self.refused(other, path, 4)
            assert name.rpartition("/")[2] in errors

    def test_a_blob_that_is_missing(
        self, other: Imgfetch, archive: dict[str, bytes], tmp_path: Path
    ) -> None:
        for number, gone in enumerate(name for name in archive if name.startswith("blobs/")):
            files = {name: content for name, content in archive.items() if name != gone}
            files.pop("manifest.json")
            errors = self.refused(other, repacked(tmp_path / f"{number}.tar", files), 11)
            assert gone.rpartition("/")[2] in errors

    def test_documents_that_disagree(
        self, other: Imgfetch, archive: dict[str, bytes], tmp_path: Path
    ) -> None:
        (entry,) = json.loads(archive["manifest.json"])
        lying = json.dumps([{**entry, "Layers": entry["Layers"] * 2}]).encode()
        path = repacked(tmp_path / "a.tar", {**archive, "manifest.json": lying})
        assert "disagree" in self.refused(other, path, 5)

    @pytest.mark.parametrize("name", ["/etc/hostname", "../../../etc/hostname"])
    def test_names_that_lead_outside(self, other: Imgfetch, tmp_path: Path, name: str) -> None:
        for lie in ({"Config": name, "Layers": []}, {"Config": "c.json", "Layers": [name]}):
            manifest = json.dumps([{"RepoTags": ["x:1"], **lie}]).encode()
            files = {"manifest.json": manifest, "c.json": b"{}"}
            self.refused(other, repacked(tmp_path / "a.tar", files), 5)

    def test_endless_documents(
        self, other: Imgfetch, archive: dict[str, bytes], tmp_path: Path
    ) -> None:
        for name in ("index.json", "manifest.json", "oci-layout"):
            files = {**archive, name: archive[name] + b" " * (17 << 20)}
            assert name in self.refused(other, repacked(tmp_path / "a.tar", files), 5)

    def test_one_that_is_cut_off(self, other: Imgfetch, tmp_path: Path) -> None:
        whole = (FIXTURES / "oci-archive.tar").read_bytes()
        (tmp_path / "a.tar").write_bytes(whole[: len(whole) // 2])
        self.refused(other, tmp_path / "a.tar", 5)
