"""Modules from a pack are what they would be without it, whatever happened to the files."""

from __future__ import annotations

import inspect
import os
import py_compile
import resource
import shutil
import sys
import traceback
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from imgfetch.lean.pack import Pack, install
from tests.support.forked import forked

NAME = "packed_sample"
PLAIN = f"{NAME}.plain"
INNER = f"{NAME}.inner.deep"
VERSION = "1.0"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package that can be imported, with its bytecode."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.syspath_prepend(str(tmp_path))
    root = tmp_path / NAME
    (root / "inner").mkdir(parents=True)
    (root / "__init__.py").write_text("")
    (root / "plain.py").write_text("VALUE = 1\n\n\ndef fail():\n    raise LookupError\n")
    (root / "inner" / "__init__.py").write_text('"""Has others in it."""\n')
    (root / "inner" / "deep.py").write_text("from packed_sample.plain import VALUE\n")
    for path in root.rglob("*.py"):
        py_compile.compile(str(path), doraise=True)
    before = list(sys.meta_path)
    yield root
    sys.meta_path[:] = before
    _forget()


def _forget() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
        del sys.modules[name]


def _imported(root: Path, *names: str, version: str = VERSION) -> dict[str, ModuleType]:
    """Modules as a new process would have them that uses the pack, and keeps it up to date."""
    _forget()
    pack = install(str(root), version)
    assert pack
    try:
        modules = {name: import_module(name) for name in names or (PLAIN, INNER)}
        pack.update()
    finally:
        sys.meta_path.remove(pack)
    return modules


def _file(root: Path) -> Path:
    return root / "__pycache__" / f"modules.{sys.implementation.cache_tag}.pack"


def _without_bytecode(root: Path) -> None:
    """Takes away what Python would load modules from by itself, but for the source."""
    for path in root.rglob("*.pyc"):
        path.unlink()


def _change(path: Path, text: str) -> None:
    """Writes a source of the same length and time: nobody notices."""
    status = path.stat()
    assert len(text) == status.st_size
    path.write_text(text)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_modules_come_from_the_pack(root: Path) -> None:
    _imported(root)
    _without_bytecode(root)
    _change(root / "plain.py", (root / "plain.py").read_text().replace("1", "2"))
    assert _imported(root, PLAIN)[PLAIN].VALUE == 1


def test_a_module_is_what_it_would_be_without(root: Path) -> None:
    names = (PLAIN, f"{NAME}.inner", INNER)
    _forget()
    plain = {name: import_module(name) for name in names}
    _imported(root, *names)
    packed = _imported(root, *names)
    for name in names:
        one, other = plain[name], packed[name]
        assert one.__file__ == other.__file__
        assert one.__cached__ == other.__cached__
        assert one.__package__ == other.__package__
        assert one.__doc__ == other.__doc__
        assert getattr(one, "__path__", None) == getattr(other, "__path__", None)
        assert inspect.getsource(one) == inspect.getsource(other)


def test_a_traceback_shows_the_source(root: Path) -> None:
    _imported(root)
    module = _imported(root, PLAIN)[PLAIN]
    with pytest.raises(LookupError) as caught:
        module.fail()
    assert "    raise LookupError\n" in "".join(traceback.format_exception(caught.value))


def test_a_package_that_was_moved_is_where_it_is_now(root: Path, tmp_path: Path) -> None:
    _imported(root)
    moved = tmp_path / "elsewhere" / NAME
    shutil.copytree(root, moved)
    module = _imported(moved, PLAIN)[PLAIN]
    assert module.fail.__code__.co_filename == str(moved / "plain.py")


def test_a_changed_source_is_loaded_and_kept(root: Path) -> None:
    _imported(root)
    (root / "plain.py").write_text("VALUE = 22\n")
    assert _imported(root)[PLAIN].VALUE == 22
    _without_bytecode(root)
    _change(root / "plain.py", "VALUE = 33\n")
    assert _imported(root)[PLAIN].VALUE == 22


def test_the_next_version_has_a_pack_of_its_own(root: Path) -> None:
    """Files of both may have the same time, for packages are the same bytes each time."""
    _imported(root)
    _change(root / "plain.py", (root / "plain.py").read_text().replace("1", "2"))
    py_compile.compile(str(root / "plain.py"), doraise=True)
    assert _imported(root, PLAIN)[PLAIN].VALUE == 1
    assert _imported(root, PLAIN, version="1.1")[PLAIN].VALUE == 2
    assert _imported(root, PLAIN, version="1.1")[PLAIN].VALUE == 2


def test_what_is_loaded_later_is_added(root: Path) -> None:
    _imported(root, PLAIN)
    _imported(root, INNER)
    kept = _file(root).read_bytes()
    _imported(root, PLAIN, INNER)
    assert _file(root).read_bytes() == kept
    _without_bytecode(root)
    assert PLAIN.encode() in kept
    assert INNER.encode() in kept
    assert set(_imported(root)) == {PLAIN, INNER}


def test_a_module_that_is_gone_can_not_be_imported(root: Path) -> None:
    _imported(root)
    (root / "plain.py").unlink()
    _without_bytecode(root)
    with pytest.raises(FileNotFoundError):
        _imported(root, PLAIN)


@pytest.mark.parametrize("kept", [0, 1, 10, 19, 25, 200, 500, 900])
def test_half_a_pack_is_none(root: Path, kept: int) -> None:
    """As after a power loss."""
    _imported(root)
    whole = _file(root).read_bytes()
    _file(root).write_bytes(whole[:kept])
    assert _imported(root)[PLAIN].VALUE == 1
    assert _file(root).read_bytes() == whole


@pytest.mark.parametrize("byte", range(0, 100, 4))
def test_a_pack_whose_index_is_broken_is_none(root: Path, byte: int) -> None:
    """Of bytecode proper that was damaged on a disk Python knows nothing either."""
    _imported(root)
    broken = bytearray(_file(root).read_bytes())
    broken[byte : byte + 4] = bytes(4)
    _file(root).write_bytes(broken)
    assert _imported(root)[PLAIN].VALUE == 1


def test_where_no_bytecode_is_to_be_written_there_is_no_pack(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    _imported(root)
    assert not _file(root).exists()


def test_who_may_not_write_bytecode_writes_no_pack(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, _: path != str(root / "__pycache__"))
    assert _imported(root)[PLAIN].VALUE == 1
    assert not _file(root).exists()


def test_a_disk_that_is_full_leaves_nothing_behind(root: Path) -> None:
    def work() -> int:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        value: int = _imported(root)[PLAIN].VALUE
        return value

    assert forked(work) == 1
    assert not list((root / "__pycache__").glob("modules*"))


def test_processes_that_write_at_once_leave_one_whole_pack(root: Path) -> None:
    children = []
    for name in (PLAIN, INNER, f"{NAME}.inner") * 5:
        child = os.fork()
        if child == 0:
            try:
                _imported(root, name)
                os._exit(0)
            finally:
                os._exit(1)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 15
    _imported(root)
    assert [path.name for path in (root / "__pycache__").glob("modules*")] == [_file(root).name]
    _without_bytecode(root)
    assert _imported(root)[PLAIN].VALUE == 1


def test_a_pack_takes_no_descriptor_that_the_caller_has_closed(root: Path) -> None:
    def work() -> bool:
        _imported(root)
        os.close(0)
        pack = Pack(str(root), VERSION)
        try:
            os.fstat(0)
        except OSError:
            return pack.find_spec(PLAIN) is not None
        return False

    assert forked(work)
