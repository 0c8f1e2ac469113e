"""With other tools: runc runs what unpack makes, skopeo and umoci read the store."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.published import Published, layered_builder
from tests.support.cli import Imgfetch
from tests.support.tools import require_tool
from tests.support.trees import Tree, snapshot_tree, without_directory_times
from tests.support.users import CHECKOUT, User, run_as

FIXTURES = CHECKOUT / "fixtures"

# What the fixtures' index has for it; this machine's own processor does not matter here.
PLATFORM = "linux/amd64"


def _output(*argv: str | Path) -> bytes:
    tool, *arguments = argv
    done = subprocess.run(
        [require_tool(str(tool)), *arguments], capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _runc(bundle: Path, tmp_path: Path) -> bytes:
    return _output(
        "runc", "--root", tmp_path / "runc", "run", "--bundle", bundle, f"e2e-{os.getpid()}"
    )


def _edit(bundle: Path, **process: Any) -> None:  # JSON of any kind
    path = bundle / "config.json"
    config = json.loads(path.read_bytes())
    config["process"].update(process)
    path.write_text(json.dumps(config))


def test_runc_runs_what_unpack_makes(
    imgfetch: Imgfetch, published: Published, tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle"
    result = imgfetch("unpack", published.busybox, bundle).succeeded()
    assert result.stdout == b""
    assert sorted(path.name for path in bundle.iterdir())[:2] == ["config.json", "rootfs"]
    _edit(bundle, terminal=False, args=["ps", "-ef"])
    lines = _runc(bundle, tmp_path).splitlines()
    assert len(lines) == 2
    assert lines[1].endswith(b"ps -ef")


def test_runc_runs_what_bundle_makes(
    imgfetch: Imgfetch, published: Published, tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle"
    options = ["--network", "none", "-e", "NAME=value", "-w", "/tmp"]
    result = imgfetch(
        "bundle", published.busybox, bundle, *options, "--", "sh", "-c", "echo $NAME; pwd"
    ).succeeded()
    assert result.stdout == b""
    assert _runc(bundle, tmp_path) == b"value\n/tmp\n"


def test_spec_is_what_bundle_writes_and_changes_nothing(
    imgfetch: Imgfetch, published: Published, tmp_path: Path
) -> None:
    imgfetch("pull", published.busybox).succeeded()
    before = snapshot_tree(imgfetch.store, ignore={"mtime_ns"})
    shown = imgfetch("spec", published.busybox, "--network", "none", "--", "env").succeeded()
    spec = json.loads(shown.stdout)
    assert spec["ociVersion"] == "1.0.2"
    assert spec["process"]["args"] == ["env"]
    assert spec["linux"].get("cgroupsPath", "absent") != ""
    assert snapshot_tree(imgfetch.store, ignore={"mtime_ns"}) == before


def test_unpack_makes_the_tree_that_umoci_makes(
    imgfetch: Imgfetch, published: Published, tmp_path: Path
) -> None:
    """Ours has a layer in zstd, which umoci 0.4 can't read; the tree is the same."""
    layered_builder().recompressed("gzip").write(tmp_path / "gzip", "x")
    _output("umoci", "unpack", "--image", f"{tmp_path / 'gzip'}:x", tmp_path / "umoci")
    imgfetch("unpack", published.layered, tmp_path / "ours").succeeded()
    assert _rootfs(tmp_path / "ours") == _rootfs(tmp_path / "umoci")


def _rootfs(bundle: Path) -> Tree:
    return without_directory_times(snapshot_tree(bundle / "rootfs"))


def test_an_unpack_target_has_to_be_empty(
    imgfetch: Imgfetch, published: Published, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / "mine").write_text("mine")
    result = imgfetch("unpack", published.busybox, target)
    assert result.returncode in {2, 13}
    assert str(target) in result.errors
    assert [path.name for path in target.iterdir()] == ["mine"]


def test_rootfs_only_makes_the_directory_the_root(
    imgfetch: Imgfetch, published: Published, tmp_path: Path
) -> None:
    imgfetch("unpack", published.busybox, tmp_path / "bundle").succeeded()
    imgfetch("unpack", "--rootfs-only", published.busybox, tmp_path / "root").succeeded()
    root = without_directory_times(snapshot_tree(tmp_path / "root"))
    assert root == _rootfs(tmp_path / "bundle")


@pytest.mark.parametrize(
    "name", ["oci:{}/layout", "oci:{}/layout:1", "oci-archive:{}/oci-archive.tar",
             "oci-archive:{}/oci-archive.tar:1", "docker-archive:{}/docker-archive.tar",
             "docker-archive:{}/docker-archive.tar:fixture.test/fixture:1"]
)  # fmt: skip
def test_every_transport_unpacks_to_the_same_tree(
    imgfetch: Imgfetch, tmp_path: Path, name: str
) -> None:
    tree = _unpacked(imgfetch, name.format(FIXTURES), tmp_path / "other")
    assert tree == _unpacked(imgfetch, f"oci:{FIXTURES}/layout:1", tmp_path / "layout")
    assert tree["srv/data/new"].kind == tree["srv/data/newer"].kind == "file"
    assert tree["run/app.pid"].kind == "file"
    assert tree["odd/links-1"].links == ("odd/links-1", "odd/links-2", "odd/links-3")
    assert tree["odd/xattrs"].xattrs == (
        ("user.binary", b"\xff\x00\x01"),
        ("user.text", b"value"),
    )
    assert tree["odd/with-nanoseconds"].mtime_ns == 1_600_000_000_250_000_000
    assert tree["odd/before-the-epoch"].mtime_ns == -1_000_000_000
    assert tree["odd/latin-\udce9"].kind == "file"
    assert tree["odd/null"].rdev == (1, 3)
    assert tree["bin/sudo"].mode == 0o4755
    assert tree["home/app"].uid == tree["home/app"].gid == 1000
    assert not {"etc/removed-later", "srv/data/old"} & tree.keys()


def _unpacked(imgfetch: Imgfetch, name: str, bundle: Path) -> Tree:
    imgfetch("unpack", "--platform", PLATFORM, name, bundle).succeeded()
    return _rootfs(bundle)


def test_an_ordinary_user_unpacks_for_themselves(any_user: User, published: Published) -> None:
    """R120, R121, R122, R127."""
    from tests.support.cli import imgfetch_for

    imgfetch = imgfetch_for(any_user)
    bundle = any_user.directory("unpack") / "bundle"
    imgfetch("unpack", "--rootless", published.layered, bundle).succeeded()
    tree = snapshot_tree(bundle / "rootfs")
    assert tree["d/a"].size == 2
    assert not {"d/b", "e/x"} & tree.keys()
    assert tree["bin/busybox"].uid == any_user.uid
    listed = run_as(any_user, ["ls", str(bundle / "rootfs")])
    assert b"bin" in listed.stdout


def test_skopeo_and_umoci_read_the_store(imgfetch: Imgfetch, published: Published) -> None:
    imgfetch("pull", published.busybox).succeeded()
    shown = json.loads(_output("skopeo", "inspect", f"oci:{imgfetch.store}:{published.busybox}"))
    assert shown["Digest"] == str(published.images[published.busybox].digest)
    listed = _output("umoci", "ls", "--layout", imgfetch.store).decode().split()
    assert listed == [published.busybox]


def test_the_store_is_a_source_for_skopeo(
    imgfetch: Imgfetch, published: Published, tmp_path: Path
) -> None:
    """R039, R095: digests survive."""
    imgfetch("pull", published.layered).succeeded()
    source = f"oci:{imgfetch.store}:{published.layered}"
    _output("skopeo", "copy", "--quiet", "--preserve-digests", source, f"oci:{tmp_path}/copy:x")
    resolved = imgfetch("resolve", f"oci:{tmp_path}/copy:x").succeeded().lines[0]
    assert resolved.endswith(str(published.images[published.layered].digest))
