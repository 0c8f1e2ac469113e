"""Bundles and root filesystems of images, through the command line."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from imgfetch.client import Client, Settings
from imgfetch.client.bundles import Unpacking
from imgfetch.errors import InvalidOptionError, UsageError
from imgfetch.fs.idmap import IdMapping, IdRange
from tests.support.busybox import busybox_builder
from tests.support.commandline import CommandLine
from tests.support.forked import forked
from tests.support.images import Dir, File, ImageBuilder, Symlink
from tests.support.mounts import small_tmpfs
from tests.support.tools import require_tool
from tests.support.trees import paths, snapshot_tree
from tests.support.users import User, any_user, plain_user, subid_user

__all__ = ["any_user", "plain_user", "subid_user"]

IMAGE = (
    ImageBuilder()
    .layer({"bin": Dir(), "bin/sh": File("x", mode=0o755), "mine": File("", uid=7, gid=8)})
    .config(cmd=["sh"])
)


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    directory = tmp_path / "layout"
    IMAGE.write(directory, "x")
    return directory


def spec_of(bundle: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((bundle / "config.json").read_bytes())
    return document


def namespaces(bundle: Path) -> set[str]:
    return {entry["type"] for entry in spec_of(bundle)["linux"]["namespaces"]}


def test_unpack_makes_a_bundle_and_says_nothing(
    command_line: CommandLine, layout: Path, tmp_path: Path
) -> None:
    said = command_line("-q", "unpack", f"oci:{layout}", "bundle").succeeded()
    assert (said.out, said.err) == ("", "")
    bundle = tmp_path / "bundle"
    assert paths(bundle) == {
        *("config.json", "rootfs", "rootfs/bin", "rootfs/bin/sh", "rootfs/mine"),
    }
    node = snapshot_tree(bundle)["rootfs/mine"]
    assert (node.uid, node.gid) == (7, 8)
    assert spec_of(bundle)["process"]["args"] == ["sh"]
    assert spec_of(bundle)["root"]["path"] == "rootfs"
    assert {"network"} <= namespaces(bundle)
    assert "user" not in namespaces(bundle)


def test_an_image_without_a_command_gets_a_shell(command_line: CommandLine, tmp_path: Path) -> None:
    ImageBuilder().layer({"a": File("1")}).write(tmp_path / "bare", "x")
    command_line("unpack", f"oci:{tmp_path}/bare", "bundle").succeeded()
    assert spec_of(tmp_path / "bundle")["process"]["args"] == ["sh"]


def test_rootfs_only_makes_the_directory_the_root(
    command_line: CommandLine, layout: Path, tmp_path: Path
) -> None:
    command_line("unpack", "--rootfs-only", f"oci:{layout}", "root").succeeded()
    assert paths(tmp_path / "root") == {"bin", "bin/sh", "mine"}


def test_rootless_as_root_gives_everything_to_the_caller(
    command_line: CommandLine, layout: Path, tmp_path: Path
) -> None:
    command_line("unpack", "--rootless", f"oci:{layout}", "bundle").succeeded()
    assert {node.uid for node in snapshot_tree(tmp_path / "bundle").values()} == {os.getuid()}
    assert {"user"} <= namespaces(tmp_path / "bundle")
    assert "network" not in namespaces(tmp_path / "bundle")


@pytest.mark.parametrize("rootfs_only", [True, False], ids=["rootfs", "bundle"])
def test_an_ordinary_users_files_are_that_users(any_user: User, *, rootfs_only: bool) -> None:
    home = any_user.directory("unpack")
    layout = home / "layout"
    IMAGE.write(layout, "x")
    for path in (layout, *layout.rglob("*")):
        os.chown(path, any_user.uid, any_user.gid)
    command_line = CommandLine(home / "store", any_user)
    words = ["--rootfs-only"] if rootfs_only else []
    command_line.forked("-q", "unpack", *words, f"oci:{layout}", home / "made").succeeded()
    tree = snapshot_tree(home / "made")
    assert {(node.uid, node.gid) for node in tree.values()} == {(any_user.uid, any_user.gid)}
    if not rootfs_only:
        mapped = {"containerID": 0, "hostID": any_user.uid, "size": 1}
        assert spec_of(home / "made")["linux"]["uidMappings"] == [mapped]


def test_an_ordinary_user_cant_give_files_away(plain_user: User, layout: Path) -> None:
    def refused() -> str:
        ids = IdMapping((IdRange(0, 1, 1),), (IdRange(0, 1, 1),))
        client = Client(Settings(str(plain_user.home / "no-store")))
        try:
            client.unpack("x", "/nowhere", unpacking=Unpacking(ids=ids))
        except InvalidOptionError as error:
            return error.message
        return "nothing"

    assert forked(refused, plain_user) == "only root can give files to other users"


def test_maps_give_files_to_the_ids_of_a_user_namespace(
    command_line: CommandLine, layout: Path, tmp_path: Path
) -> None:
    words = ["--uid-map", "0:100000:5", "--uid-map", "5:200000:5", "--gid-map", "0:300000:10"]
    command_line("unpack", *words, f"oci:{layout}", "bundle").succeeded()
    tree = snapshot_tree(tmp_path / "bundle")
    assert (tree["rootfs"].uid, tree["rootfs"].gid) == (100000, 300000)
    assert (tree["rootfs/bin/sh"].uid, tree["rootfs/bin/sh"].gid) == (100000, 300000)
    assert (tree["rootfs/mine"].uid, tree["rootfs/mine"].gid) == (200002, 300008)
    assert "user" in namespaces(tmp_path / "bundle")
    linux = spec_of(tmp_path / "bundle")["linux"]
    assert linux["uidMappings"] == [
        {"containerID": 0, "hostID": 100000, "size": 5},
        {"containerID": 5, "hostID": 200000, "size": 5},
    ]
    assert linux["gidMappings"] == [{"containerID": 0, "hostID": 300000, "size": 10}]


@pytest.mark.parametrize("option", ["--uid-map", "--gid-map"])
def test_one_map_stands_for_both(
    command_line: CommandLine, layout: Path, tmp_path: Path, option: str
) -> None:
    words = ["--rootfs-only", option, "0:100000:65536"]
    command_line("unpack", *words, f"oci:{layout}", "root").succeeded()
    tree = snapshot_tree(tmp_path / "root")
    assert (tree["."].uid, tree["."].gid) == (100000, 100000)
    assert (tree["mine"].uid, tree["mine"].gid) == (100007, 100008)


def test_an_owner_outside_the_maps_is_refused(
    command_line: CommandLine, layout: Path, tmp_path: Path
) -> None:
    words = ["--uid-map", "0:100000:5", f"oci:{layout}", "bundle"]
    assert "user id 7" in command_line("-q", "unpack", *words).failed(12).err
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize(
    "text",
    ["", "0", "0:1", "0:1:0", "a:1:1", "0:1:1:1", "-1:0:1", "0:4294967295:1", "0:0:4294967296"],
)
def test_a_map_outside_its_grammar_is_refused(
    command_line: CommandLine, layout: Path, text: str
) -> None:
    command_line("unpack", f"--uid-map={text}", f"oci:{layout}", "bundle").failed(13)


def test_maps_and_rootless_contradict_each_other(command_line: CommandLine, layout: Path) -> None:
    words = ["--rootless", "--uid-map", "0:1:1", f"oci:{layout}", "bundle"]
    command_line("unpack", *words).failed(2)


def test_runc_runs_what_was_unpacked_with_maps(command_line: CommandLine, tmp_path: Path) -> None:
    busybox_builder().config(cmd=["sh", "-c", "id -u; stat -c %u /home/app"]).write(
        tmp_path / "layout", "x"
    )
    words = ["--uid-map", "0:100000:65536", f"oci:{tmp_path}/layout", "bundle"]
    command_line("unpack", *words).succeeded()
    bundle = tmp_path / "bundle"
    # The mapped root has to get to the root filesystem.
    for parent in (bundle, *bundle.parents):
        if not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)
    spec = spec_of(bundle)
    spec["process"]["terminal"] = False
    (bundle / "config.json").write_text(json.dumps(spec))
    argv = [require_tool("runc"), "--root", str(tmp_path / "state"), "run", "-b", str(bundle)]
    done = subprocess.run(
        [*argv, f"imgfetch-test-{uuid4().hex}"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\n1000\n", "")


@pytest.mark.parametrize("keep", [True, False])
def test_links_to_directories_are_kept_when_asked(
    command_line: CommandLine, tmp_path: Path, *, keep: bool
) -> None:
    lower = {"usr": Dir(), "usr/lib": Dir(), "lib": Symlink("usr/lib")}
    builder = ImageBuilder().layer(lower).layer({"lib": Dir(), "lib/x": File("1")})
    builder.write(tmp_path / "links", "x")
    words = [*(["--keep-dirlinks"] if keep else []), "--rootfs-only", f"oci:{tmp_path}/links"]
    command_line("unpack", *words, "root").succeeded()
    assert (tmp_path / "root/lib").is_symlink() == keep
    assert (tmp_path / "root/usr/lib/x").exists() == keep


def test_bundle_applies_run_options(
    command_line: CommandLine, layout: Path, tmp_path: Path
) -> None:
    words = ["-e", "A=1", "--read-only", "--tmpfs", "/scratch", "--", "sh", "-x"]
    said = command_line("-q", "bundle", f"oci:{layout}", "bundle", *words).succeeded()
    assert (said.out, said.err) == ("", "")
    bundle = tmp_path / "bundle"
    spec = spec_of(bundle)
    assert spec["process"]["args"] == ["sh", "-x"]
    assert "A=1" in spec["process"]["env"]
    assert spec["root"] == {"path": "rootfs", "readonly": True}
    assert (bundle / "rootfs/scratch").is_dir()
    sources = {mount["source"] for mount in spec["mounts"] if mount["type"] == "bind"}
    assert all(Path(source).is_file() for source in sources)
    assert all(source.startswith(f"{bundle}/") for source in sources)


def test_bundle_takes_the_network_that_is_asked_for(
    command_line: CommandLine, layout: Path, tmp_path: Path
) -> None:
    for network, own in (("host", False), ("none", True)):
        target = tmp_path / network
        command_line("bundle", f"oci:{layout}", target, "--network", network).succeeded()
        assert ("network" in namespaces(target)) == own


def test_a_bundle_that_is_impossible_leaves_nothing(
    command_line: CommandLine, layout: Path, tmp_path: Path
) -> None:
    command_line("-q", "bundle", f"oci:{layout}", "bundle", "-u", "nobody-here").failed(13)
    assert not (tmp_path / "bundle").exists()


def test_a_full_file_system_is_15_and_nothing_is_left(
    command_line: CommandLine, layout: Path, tmp_path: Path
) -> None:
    ImageBuilder().layer({"big": File(b"x" * 3_000_000)}).write(layout, "big")
    command_line("pull", f"oci:{layout}:big").succeeded()
    with small_tmpfs(tmp_path / "small", size=1 << 20) as small:
        name = "store:localhost/layout:big"
        command_line("-q", "unpack", name, small / "bundle").failed(15)
        assert paths(small) == set()


def test_where_it_is_unpacked_has_to_be_empty(
    command_line: CommandLine, layout: Path, tmp_path: Path
) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "x").touch()
    for verb in ("unpack", "bundle"):
        command_line("-q", verb, f"oci:{layout}", "bundle").failed(13)
    assert paths(tmp_path / "bundle") == {"x"}


def test_a_library_gets_the_same_errors(tmp_path: Path) -> None:
    ids = IdMapping((IdRange(0, 1, 1),), (IdRange(0, 1, 1),))
    client = Client(Settings(str(tmp_path / "store")))
    with pytest.raises(UsageError):
        client.unpack("x", "/nowhere", unpacking=Unpacking(rootless=True, ids=ids))
    assert not (tmp_path / "store").exists()


def test_the_callers_terminal_decides_how_large_the_containers_is(
    command_line: CommandLine, layout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.get_terminal_size", lambda _descriptor: os.terminal_size((100, 30)))
    command_line("bundle", f"oci:{layout}", "bundle", "-t").succeeded()
    process = spec_of(tmp_path / "bundle")["process"]
    assert process["terminal"] is True
    assert process["consoleSize"] == {"width": 100, "height": 30}
