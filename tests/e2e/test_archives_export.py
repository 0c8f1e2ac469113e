"""export: trees straight from the layers, compared with what is unpacked."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.e2e.published import Published
from tests.support.cli import Imgfetch, imgfetch_for
from tests.support.images import Dir, File, ImageBuilder
from tests.support.layers import header, layer, padded
from tests.support.mounts import small_tmpfs
from tests.support.tools import require_tool
from tests.support.trees import Tree, paths, snapshot_tree, without_directory_times
from tests.support.users import CHECKOUT, User

FIXTURE = ("--platform", "linux/amd64", f"oci:{CHECKOUT}/fixtures/layout:1")


def run(*argv: str | Path) -> bytes:
    tool, *arguments = argv
    done = subprocess.run(
        [require_tool(str(tool)), *arguments], capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def unpacked_by_tar(archive: Path, directory: Path) -> Tree:
    directory.mkdir()
    run("tar", "--xattrs", "--xattrs-include=*", "--same-owner", "-xpf", archive, "-C", directory)
    return snapshot_tree(directory)


def without_root(tree: Tree) -> Tree:
    """No layer of these images says anything about the root directory."""
    return {path: node for path, node in tree.items() if path != "."}


class TestTar:
    def test_gives_gnu_tar_the_tree_that_unpack_makes(
        self, imgfetch: Imgfetch, published: Published, tmp_path: Path
    ) -> None:
        for number, image in enumerate((FIXTURE, (published.layered,))):
            archive = tmp_path / f"{number}.tar"
            imgfetch("export", *image, "-o", archive).succeeded()
            ours = tmp_path / f"{number}-ours"
            imgfetch("unpack", "--rootfs-only", *image, ours).succeeded()
            tree = unpacked_by_tar(archive, tmp_path / f"{number}-tar")
            assert without_root(tree) == without_root(snapshot_tree(ours))

    def test_is_the_same_without_root(
        self, imgfetch: Imgfetch, any_user: User, tmp_path: Path
    ) -> None:
        directory = any_user.directory("export")
        archive = directory / "layout.tar"
        imgfetch("save", *FIXTURE, "-o", archive).succeeded()
        archive.chmod(0o644)
        name = f"oci-archive:{archive}"
        theirs = imgfetch_for(any_user)
        by_user = theirs("export", "--platform", "linux/amd64", name).succeeded().stdout
        by_root = imgfetch("export", *FIXTURE, "-o", tmp_path / "r.tar").succeeded()
        assert by_root.stdout == b""
        assert by_user == (tmp_path / "r.tar").read_bytes()
        with tarfile.open(fileobj=io.BytesIO(by_user)) as members:
            notes = members.getmember("home/app/notes")
            null = members.getmember("odd/null")
        assert (notes.uid, notes.gid) == (1000, 1000)
        assert (null.devmajor, null.devminor) == (1, 3)

    def test_is_compressed_as_it_is_called(self, imgfetch: Imgfetch, tmp_path: Path) -> None:
        plain = imgfetch("export", *FIXTURE).succeeded().stdout
        imgfetch("export", *FIXTURE, "-o", tmp_path / "a.tar.gz").succeeded()
        assert run("gzip", "-dc", tmp_path / "a.tar.gz") == plain

    def test_keeps_holes(self, imgfetch: Imgfetch, tmp_path: Path) -> None:
        """And writes them out where readers would disagree on them."""
        stream = layer(
            _old_sparse(b"blocks", ((0, 512), (1 << 20, 512)), 2 << 20),
            _old_sparse(b"odd", ((0, 100), (4096, 3)), 10_000),
        )
        ImageBuilder().layer(stream).write(tmp_path / "layout", "x")
        archive = tmp_path / "a.tar"
        imgfetch("export", f"oci:{tmp_path}/layout:x", "-o", archive).succeeded()
        assert archive.stat().st_size < 100_000
        tree = unpacked_by_tar(archive, tmp_path / "tree")
        assert tree["blocks"].size == 2 << 20
        odd = (tmp_path / "tree/odd").read_bytes()
        assert odd == b"\1" * 100 + bytes(3996) + b"\2" * 3 + bytes(10_000 - 4099)

    def test_leaves_out_what_means_something_to_the_host(
        self, imgfetch: Imgfetch, tmp_path: Path
    ) -> None:
        xattrs = {"user.kept": b"1", "trusted.overlay.opaque": b"y", "user.overlay.redirect": b"/"}
        ImageBuilder().layer({"d": Dir(xattrs=xattrs)}).write(tmp_path / "layout", "x")
        result = imgfetch("export", f"oci:{tmp_path}/layout:x").succeeded()
        assert b"SCHILY.xattr.user.kept=1" in result.stdout
        assert b"overlay" not in result.stdout
        assert "2 extended attributes were left out" in result.errors

    def test_of_a_layer_that_lies_leaves_nothing(self, imgfetch: Imgfetch, tmp_path: Path) -> None:
        lie = {"type": "layers", "diff_ids": [f"sha256:{'0' * 64}"]}
        builder = ImageBuilder().layer({"f": File("1")}).config(rootfs=lie)
        builder.write(tmp_path / "layout", "x")
        target = tmp_path / "a.tar"
        imgfetch("export", f"oci:{tmp_path}/layout:x", "-o", target).exited(4)
        assert not target.exists()

    def test_on_a_full_disk_leaves_nothing(self, imgfetch: Imgfetch, tmp_path: Path) -> None:
        builder = ImageBuilder().layer({"f": File(os.urandom(1 << 20))})
        builder.write(tmp_path / "layout", "x")
        with small_tmpfs(tmp_path / "fs", size=256 << 10) as mounted:
            for form in ("tar", "squashfs", "erofs"):
                name = f"oci:{tmp_path}/layout:x"
                imgfetch("export", name, "--as", form, "-o", mounted / "a").exited(15)
                assert paths(mounted) == set()
        assert os.listdir(imgfetch.store / "ingest") == []


def _old_sparse(name: bytes, parts: tuple[tuple[int, int], ...], size: int) -> bytes:
    """A sparse file in GNU tar's old format; the data are ones, twos and so on."""
    data = b"".join(bytes([number]) * length for number, (_, length) in enumerate(parts, 1))
    block = bytearray(header(name, b"S", size=len(data), magic=b"ustar  \0"))
    for number, (offset, length) in enumerate(parts):
        at = 386 + 24 * number
        block[at : at + 24] = b"%011o\0%011o\0" % (offset, length)
    block[483:495] = b"%011o\0" % size
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + padded(data)


class TestFilesystems:
    def test_a_squashfs_has_the_same_tree(self, imgfetch: Imgfetch, tmp_path: Path) -> None:
        imgfetch("export", *FIXTURE, "--as", "squashfs", "-o", tmp_path / "a").succeeded()
        target = tmp_path / "squashfs"
        run("unsquashfs", "-quiet", "-no-progress", "-dest", target, tmp_path / "a")
        imgfetch("export", *FIXTURE, "-o", tmp_path / "a.tar").succeeded()
        expected = unpacked_by_tar(tmp_path / "a.tar", tmp_path / "tar")
        assert _whole_seconds(snapshot_tree(target)) == _whole_seconds(expected)

    def test_a_squashfs_has_the_images_owners_without_root(
        self, plain_user: User, imgfetch: Imgfetch
    ) -> None:
        directory = plain_user.directory("export")
        imgfetch("save", *FIXTURE, "-o", directory / "layout.tar").succeeded()
        (directory / "layout.tar").chmod(0o644)
        name = f"oci-archive:{directory}/layout.tar"
        theirs = imgfetch_for(plain_user)
        theirs(
            "export", "--platform", "linux/amd64", name, "--as", "squashfs", "-o", directory / "a"
        ).succeeded()
        listed = run("unsquashfs", "-lln", directory / "a").decode("latin-1").splitlines()
        (notes,) = [line for line in listed if line.endswith("/home/app/notes")]
        (null,) = [line for line in listed if line.endswith("/odd/null")]
        assert notes.startswith("-rw------- 1000/1000 ")
        assert null.startswith("crw-rw-rw- 0/0 ")

    def test_an_erofs_has_the_same_tree(self, imgfetch: Imgfetch, tmp_path: Path) -> None:
        imgfetch("export", *FIXTURE, "--as", "erofs", "-o", tmp_path / "a").succeeded()
        target = tmp_path / "erofs"
        run("fsck.erofs", f"--extract={target}", tmp_path / "a")
        imgfetch("unpack", "--rootfs-only", *FIXTURE, tmp_path / "ours").succeeded()
        # What fsck.erofs 1.5 puts back of a file is its name, kind and content.
        ignored = {"mode", "mtime_ns", "xattrs", "links", "uid", "gid"}
        assert snapshot_tree(target, ignore=ignored) == snapshot_tree(
            tmp_path / "ours", ignore=ignored
        )
        assert os.listdir(imgfetch.store / "ingest") == []

    def test_an_ordinary_user_makes_an_erofs(self, any_user: User, published: Published) -> None:
        target = any_user.directory("export") / "a"
        imgfetch = imgfetch_for(any_user)
        imgfetch("export", published.layered, "--as", "erofs", "-o", target).succeeded()
        run("fsck.erofs", target)
        assert target.stat().st_uid == any_user.uid
        assert os.listdir(imgfetch.store / "ingest") == []

    @pytest.mark.parametrize(
        ("form", "package"), [("squashfs", "squashfs-tools"), ("erofs", "erofs-utils")]
    )
    def test_a_missing_program_is_told_with_its_package(
        self, imgfetch: Imgfetch, tmp_path: Path, form: str, package: str
    ) -> None:
        target = tmp_path / "a"
        result = imgfetch(
            "export", *FIXTURE, "--as", form, "-o", target, env={"PATH": "/nonexistent"}
        ).exited(14)
        assert package in result.errors
        assert not target.exists()

    def test_a_program_that_fails_is_heard(self, imgfetch: Imgfetch, tmp_path: Path) -> None:
        tools = tmp_path / "tools"
        tools.mkdir()
        for name in ("sqfstar", "mkfs.erofs"):
            (tools / name).write_text("#!/bin/sh\necho what went wrong >&2\nexit 3\n")
            (tools / name).chmod(0o755)
        for form in ("squashfs", "erofs"):
            result = imgfetch(
                "export", *FIXTURE, "--as", form, "-o", tmp_path / "a", env={"PATH": str(tools)}
            ).exited(14)
            assert "what went wrong" in result.errors
        assert not (tmp_path / "a").exists()

    def test_a_stream_is_no_place_for_a_file_system(self, imgfetch: Imgfetch) -> None:
        for form in ("squashfs", "erofs"):
            imgfetch("export", *FIXTURE, "--as", form).exited(2)


def _whole_seconds(tree: Tree) -> Tree:
    """What squashfs has room for; the root's time is the program's own."""
    from dataclasses import replace

    return {
        path: replace(node, mtime_ns=max(node.mtime_ns, 0) // 10**9)
        for path, node in without_root(tree).items()
    }


def test_directory_times_are_those_of_the_layers(
    imgfetch: Imgfetch, published: Published, tmp_path: Path
) -> None:
    """GNU tar sets a directory's time when it leaves it: what is in it has to follow at once."""
    imgfetch("export", published.layered, "-o", tmp_path / "a.tar").succeeded()
    tree = unpacked_by_tar(tmp_path / "a.tar", tmp_path / "tree")
    assert without_root(tree) != without_root(without_directory_times(tree))
    assert tree["d"].mtime_ns == tree["e"].mtime_ns == 1_600_000_000 * 10**9
