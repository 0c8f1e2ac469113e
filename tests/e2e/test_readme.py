"""The commands of the README do what it says: they are read out of it and run."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from tests.e2e.published import FOREIGN, publish
from tests.support.cli import PROGRAM, Imgfetch
from tests.support.docker_registry import docker_registry
from tests.support.images import host_platform
from tests.support.users import CHECKOUT

_BLOCK = re.compile(r"<!-- commands: (\w+) -->\n(.*?)<!-- end -->", re.DOTALL)


def commands(name: str) -> str:
    """The commands between two marks, of which there is one pair of each name."""
    blocks = _BLOCK.finditer((CHECKOUT / "README.md").read_text("utf-8"))
    (text,) = [block[2] for block in blocks if block[1] == name]
    assert all(line.startswith("    ") for line in text.splitlines() if line)
    return text


def run(text: str, somebody: Imgfetch, **variables: str) -> list[str]:
    """What commands print, run by a shell that ends with the first that fails."""
    path = f"{PROGRAM.parent}:{somebody.environment()['PATH']}"
    done = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", text],
        env=somebody.environment({"PATH": path, **variables}),
        cwd=somebody.home,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_images_go_through_a_gap(tmp_path: Path) -> None:
    here, there = (Imgfetch(tmp_path / name / "store", tmp_path / name) for name in ("a", "b"))
    for one in (here, there):
        one.home.mkdir()
    with docker_registry(tmp_path / "first") as first:
        published = publish(first, tmp_path / "layout")
        references = [published.multi, published.layered, published.docker]
        (here.home / "images.txt").write_text("\n".join(references) + "\n")
        run(commands("here"), here)

    for name in ("imgfetch.lock", "images.tar.zst"):
        shutil.move(here.home / name, there.home)

    with docker_registry(tmp_path / "second") as second:
        printed = run(commands("there"), there, REGISTRY=second.host)
        digests = {one: published.images[one].digest for one in references[1:]}
        digests[published.multi] = published.indexes[published.multi].digest
        tops = {
            f"{second.host}/base/{one.partition('/')[2]}": digest for one, digest in digests.items()
        }
        copied = sorted(f"+ {name} {digest}" for name, digest in tops.items())
        # By the dry run and by the first copy; nothing by what has nothing to do.
        assert sorted(line for line in printed if line.startswith("+ ")) == sorted(copied * 2)
        user = Imgfetch(tmp_path / "user", tmp_path / "b")
        for name, digest in tops.items():
            repository = name.rpartition(":")[0]
            resolved = user("resolve", "--index", name).succeeded()
            assert resolved.lines == [f"{repository}@{digest}"]
        multi = f"{second.host}/base/{published.multi.partition('/')[2]}"
        index = published.indexes[published.multi]
        for platform, image in zip((host_platform(), FOREIGN), index.images, strict=True):
            pulled = user("pull", "--platform", str(platform), multi).succeeded()
            assert pulled.lines == [f"{multi.rpartition(':')[0]}@{image.digest}"]
