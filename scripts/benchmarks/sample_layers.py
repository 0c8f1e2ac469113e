"""Archives of layers to measure with: generated ones, and a distribution's files."""

from __future__ import annotations

import io
import os
import random
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MIB = 1 << 20
_MTIME = 1_600_000_000
_TEXT = """
const let var function return module exports require import from default if else for this
null undefined true false => === !== ( ) { } [ ] ; , . : ? && || + - * / = ! value options
callback error result index length name key data node path stream buffer object array string
"""
_RELEASE = "bookworm"
_PACKAGES = ("python3-numpy", "python3-scipy", "python3-pandas")
# What a builder removes in the same step.
_LEFT_OVER = ("var/cache/apt", "var/lib/apt/lists", "var/log/apt")
# Later layers take what is below these; the first one has the rest.
_UPPER_LAYERS = (
    ("usr/lib/python3.11", "usr/lib/python3", "usr/bin", "usr/share/python3"),
    ("usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu"),
    ("usr/lib/python3/dist-packages/scipy", "usr/lib/python3/dist-packages/pandas"),
)


def small_files(path: Path, seed: int, count: int) -> None:
    """Packages with short sources, manifests and documents in nested directories."""
    chance = random.Random(seed)  # noqa: S311 - the same files every time
    text = " ".join(chance.choices(_TEXT.split(), k=200_000)).encode()
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
        made: set[str] = set()
        for number in range(count):
            package = f"app/node_modules/pkg-{seed}-{number // 25:04}"
            inner = ("", "/lib", "/dist", "/lib/internal", "/test")[number % 5]
            _add_directories(archive, f"{package}{inner}", made)
            size = min(int(chance.lognormvariate(7.2, 1.3)), 200_000)
            start = chance.randrange(len(text) - 200_000)
            _add_file(archive, f"{package}{inner}/{number % 25}.js", text[start : start + size])


def large_files(path: Path, seed: int, sizes: Iterable[int]) -> None:
    """Files of so many MiB, half of which can't be compressed."""
    chance = random.Random(seed)  # noqa: S311 - the same files every time
    text = " ".join(chance.choices(_TEXT.split(), k=400_000)).encode()
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
        made: set[str] = set()
        _add_directories(archive, "opt/models", made)
        for number, size in enumerate(sizes):
            content = bytearray()
            while len(content) < size * _MIB:
                start = chance.randrange(len(text) - 65536)
                content += chance.randbytes(65536) + text[start : start + 65536]
            _add_file(archive, f"opt/models/{seed}-{number}.bin", bytes(content))


def distribution(staging: Path) -> None:
    """A small distribution, split as an image's build would have it, and changes to it."""
    root = staging.parent / "root"
    shutil.rmtree(root, ignore_errors=True)
    subprocess.run(
        ["debootstrap", "--variant=minbase", f"--include={','.join(_PACKAGES)}", _RELEASE, root],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    for name in _LEFT_OVER:
        shutil.rmtree(root / name)
        (root / name).mkdir()
    names = sorted(str(one.relative_to(root)) for one in root.rglob("*"))
    layers: list[list[str]] = [[] for _ in range(len(_UPPER_LAYERS) + 1)]
    for name in names:
        layers[_layer_of(name)].append(name)
    for number, members in enumerate(layers):
        _archive(staging / f"{number}.tar", root, _with_parents(members))
    _changes(staging / f"{len(layers)}.tar", root, names)
    shutil.rmtree(root)


def _layer_of(name: str) -> int:
    for number in range(len(_UPPER_LAYERS), 0, -1):
        if any(name.startswith(f"{above}/") for above in _UPPER_LAYERS[number - 1]):
            return number
    return 0


def _with_parents(names: Iterable[str]) -> Iterator[str]:
    seen = {""}
    for name in names:
        for parent in [*map(str, reversed(Path(name).parents[:-1])), name]:
            if parent not in seen:
                seen.add(parent)
                yield parent


def _changes(path: Path, root: Path, names: Iterable[str]) -> None:
    """Every seventh document is gone, every eleventh is another one, all translations go."""
    changes = root.with_name("changes")
    shutil.rmtree(changes, ignore_errors=True)
    changes.mkdir()
    for number, name in enumerate(names):
        old = root / name
        if not name.startswith(("usr/share/doc/", "usr/lib/python3/")) or not old.is_file():
            continue
        if old.is_symlink() or (number % 7 and number % 11):
            continue
        (changes / name).parent.mkdir(parents=True, exist_ok=True)
        if number % 7:
            (changes / name).write_bytes(old.read_bytes() + b"\n")
        else:
            (changes / name).with_name(f".wh.{old.name}").touch()
    (changes / "usr/share/locale").mkdir()
    (changes / "usr/share/locale/.wh..wh..opq").touch()
    _archive(path, changes, sorted(str(one.relative_to(changes)) for one in changes.rglob("*")))
    shutil.rmtree(changes)


def _archive(path: Path, root: Path, names: Iterable[str]) -> None:
    members = b"".join(os.fsencode(name) + b"\0" for name in names)
    command = ["tar", "--create", "--numeric-owner", "--no-recursion", f"--directory={root}"]
    listed = [*command, "--null", "--files-from=-"]
    with path.open("wb") as stream:
        subprocess.run(listed, input=members, stdout=stream, check=True)


def _add_directories(archive: tarfile.TarFile, name: str, made: set[str]) -> None:
    for parent in [*map(str, reversed(Path(name).parents[:-1])), name]:
        if parent not in made:
            made.add(parent)
            member = tarfile.TarInfo(parent)
            member.type, member.mode, member.mtime = tarfile.DIRTYPE, 0o755, _MTIME
            archive.addfile(member)


def _add_file(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = len(content), 0o644, _MTIME
    archive.addfile(member, io.BytesIO(content))
