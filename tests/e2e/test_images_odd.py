"""Images that claim more than they are, and images made of what is not meant to be one."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zstandard

from imgfetch.oci import mediatype
from imgfetch.oci.descriptor import Descriptor
from tests.e2e.people import Somebody
from tests.support.busybox import busybox_builder
from tests.support.cli import Imgfetch
from tests.support.contents import Dir, Entry, File, tar
from tests.support.images import WrittenImage, add_blob, add_document, name_entry
from tests.support.trees import paths
from tests.support.users import User


def _rewritten(
    layout: Path,
    image: WrittenImage,
    name: str,
    *,
    layers: list[Descriptor] | None = None,
    config: dict[str, Any] | None = None,
) -> str:
    """The same image under another name, with other layers or another config; its reference."""
    manifest = json.loads(_read(layout, image.descriptor))
    if layers is not None:
        manifest["layers"] = [layer.to_json() for layer in layers]
    if config is not None:
        document = {**json.loads(_read(layout, image.config)), **config}
        manifest["config"] = add_document(layout, document, mediatype.OCI_CONFIG).to_json()
    descriptor = add_document(layout, manifest, mediatype.OCI_MANIFEST)
    name_entry(layout, replace(descriptor, platform=image.descriptor.platform), name)
    return f"oci:{layout}:{name}"


def _read(layout: Path, descriptor: Descriptor) -> bytes:
    return (layout / "blobs" / "sha256" / descriptor.digest.encoded).read_bytes()


def _toc(name: str) -> bytes:
    """A table of contents with a setuid program in it that the layer does not have."""
    entry = {"name": name, "type": "reg", "size": 4, "mode": 0o4755, "offset": 0,
             "digest": f"sha256:{hashlib.sha256(b'evil').hexdigest()}"}  # fmt: skip
    return json.dumps({"version": 1, "entries": [entry]}).encode()


class TestTablesOfContents:
    """S046: for lazy pulling; only the stream that is hashed whole counts."""

    def test_estargz_is_a_tar_like_any_other(self, imgfetch: Imgfetch, tmp_path: Path) -> None:
        layout, toc = tmp_path / "layout", _toc("bin/evil")
        digest = f"sha256:{hashlib.sha256(toc).hexdigest()}"
        stream = tar({"real": File("x"), "stargz.index.json": File(toc)})
        image = busybox_builder().layer(stream).write(layout)
        last = replace(
            image.layers[-1],
            annotations={
                "containerd.io/snapshot/stargz/toc.digest": digest,
                "io.containers.estargz.uncompressed-size": "1",
            },
        )
        reference = _rewritten(layout, image, "e", layers=[*image.layers[:-1], last])
        imgfetch("unpack", reference, tmp_path / "bundle").succeeded()
        unpacked = paths(tmp_path / "bundle/rootfs")
        assert {"real", "stargz.index.json"} <= set(unpacked)
        assert "bin/evil" not in unpacked

    def test_zstd_chunked_is_zstd_like_any_other(self, imgfetch: Imgfetch, tmp_path: Path) -> None:
        layout, toc = tmp_path / "layout", zstandard.compress(_toc("bin/evil"))
        image = busybox_builder().layer({"real": File("x")}, "zstd").write(layout)
        last = image.layers[-1]
        # Decompressors leave frames of this kind out; the table and a footer are in them.
        frame = b"\x50\x2a\x4d\x18" + len(toc).to_bytes(4, "little") + toc
        stored = add_blob(layout, _read(layout, last) + frame, last.media_type)
        prefix = "io.github.containers.zstd-chunked"
        chunked = replace(
            stored,
            annotations={
                f"{prefix}.manifest-checksum": f"sha256:{hashlib.sha256(toc).hexdigest()}",
                f"{prefix}.manifest-position": f"{last.size + 8}:{len(toc)}:{len(toc)}:1",
            },
        )
        reference = _rewritten(layout, image, "z", layers=[*image.layers[:-1], chunked])
        imgfetch("unpack", reference, tmp_path / "bundle").succeeded()
        unpacked = paths(tmp_path / "bundle/rootfs")
        assert "real" in unpacked
        assert "bin/evil" not in unpacked


class TestSharedSnapshots:
    """S047: what is unpacked is shared by what it is, not by what a config says it is."""

    @pytest.mark.parametrize("mode", ["overlay", "copy"])
    def test_a_config_can_put_nothing_in_anothers_place(
        self, imgfetch: Imgfetch, tmp_path: Path, mode: str
    ) -> None:
        layout = tmp_path / "layout"
        honest = busybox_builder().layer({"who": File("honest")}).write(layout, "honest")
        evil = busybox_builder().layer({"who": File("evil")}).write(layout)
        claim = {"type": "layers", "diff_ids": [str(one) for one in honest.diff_ids]}
        poisoned = _rewritten(layout, evil, "poisoned", config={"rootfs": claim})
        run = ["run", "--network", "none", "--rootfs-mode", mode]
        refused = imgfetch(*run, poisoned, "cat", "/who").exited(125)
        assert "is not what the config says" in refused.errors
        assert refused.stdout == b""
        trees = {path.name for path in imgfetch.store.glob("snapshots/*/*/fs/who")}
        assert trees == set()
        result = imgfetch(*run, f"oci:{layout}:honest", "cat", "/who").succeeded()
        assert result.stdout == b"honest"

    @pytest.mark.parametrize("mode", ["overlay", "copy"])
    def test_a_config_is_not_given_what_it_only_claims(
        self, imgfetch: Imgfetch, tmp_path: Path, mode: str
    ) -> None:
        """Not even where the honest image is unpacked already; its other forms are given it."""
        layout = tmp_path / "layout"
        builder = busybox_builder().layer({"who": File("honest")})
        honest = builder.write(layout, "honest")
        builder.recompressed("zstd").write(layout, "again")
        evil = busybox_builder().layer({"who": File("evil")}).write(layout)
        claim = {"type": "layers", "diff_ids": [str(one) for one in honest.diff_ids]}
        poisoned = _rewritten(layout, evil, "poisoned", config={"rootfs": claim})
        run = ["run", "--network", "none", "--rootfs-mode", mode]
        imgfetch(*run, f"oci:{layout}:honest", "true").succeeded()
        unpacked = sorted(imgfetch.store.glob("snapshots/*/*"))
        for _ in range(2):
            refused = imgfetch(*run, poisoned, "cat", "/who").exited(125)
            assert "is not what the config says" in refused.errors
            assert refused.stdout == b""
        for name in ("again", "honest"):
            result = imgfetch(*run, f"oci:{layout}:{name}", "cat", "/who").succeeded()
            assert result.stdout == b"honest"
        assert sorted(imgfetch.store.glob("snapshots/*/*")) == unpacked

    def test_pulling_with_unpack_refuses_it_too(self, imgfetch: Imgfetch, tmp_path: Path) -> None:
        layout = tmp_path / "layout"
        honest = busybox_builder().layer({"who": File("honest")}).write(layout)
        evil = busybox_builder().layer({"who": File("evil")}).write(layout)
        claim = {"type": "layers", "diff_ids": [str(one) for one in honest.diff_ids]}
        poisoned = _rewritten(layout, evil, "poisoned", config={"rootfs": claim})
        imgfetch("pull", "--unpack", poisoned).exited(4)

    def test_other_ids_are_other_snapshots(self, subid_user: User) -> None:
        """The same layers under two maps of ids: neither sees the other's owners."""
        home = subid_user.directory("layout")
        busybox_builder().layer({"f": File("x", uid=7)}).write(home / "layout", "i")
        command = Imgfetch(home / "store", subid_user.home, subid_user)
        maps = [
            f"--{kind}map={line}"
            for kind, own in (("uid", subid_user.uid), ("gid", subid_user.gid))
            for line in (f"0:{own}:1", f"1:{_first_subid(kind, subid_user)}:1000")
        ]
        for options in ([], maps):
            run = ["run", "--network", "none", *options, f"oci:{home}/layout:i"]
            assert command(*run, "stat", "-c", "%u", "/f").succeeded().stdout == b"7\n"
        assert len(list((home / "store/snapshots").iterdir())) == 2


def _first_subid(kind: str, user: User) -> int:
    lines = [line.split(":") for line in Path(f"/etc/sub{kind}").read_text().splitlines()]
    return next(int(start) for name, start, _ in lines if name == user.name)


_LEFT = {
    ".dockerenv": "",
    "dev/console": "",
    "dev/null": "not a device",
    "dev/pts/0": "",
    "dev/shm/left": "x",
    "proc/1/cmdline": "not a process",
    "proc/version": "of nothing",
    "sys/fs/cgroup/x": "x",
}


class TestExportedContainers:
    """R079: made of ``docker export``, with what was mounted over in the container."""

    def _write(self, layout: Path) -> str:
        directories = {above for path in _LEFT for above in Path(path).parents} - {Path()}
        contents: dict[str, Entry] = {str(path): Dir() for path in sorted(directories)}
        contents |= {path: File(content) for path, content in _LEFT.items()}
        busybox_builder().layer(contents).write(layout, "exported")
        return f"oci:{layout}:exported"

    def test_they_are_unpacked_as_they_are(self, imgfetch: Imgfetch, tmp_path: Path) -> None:
        imgfetch("unpack", self._write(tmp_path / "layout"), tmp_path / "bundle").succeeded()
        root = tmp_path / "bundle/rootfs"
        assert {path: (root / path).read_text() for path in _LEFT} == _LEFT

    def test_containers_see_what_is_mounted_over_them(self, newcomer: Somebody) -> None:
        script = (
            "echo lost >/dev/null && cat /dev/null && ls /proc/1/ns >/dev/null"
            " && grep -c Linux /proc/version && ls /dev/shm && ls /.dockerenv"
        )
        image = self._write(newcomer.workspace() / "layout")
        result = newcomer.run(image=image, command=["sh", "-c", script]).succeeded()
        assert result.stdout == b"1\n/.dockerenv\n"
