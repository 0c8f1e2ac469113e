"""Whether a command can be started at all, found out before it is tried.

runc says 1 or 255 for a missing program, a directory and a wrong processor alike, and
what a missing interpreter gives looks like the program's own exit status. Here each
gets the status that shells and docker give it, 126 or 127, and a reason.
"""

from __future__ import annotations

import os
import posixpath
import stat

from imgfetch.bundle import elf
from imgfetch.bundle.filesystems import INIT_PATH
from imgfetch.bundle.view import Found, Unknowable, View
from imgfetch.lean.typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imgfetch.fs.rootdir import RootDir

CANNOT_INVOKE: Final = 126
NOT_FOUND: Final = 127

# BINPRM_BUF_SIZE: the kernel looks no further for a script's interpreter.
_SHEBANG_LIMIT: Final = 256
_INTERPRETER_DEPTH: Final = 5
_DENIED: Final = "permission denied"


class Unrunnable(NamedTuple):
    """Why a command can't be started.

    Attributes:
        status: 126 when it can't be invoked, 127 when it isn't there.
        reason: for people.
        hint: the next step, if there is one.
    """

    status: Literal[126, 127]
    reason: str
    hint: str | None = None


def check_command(
    root: RootDir, spec: Mapping[str, Any], *, architecture: str, emulates: bool
) -> Unrunnable | None:
    """Look the command of a specification up in its root filesystem.

    Args:
        root: the root filesystem.
        spec: the specification.
        architecture: the machine's, as Go names it.
        emulates: whether the kernel has handlers for other formats (binfmt_misc), so
            that foreign programs may run.

    Returns:
        None when nothing speaks against it, as far as that can be told: of what is mounted,
        only what is bound from the host is looked at.
    """
    try:
        refusal = _Check(root, spec, architecture, emulates=emulates).command()
    except Unknowable:
        return None
    if refusal is None or refusal.hint is not None:
        return refusal
    from imgfetch import remedies

    if refusal.status == NOT_FOUND:
        return refusal._replace(hint=remedies.NOT_IN_IMAGE)
    if refusal.reason.endswith(_DENIED):
        return refusal._replace(hint=remedies.NOT_EXECUTABLE)
    return refusal


class _Check:
    def __init__(
        self, root: RootDir, spec: Mapping[str, Any], architecture: str, *, emulates: bool
    ) -> None:
        self._view = View(root, spec["mounts"])
        self._process = spec["process"]
        self._architecture = architecture
        self._emulates = emulates

    def command(self) -> Unrunnable | None:
        args = self._process["args"]
        name: str = args[2] if args[0] == INIT_PATH else args[0]
        if "/" in name:
            return self._file(posixpath.join(self._process["cwd"], name), name, 0)
        return self._search(name)

    def _search(self, name: str) -> Unrunnable | None:
        """As Go's LookPath, which the runtimes use: the first that can be executed."""
        denied = False
        for directory in self._search_path():
            path = posixpath.join(directory, name)
            found = self._view.find(path)
            if found is not None and stat.S_ISREG(found.status.st_mode):
                if self._may_execute(found.status):
                    return self._format(found, name, 0)
                denied = True
        if denied:
            return Unrunnable(CANNOT_INVOKE, f"{name}: {_DENIED}")
        return Unrunnable(NOT_FOUND, f"{name}: not found in the container's PATH")

    def _search_path(self) -> list[str]:
        entries = reversed(self._process["env"])
        path = next((entry[5:] for entry in entries if entry.startswith("PATH=")), "")
        cwd = self._process["cwd"]
        return [posixpath.join(cwd, directory) for directory in path.split(":")]

    def _file(self, path: str, name: str, depth: int) -> Unrunnable | None:
        found = self._view.find(path)
        if found is None:
            return Unrunnable(NOT_FOUND, f"{name}: no such file or directory")
        if stat.S_ISDIR(found.status.st_mode):
            return Unrunnable(CANNOT_INVOKE, f"{name}: is a directory")
        if not stat.S_ISREG(found.status.st_mode) or not self._may_execute(found.status):
            return Unrunnable(CANNOT_INVOKE, f"{name}: {_DENIED}")
        return self._format(found, name, depth)

    def _may_execute(self, found: os.stat_result) -> bool:
        user = self._process["user"]
        if user["uid"] == 0:
            # CAP_DAC_OVERRIDE gives no right to execute where nobody has it.
            return bool(found.st_mode & 0o111)
        if user["uid"] == found.st_uid:
            return bool(found.st_mode & stat.S_IXUSR)
        if found.st_gid in {user["gid"], *user.get("additionalGids", ())}:
            return bool(found.st_mode & stat.S_IXGRP)
        return bool(found.st_mode & stat.S_IXOTH)

    def _format(self, found: Found, name: str, depth: int) -> Unrunnable | None:
        fd = self._view.open(found)
        if fd is None:
            return None
        try:
            if not found.place.on_host and os.fstatvfs(fd).f_flag & os.ST_NOEXEC:
                return _no_execution(name)
            head = os.pread(fd, _SHEBANG_LIMIT, 0)
            if head.startswith(b"#!"):
                return self._script(head, name, depth)
            if head.startswith(elf.MAGIC):
                return self._program(elf.read_program(fd), name)
        finally:
            os.close(fd)
        if self._emulates:
            return None
        return Unrunnable(
            CANNOT_INVOKE, f"{name}: exec format error", "a script has to begin with #!"
        )

    def _script(self, head: bytes, name: str, depth: int) -> Unrunnable | None:
        line = head[2:].partition(b"\n")[0].strip(b" \t")
        interpreter = os.fsdecode(line.split(b" ")[0].split(b"\t")[0])
        if not interpreter:
            return Unrunnable(CANNOT_INVOKE, f"{name}: exec format error")
        if depth >= _INTERPRETER_DEPTH:
            return Unrunnable(CANNOT_INVOKE, f"{name}: too many levels of interpreters")
        path = posixpath.join(self._process["cwd"], interpreter)
        refusal = self._file(path, interpreter, depth + 1)
        if refusal is None:
            return None
        hint = "its lines end with CR LF" if interpreter.endswith("\r") else refusal.hint
        shown = interpreter.encode("unicode_escape").decode()
        reason = f"{name}: bad interpreter {shown}: {refusal.reason.rpartition(': ')[2]}"
        return Unrunnable(refusal.status, reason, hint or "the image lacks that interpreter")

    def _program(self, program: elf.Program | None, name: str) -> Unrunnable | None:
        if program is None:
            return Unrunnable(CANNOT_INVOKE, f"{name}: exec format error")
        machines = elf.MACHINES.get(self._architecture)
        if machines and program.machine not in machines:
            if self._emulates:
                return None
            made_for = elf.NAMES.get(program.machine, f"machine {program.machine}")
            return Unrunnable(
                CANNOT_INVOKE,
                f"{name}: exec format error: a program for {made_for}",
                f"this machine is {self._architecture}: choose another --platform",
            )
        if program.interpreter is None:
            return None
        loader = os.fsdecode(program.interpreter)
        if self._view.find(loader) is not None:
            return None
        return Unrunnable(
            NOT_FOUND,
            f"{name}: its dynamic loader {loader} is not in the image",
            "the program was built for another C library or distribution",
        )


def _no_execution(name: str) -> Unrunnable:
    # A copied root filesystem is on the store's own mount; an overlay is one of its own.
    from imgfetch.remedies import NOT_NOEXEC

    reason = f"{name}: the root filesystem is on a file system mounted noexec"
    return Unrunnable(CANNOT_INVOKE, reason, NOT_NOEXEC)
