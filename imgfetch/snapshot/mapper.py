"""The process that writes a user namespace's id maps from outside.

Only a process that stayed in the parent namespace may map more than one id: root's own
child writes the files, an ordinary user's child calls newuidmap(1) and newgidmap(1),
which are setuid or have file capabilities.
"""

from __future__ import annotations

import os

from imgfetch.fs.programs import find_program
from imgfetch.lean.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Self

    from imgfetch.fs.idmap import IdMapping, IdRange

_GO = b"\1"
_LIMIT = 4096


class Mapper:
    """A forked child that waits until its parent is in the new namespace.

    Args:
        write: maps the ids of a process, given by its pid, from outside; returns why it
            failed, or "".
    """

    def __init__(self, write: Callable[[int], str]) -> None:
        target = os.getpid()
        go_read, self._go = os.pipe()
        self._answer, answer_write = os.pipe()
        self._child = os.fork()
        if self._child == 0:
            status = 1
            try:
                os.close(self._go)
                if os.read(go_read, 1) == _GO:
                    os.write(answer_write, write(target).encode(errors="replace")[:_LIMIT])
                status = 0
            finally:
                os._exit(status)
        os.close(go_read)
        os.close(answer_write)

    @classmethod
    def writing(cls, mapping: IdMapping, proc: Path) -> Self:
        """For root: writes the map files itself."""
        return cls(lambda target: _write_files(target, mapping, proc))

    @classmethod
    def calling_tools(cls, mapping: IdMapping, search_path: str) -> Self:
        """For a user with subordinate ids."""
        return cls(lambda target: _call_tools(target, mapping, search_path))

    def map(self) -> str | None:
        """Map the ids of this process, which is in the new namespace by now.

        Returns:
            Why it failed; None if it did not.
        """
        os.write(self._go, _GO)
        answer = os.read(self._answer, _LIMIT).decode(errors="replace")
        status = self._end()
        return answer or (f"the mapping process ended with status {status}" if status else None)

    def abandon(self) -> None:
        """End the child without mapping anything."""
        self._end()

    def _end(self) -> int:
        os.close(self._go)
        os.close(self._answer)
        return os.waitpid(self._child, 0)[1]


def _write_files(target: int, mapping: IdMapping, proc: Path) -> str:
    # One write per file: the kernel takes all lines at once or none.
    for name, ranges in (("gid_map", mapping.gids), ("uid_map", mapping.uids)):
        lines = "".join(f"{inside} {outside} {size}\n" for inside, outside, size in ranges)
        try:
            (proc / str(target) / name).write_text(lines, "ascii")
        except OSError as error:
            return f"{name}: {error.strerror}"
    return ""


def _call_tools(target: int, mapping: IdMapping, search_path: str) -> str:
    for tool, ranges in (("newgidmap", mapping.gids), ("newuidmap", mapping.uids)):
        refusal = _call_tool(tool, target, ranges, search_path)
        if refusal:
            return refusal
    return ""


def _call_tool(tool: str, target: int, ranges: tuple[IdRange, ...], search_path: str) -> str:
    program = find_program(tool, search_path)
    if program is None:
        return f"{tool} is not installed (Debian: apt install uidmap)"
    words = [program, str(target), *(str(number) for line in ranges for number in line)]
    read, write = os.pipe()
    # subprocess would take longer to load than both tools take to run.
    child = os.posix_spawn(program, words, {}, file_actions=[(os.POSIX_SPAWN_DUP2, write, 2)])
    os.close(write)
    with open(read, "rb") as pipe:
        said = pipe.read(_LIMIT).decode(errors="replace").split("\n")[0]
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return f"{tool} failed: {said or f'status {status}'}" if status else ""
