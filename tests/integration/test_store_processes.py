"""Several processes use one store at the same moment."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from imgfetch.cas.directory import LayoutStore
from imgfetch.fs.lock import locked
from imgfetch.oci.descriptor import Descriptor
from tests.architecture.rules import ROOT
from tests.support.cli import Imgfetch, imgfetch
from tests.support.contents import File
from tests.support.images import ImageBuilder

__all__ = ["imgfetch"]

PROCESSES = 8


class Together:
    """Processes that begin together.

    Args:
        store: the store's directory.
        commands: the arguments of each.
    """

    def __init__(self, store: Path, commands: list[list[str]]) -> None:
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.support.store_process", str(store), *command],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for command in commands
        ]

    def start(self) -> None:
        for process in self._processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()

    def finish(self) -> list[str]:
        """Each line that they said."""
        lines: list[str] = []
        for process in self._processes:
            out, err = process.communicate(timeout=60)
            assert process.returncode == 0, err
            lines += out.splitlines()
        return lines


def test_all_names_given_at_once_are_there(tmp_path: Path) -> None:
    """R096: other tools lose most of them."""
    names = [[f"name/{process}:{number}" for number in range(5)] for process in range(PROCESSES)]
    together = Together(tmp_path / "store", [["tag", *some] for some in names])
    together.start()
    together.finish()
    store = LayoutStore(tmp_path / "store")
    expected = {name for some in names for name in some}
    assert {name for name, _ in store.entries()} == expected
    for name in expected:
        descriptor = store.lookup(name)
        assert descriptor is not None
        assert store.read(descriptor, 100) == name.encode()
    assert os.listdir(tmp_path / "store/ingest") == []


def test_readers_never_see_half_an_index(tmp_path: Path) -> None:
    """R097."""
    store = tmp_path / "store"
    readers = Together(store, [["read"]] * 2)
    writers = Together(
        store, [["tag", *(f"name/{process}:{number}" for number in range(20))] for process in "ab"]
    )
    readers.start()
    writers.start()
    writers.finish()
    readers.finish()
    assert len(LayoutStore(store).entries()) == 40


def test_for_whom_one_waits_is_said(tmp_path: Path, imgfetch: Imgfetch) -> None:
    """R098."""
    image = ImageBuilder().layer({"a": File("a")}).write(tmp_path / "layout", "localhost/a:1")
    source = f"oci:{tmp_path}/layout:localhost/a:1"
    imgfetch("pull", source).succeeded()
    lock = imgfetch.store / "locks" / f"snapshot-root-{image.diff_ids[0].encoded}"
    with locked(str(lock)):
        waiting = imgfetch.start("pull", "--unpack", source)
        assert waiting.stderr is not None
        said = waiting.stderr.readline().decode()
    rest = waiting.communicate(timeout=60)[1].decode()
    assert waiting.returncode == 0, rest
    doing = "which is unpacking the same layers"
    assert said == f"imgfetch: warning: waiting for process {os.getpid()}, {doing}\n"


def test_content_that_all_want_is_transferred_once(tmp_path: Path) -> None:
    """R095."""
    sizes = ["200000", "40000"]
    together = Together(tmp_path / "store", [["ingest", *sizes]] * PROCESSES)
    together.start()
    transfers = Counter(together.finish())
    assert transfers == {f"{size} from 0": 1 for size in sizes}
    store = LayoutStore(tmp_path / "store")
    for size in map(int, sizes):
        assert store.read(Descriptor.of(bytes(size), ""), 1 << 20) == bytes(size)
    assert sorted(os.listdir(tmp_path / "store/locks")) == ["content.lock", "index.lock"]
