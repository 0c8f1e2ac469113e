"""save and load: every form, through files and pipes, and archives that are not to be trusted."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.e2e.archives import files_of, small_image
from tests.e2e.published import FOREIGN, Published
from tests.support.cli import Imgfetch
from tests.support.images import File, ImageBuilder, add_blob, name_entry
from tests.support.mounts import small_tmpfs
from tests.support.tools import require_tool
from tests.support.trees import paths
from tests.support.users import CHECKOUT

FIXTURES = CHECKOUT / "fixtures"
FORMS = {"oci-archive": "a.tar", "oci": "layout", "dir": "directory", "docker-archive": "d.tar"}
KEEPING_MANIFESTS = ("oci-archive", "oci", "dir")


def skopeo(*argv: str | Path) -> bytes:
    done = subprocess.run(
        [require_tool("skopeo"), *argv], capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class TestDigestsSurvive:
    """S039, moby#22011: what was received is what is saved and loaded."""

    @pytest.mark.parametrize("form", KEEPING_MANIFESTS)
    def test_of_an_index_with_all_its_platforms(
        self, imgfetch: Imgfetch, other: Imgfetch, published: Published, form: str, tmp_path: Path
    ) -> None:
        target = tmp_path / FORMS[form]
        saved = imgfetch("save", published.multi, "--all-platforms", "--as", form, "-o", target)
        assert saved.succeeded().stdout == b""
        lines = other("load", "-i", target).succeeded().lines
        index = published.indexes[published.multi]
        repository = published.multi.rpartition(":")[0] if form != "dir" else "localhost/directory"
        assert lines == [f"{repository}@{image.digest}" for image in index.images]
        (listed,) = json.loads(other("images", "--format", "json").succeeded().stdout)
        assert listed["digest"] == str(index.digest)
        name = f"{repository}@{index.digest}"
        resolved = other("--offline", "resolve", "--index", name).succeeded().lines
        assert resolved == [name]
        resolved = other("--offline", "resolve", "--platform", FOREIGN, name).succeeded().lines
        assert resolved == [f"{repository}@{index.images[1].digest}"]

    @pytest.mark.parametrize("form", KEEPING_MANIFESTS)
    def test_of_an_index_with_one_of_its_platforms(
        self, imgfetch: Imgfetch, other: Imgfetch, published: Published, form: str, tmp_path: Path
    ) -> None:
        target = tmp_path / FORMS[form]
        imgfetch("save", published.multi, "--as", form, "-o", target).succeeded()
        (line,) = other("load", "-i", target).succeeded().lines
        assert line.endswith(f"@{published.indexes[published.multi].images[0].digest}")

    @pytest.mark.parametrize("form", KEEPING_MANIFESTS)
    def test_of_docker_images_with_layers_of_all_compressions(
        self, imgfetch: Imgfetch, other: Imgfetch, published: Published, form: str, tmp_path: Path
    ) -> None:
        for reference in (published.docker, published.layered):
            target = tmp_path / reference.replace("/", "-") / FORMS[form]
            target.parent.mkdir()
            imgfetch("save", reference, "--as", form, "-o", target).succeeded()
            (line,) = other("load", "-i", target).succeeded().lines
            assert line.endswith(f"@{published.images[reference].digest}")

    def test_of_configs_and_layers_in_a_docker_archive(
        self, imgfetch: Imgfetch, other: Imgfetch, published: Published, tmp_path: Path
    ) -> None:
        imgfetch("save", published.layered, "--as", "docker-archive", "-o", "d.tar").succeeded()
        other("load", "-i", "d.tar").succeeded()
        shown = other("--offline", "inspect", published.layered, "--format", "json").succeeded()
        (image,) = json.loads(shown.stdout)
        written = published.images[published.layered]
        assert image["manifest"]["config"]["digest"] == str(written.config.digest)
        assert [layer["digest"] for layer in image["layers"]] == [
            str(layer.digest) for layer in written.layers
        ]

    def test_of_documents_in_any_spelling(
        self, imgfetch: Imgfetch, other: Imgfetch, tmp_path: Path
    ) -> None:
        layout = tmp_path / "layout"
        small_image(layout, "x")
        written = ImageBuilder().layer({"f": File("x")}).write(layout)
        raw = (layout / "blobs/sha256" / written.digest.encoded).read_bytes()
        odd = b"\n  " + raw.replace(b",", b" ,\t") + b"\r\n"
        top = add_blob(layout, odd, written.descriptor.media_type)
        name_entry(layout, top, "registry.test/odd:1")
        imgfetch("save", f"oci:{layout}:registry.test/odd:1", "-o", "odd.tar").succeeded()
        other("load", "-i", "odd.tar").succeeded()
        (line,) = other("resolve", "store:registry.test/odd:1").succeeded().lines
        assert line == f"registry.test/odd@{top.digest}"


class TestPipes:
    """R156."""

    def test_saved_to_a_pipe_and_loaded_from_one(
        self, imgfetch: Imgfetch, other: Imgfetch, published: Published
    ) -> None:
        saver = imgfetch.start("save", published.busybox, published.docker)
        loader = subprocess.run(
            other.argv("load"),
            env=other.environment(),
            stdin=saver.stdout,
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert saver.wait(60) == 0
        assert saver.stdout is not None
        assert saver.stderr is not None
        saver.stdout.close()
        saver.stderr.close()
        assert loader.returncode == 0, loader.stderr
        names = {line.partition("@")[0] for line in loader.stdout.decode().splitlines()}
        assert names == {name.rpartition(":")[0] for name in (published.busybox, published.docker)}

    @pytest.mark.parametrize(
        ("options", "magic"),
        [
            (["-o", "-", "--compression", "gzip"], b"\x1f\x8b"),
            (["-o", "-", "--compression", "zstd"], b"\x28\xb5\x2f\xfd"),
            ([], b"oci-layout"),
        ],
    )
    def test_compression_is_found_by_what_it_looks_like(
        self, imgfetch: Imgfetch, other: Imgfetch, tmp_path: Path, options: list[str], magic: bytes
    ) -> None:
        name = small_image(tmp_path / "layout", "x", "registry.test/x:1")
        archive = imgfetch("save", name, *options).succeeded().stdout
        assert archive.startswith(magic)
        assert other("load", "-i", "-", input=archive).succeeded().lines

    @pytest.mark.parametrize(
        ("suffix", "magic"), [(".tar.gz", b"\x1f\x8b"), (".tar.zst", b"\x28\xb5\x2f\xfd")]
    )
    def test_a_files_name_says_how_it_is_compressed(
        self, imgfetch: Imgfetch, other: Imgfetch, tmp_path: Path, suffix: str, magic: bytes
    ) -> None:
        name = small_image(tmp_path / "layout", "x", "registry.test/x:1")
        target = tmp_path / f"a{suffix}"
        imgfetch("save", name, "-o", target).succeeded()
        assert target.read_bytes().startswith(magic)
        assert other("load", "-i", target).succeeded().lines

    def test_other_compressions_are_loaded(self, other: Imgfetch) -> None:
        """R074."""
        plain = (FIXTURES / "oci-archive.tar").read_bytes()
        for archive in (gzip.compress(plain), lzma.compress(plain)):
            assert other("load", "--force", input=archive).succeeded().lines

    def test_a_terminal_is_no_place_for_an_archive(
        self, imgfetch: Imgfetch, tmp_path: Path
    ) -> None:
        name = small_image(tmp_path / "layout", "x")
        terminal, end = os.openpty()
        try:
            done = subprocess.run(
                imgfetch.argv("save", name),
                env=imgfetch.environment(),
                stdout=end,
                stderr=subprocess.PIPE,
                check=False,
                timeout=60,
            )
        finally:
            os.close(terminal)
            os.close(end)
        assert done.returncode == 2
        assert b"-o" in done.stderr

    def test_a_device_is_written_to_and_stays_one(self, imgfetch: Imgfetch, tmp_path: Path) -> None:
        name = small_image(tmp_path / "layout", "x")
        link = tmp_path / "link"
        link.symlink_to("target")
        (tmp_path / "target").touch()
        imgfetch("save", name, "-o", "/dev/null").succeeded()
        imgfetch("save", name, "-o", link).succeeded()
        assert Path("/dev/null").is_char_device()
        assert link.is_symlink()
        assert files_of((tmp_path / "target").read_bytes())


class TestBytes:
    def test_are_the_same_whoever_saves_in_whatever_order(
        self, imgfetch: Imgfetch, other: Imgfetch, published: Published, tmp_path: Path
    ) -> None:
        references = [published.multi, published.layered]
        for form in ("oci-archive", "docker-archive"):
            for suffix in ("tar", "tar.gz", "tar.zst"):
                one, two = tmp_path / f"one.{suffix}", tmp_path / f"two.{suffix}"
                imgfetch("save", *references, "--as", form, "-o", one).succeeded()
                other("save", *references[::-1], "--as", form, "-o", two).succeeded()
                assert one.read_bytes() == two.read_bytes()

    def test_name_no_user_and_no_time(self, imgfetch: Imgfetch, tmp_path: Path) -> None:
        archive = imgfetch("save", small_image(tmp_path / "layout", "x")).succeeded().stdout
        with tarfile.open(fileobj=io.BytesIO(archive)) as members:
            facts = {(member.mtime, member.uid, member.gid, member.uname) for member in members}
        assert facts == {(0, 0, 0, "")}


class TestOtherTools:
    @pytest.mark.parametrize("form", list(FORMS))
    def test_skopeo_reads_what_is_saved(
        self, imgfetch: Imgfetch, published: Published, form: str, tmp_path: Path
    ) -> None:
        target = tmp_path / FORMS[form]
        imgfetch("save", published.busybox, "--as", form, "-o", target).succeeded()
        skopeo("copy", "--quiet", f"{form}:{target}", f"dir:{tmp_path}/copy")
        copied = json.loads((tmp_path / "copy/manifest.json").read_bytes())
        written = published.images[published.busybox]
        assert copied["config"]["digest"] == str(written.config.digest)

    def test_docker_finds_what_it_knows_in_a_layouts_archive(
        self, imgfetch: Imgfetch, published: Published, tmp_path: Path
    ) -> None:
        """Skopeo's docker-archive is what podman load falls back to, by docker's rules."""
        references = [published.busybox, published.multi]
        imgfetch("save", *references, "-o", tmp_path / "a.tar").succeeded()
        for reference in references:
            shown = skopeo("inspect", "--config", f"docker-archive:{tmp_path}/a.tar:{reference}")
            assert json.loads(shown)["architecture"]

    @pytest.mark.parametrize("transport", ["docker-archive", "oci-archive", "dir", "oci"])
    def test_what_skopeo_writes_is_loaded(
        self, other: Imgfetch, published: Published, transport: str, tmp_path: Path
    ) -> None:
        name = "" if transport == "dir" else ":registry.test/copied:1"
        target = tmp_path / "written"
        source = f"oci:{published.layout}:busybox"
        skopeo("copy", "--quiet", source, f"{transport}:{target}{name}")
        (line,) = other("load", "-i", target).succeeded().lines
        written = published.images[published.busybox]
        if transport == "dir":
            assert line.startswith("localhost/written@")
        else:
            assert line.startswith("registry.test/copied@")
        if transport != "docker-archive":
            assert line.endswith(f"@{written.digest}")
        (shown,) = json.loads(other("inspect", f"store:{line}", "--format", "json").stdout)
        assert shown["manifest"]["config"]["digest"] == str(written.config.digest)


class TestTargets:
    def test_a_full_disk_leaves_nothing(
        self, imgfetch: Imgfetch, published: Published, tmp_path: Path
    ) -> None:
        imgfetch("pull", published.busybox).succeeded()
        with small_tmpfs(tmp_path / "fs", size=128 << 10) as mounted:
            for form, name in FORMS.items():
                result = imgfetch("save", published.busybox, "--as", form, "-o", mounted / name)
                assert "no space left" in result.exited(15).errors
                assert paths(mounted) == set()
            kept = mounted / "kept.tar"
            kept.write_bytes(b"kept")
            imgfetch("save", published.busybox, "-o", kept).exited(15)
            assert kept.read_bytes() == b"kept"
            assert paths(mounted) == {"kept.tar"}

    def test_what_can_not_be_written_is_told_before_and_after(
        self, imgfetch: Imgfetch, tmp_path: Path
    ) -> None:
        name = small_image(tmp_path / "layout", "x")
        full = tmp_path / "full"
        full.mkdir()
        (full / "mine").touch()
        for form, target in (
            ("oci-archive", full),
            ("oci-archive", tmp_path / "no/such"),
            ("oci", full),
            ("dir", "-"),
            ("oci", full / "mine"),
        ):
            imgfetch("save", name, "--as", form, "-o", target).exited(2)
        assert paths(full) == {"mine"}

    def test_a_damaged_blob_is_not_saved(
        self, imgfetch: Imgfetch, published: Published, tmp_path: Path
    ) -> None:
        imgfetch("pull", published.busybox).succeeded()
        (layer,) = published.images[published.busybox].layers
        blob = imgfetch.store / "blobs/sha256" / layer.digest.encoded
        content = bytearray(blob.read_bytes())
        content[1000] ^= 1
        blob.write_bytes(content)
        result = imgfetch("save", published.busybox, "-o", tmp_path / "a.tar").exited(11)
        assert str(layer.digest) in result.errors
        assert not (tmp_path / "a.tar").exists()
        imgfetch("save", published.busybox, "-o", tmp_path / "a.tar").succeeded()

    def test_an_empty_directory_is_used(self, imgfetch: Imgfetch, tmp_path: Path) -> None:
        name = small_image(tmp_path / "layout", "x", "registry.test/x:1")
        (tmp_path / "empty").mkdir()
        imgfetch("save", name, "--as", "oci", "-o", tmp_path / "empty").succeeded()
        assert paths(tmp_path / "empty") == paths(tmp_path / "layout")

    def test_layers_of_others_are_left_out_when_asked(
        self, imgfetch: Imgfetch, other: Imgfetch, tmp_path: Path
    ) -> None:
        """R073."""
        layout = tmp_path / "layout"
        small_image(layout, "x")
        foreign = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
        (image,) = json.loads((layout / "index.json").read_bytes())["manifests"]
        raw = (layout / "blobs/sha256" / image["digest"].partition(":")[2]).read_bytes()
        changed = raw.replace(b"application/vnd.oci.image.layer.v1.tar+gzip", foreign.encode())
        top = add_blob(layout, changed, image["mediaType"])
        name_entry(layout, top, "registry.test/foreign:1")
        name = f"oci:{layout}:registry.test/foreign:1"
        whole = imgfetch("save", name).succeeded()
        assert other("load", input=whole.stdout).succeeded().lines
        less = imgfetch("save", "--skip-nondistributable", name).succeeded()
        assert "left out" in less.errors
        assert len(files_of(less.stdout)) == len(files_of(whole.stdout)) - 1
        shutil.rmtree(other.store)
        other("load", input=less.stdout).exited(11)
