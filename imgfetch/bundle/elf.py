"""As much of ELF as tells whether the kernel can start a program: elf(5)."""

from __future__ import annotations

import os
import struct

from imgfetch.lean.typing import Final, NamedTuple

MAGIC: Final = b"\x7fELF"

# e_machine by Go's architecture: its own, and those its kernel runs as well.
MACHINES: Final = {
    "386": frozenset({3}),
    "amd64": frozenset({62, 3}),
    "arm": frozenset({40}),
    "arm64": frozenset({183, 40}),
    "loong64": frozenset({258}),
    "mips64le": frozenset({8}),
    "ppc64le": frozenset({21}),
    "riscv64": frozenset({243}),
    "s390x": frozenset({22}),
}
# For people: what the numbers above are called.
NAMES: Final = {
    3: "386",
    8: "mips",
    21: "ppc64",
    22: "s390x",
    40: "arm",
    62: "amd64",
    183: "arm64",
    243: "riscv64",
    258: "loong64",
}

_PT_INTERP: Final = 3
_CLASS_64: Final = 2
_BIG_ENDIAN: Final = 2
_PATH_LIMIT: Final = 4096
_SEGMENT_LIMIT: Final = 256


class Program(NamedTuple):
    """An ELF program.

    Attributes:
        machine: ``e_machine``.
        interpreter: path of its dynamic loader; None for a static program.
    """

    machine: int
    interpreter: bytes | None


def read_program(fd: int) -> Program | None:
    """Read an ELF program's headers.

    Args:
        fd: the file, open for reading.

    Returns:
        None when the headers are cut short or make no sense.
    """
    try:
        return _read(fd)
    except (struct.error, IndexError):
        return None


def _read(fd: int) -> Program:
    header = os.pread(fd, 64, 0)
    wide = header[4] == _CLASS_64
    order = ">" if header[5] == _BIG_ENDIAN else "<"
    (machine,) = struct.unpack_from(f"{order}H", header, 18)
    if wide:
        (table,) = struct.unpack_from(f"{order}Q", header, 32)
        size, count = struct.unpack_from(f"{order}HH", header, 54)
    else:
        (table,) = struct.unpack_from(f"{order}I", header, 28)
        size, count = struct.unpack_from(f"{order}HH", header, 42)
    for number in range(min(count, _SEGMENT_LIMIT)):
        entry = os.pread(fd, 56 if wide else 32, (table + number * size) % 2**62)
        if struct.unpack_from(f"{order}I", entry)[0] == _PT_INTERP:
            layout = f"{order}8xQ16xQ" if wide else f"{order}4xI8xI"
            offset, length = struct.unpack_from(layout, entry)
            path = os.pread(fd, min(length, _PATH_LIMIT), offset % 2**62)
            return Program(machine, path.partition(b"\0")[0])
    return Program(machine, None)
