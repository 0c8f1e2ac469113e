"""Imports without a file for each module: the bytecode of a package in a single one.

For every module Python looks into directories, opens a file of bytecode, asks what kind of file
it is, reads it and closes it. For the hundred modules of a run that takes 3 ms, nearly as long as
all the work before the container starts. The pack holds the same files, one behind the other,
beside them in ``__pycache__``, under the rules that Python has for them: whoever may write there
decides what is executed; a module whose source has another size or time than its bytecode says is
loaded as ever; and where no bytecode is to be written there is no new pack.

A command that has loaded modules which are not in the pack writes it anew, with these.
"""

from __future__ import annotations

import fcntl
import os
import sys
from marshal import dumps, loads  # noqa: TID251 - bytecode is nothing else

try:
    # What `importlib` is made of; importing that takes longer than this saves.
    from _frozen_importlib import ModuleSpec
    from _frozen_importlib_external import MAGIC_NUMBER, SourceFileLoader
    from _imp import _fix_co_filename
except ImportError:  # another Python
    SourceFileLoader = MAGIC_NUMBER = None

_LENGTH = 4
# In front of the bytecode proper: PEP 552, for a file that is checked by time and size.
_HEADER = 16
_FLAGLESS = (MAGIC_NUMBER or b"") + bytes(4)
# Descriptors below are the caller's, and the container's.
_FIRST_FREE = 3
_MASK = 0xFFFFFFFF
_BROKEN = (OSError, EOFError, ValueError, TypeError)
_NONE = (-1, 0, {})


class _Loader(SourceFileLoader or object):
    """Loads a module whose bytecode is at hand."""

    def __init__(self, name, path, pack):
        super().__init__(name, path)
        self._pack = pack

    def get_code(self, fullname):
        code = self._pack.code(fullname, self.path)
        return super().get_code(fullname) if code is None else code


class Pack:
    """A finder for the modules of one package, to be put before others.

    Args:
        root: directory of the package, which is called as that is.
        version: of the package. Installers may give files of two versions the same time.
    """

    def __init__(self, root, version):
        self._root = root
        self._magic = f"modules of {version}\n".encode()
        self._prefix = f"{os.path.basename(root)}."
        self._path = f"{root}/__pycache__/modules.{sys.implementation.cache_tag}.pack"
        self._descriptor, self._start, self._index = _opened(self._path, self._magic)
        self._missing = set()

    def find_spec(self, name, path=None, target=None):  # noqa: ARG002 - what finders take
        """See `importlib.abc.MetaPathFinder.find_spec`."""
        if not name.startswith(self._prefix):
            return None
        found = self._index.get(name)
        if found is None:
            self._missing.add(name)
            return None
        is_package = found[2]
        base = f"{self._root}/{name[len(self._prefix) :].replace('.', '/')}"
        source = f"{base}/__init__.py" if is_package else f"{base}.py"
        spec = ModuleSpec(name, _Loader(name, source, self), origin=source, is_package=is_package)
        spec.has_location = True
        if is_package:
            spec.submodule_search_locations.append(base)
        spec.cached = _cached(source)
        return spec

    def code(self, name, source):
        """A module's code; None where it has to be loaded from elsewhere."""
        offset, length, _ = self._index[name]
        try:
            found = os.stat(source)
            part = os.pread(self._descriptor, length, self._start + offset)
            if part[:_HEADER] == _header(found):
                code = loads(memoryview(part)[_HEADER:])  # noqa: S302 - the same
                _fix_co_filename(code, source)
                return code
        except _BROKEN:
            pass
        self._missing.add(name)
        return None

    def update(self):
        """Write a pack with what was missing in this one, where Python would write bytecode."""
        if not self._missing or sys.dont_write_bytecode:
            return
        if not os.access(os.path.dirname(self._path), os.W_OK):
            return
        added = {}
        for name in sorted(self._missing):
            part = _bytecode(sys.modules.get(name))
            if part is not None:
                added[name] = part
        if added:
            try:  # noqa: SIM105 - contextlib is slow to load
                _write(self._path, self._magic, {**self._kept(), **added})
            except OSError:
                pass  # no space: without the pack all is as it was

    def _kept(self):
        """What is in the pack already."""
        kept = {}
        for name, (offset, length, is_package) in self._index.items():
            kept[name] = (os.pread(self._descriptor, length, self._start + offset), is_package)
        return kept


def install(root, version):
    """Import modules of a package from its pack from now on.

    Args:
        root: see `Pack`.
        version: see `Pack`.

    Returns:
        The pack; None where there can't be one.
    """
    unusual = sys.flags.optimize or sys.pycache_prefix or sys.implementation.cache_tag is None
    if SourceFileLoader is None or unusual:
        return None
    pack = Pack(root, version)
    sys.meta_path.insert(0, pack)
    return pack


def _opened(path, magic):
    """A pack: its descriptor, where its parts begin, and which they are; none if it is broken."""
    try:
        opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return _NONE
    try:
        start = os.read(opened, len(magic) + _LENGTH)
        if not start.startswith(magic):
            return _NONE
        length = int.from_bytes(start[len(magic) :], "little")
        index = loads(os.read(opened, length))  # noqa: S302 - as much as of a .pyc
        # What the caller has closed is not to be ours: a container may get it.
        kept = fcntl.fcntl(opened, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE)
        return kept, len(start) + length, index
    except _BROKEN:
        return _NONE
    finally:
        os.close(opened)


def _write(path, magic, parts):
    """Write a pack, which shows up whole or not at all."""
    index = {}
    length = 0
    for name, (part, is_package) in parts.items():
        index[name] = (length, len(part), is_package)
        length += len(part)
    head = dumps(index)
    made = f"{path}.{os.urandom(8).hex()}"
    with open(made, "xb") as file:
        try:
            file.write(magic + len(head).to_bytes(_LENGTH, "little") + head)
            file.writelines(part for part, _ in parts.values())
            file.flush()
            os.replace(made, path)
        except BaseException:
            os.unlink(made)
            raise


def _bytecode(module):
    """The contents of a module's file of bytecode, and whether it is a package."""
    spec = getattr(module, "__spec__", None)
    if spec is None or not spec.origin:
        return None
    try:
        with open(_cached(spec.origin), "rb") as file:
            part = file.read()
        current = part[:_HEADER] == _header(os.stat(spec.origin))
    except OSError:
        return None
    return (part, spec.submodule_search_locations is not None) if current else None


def _cached(source):
    """Where Python keeps a source's bytecode; see `importlib.util.cache_from_source`."""
    directory, _, name = source.rpartition("/")
    return f"{directory}/__pycache__/{name[:-3]}.{sys.implementation.cache_tag}.pyc"


def _header(found):
    """What the bytecode of a source begins with."""
    modified, size = int(found.st_mtime) & _MASK, found.st_size & _MASK
    return _FLAGLESS + modified.to_bytes(4, "little") + size.to_bytes(4, "little")
