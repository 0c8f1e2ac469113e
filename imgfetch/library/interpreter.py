"""Which interpreter runs this package in a process of its own, and how it finds the package.

A child has the caller's module path, so that it imports the very package, and dependencies,
that the caller has imported: from a directory, a virtual environment or a zip file. Nothing
else of Python's environment variables counts there, nor does the working directory.
"""

from __future__ import annotations

import os
import sys

from imgfetch.errors import RuntimeMissingError

# Errors of the import itself are told like all others.
_PROGRAM = """\
import sys
own = sys.path[:]
sys.path[:] = {path}
try:
    from imgfetch.library.child import main
except BaseException:
    sys.path[:] = own
    import json, os, traceback
    os.write({reports}, json.dumps({{"bug": traceback.format_exc()}}).encode() + b"\\n")
    os._exit(1)
main({requests}, {reports})
"""


def command(python: str, requests: int, reports: int) -> list[str]:
    """The command line of a child.

    Args:
        python: path of the interpreter.
        requests: see `imgfetch.library.child.main`.
        reports: the same.
    """
    path = [os.path.abspath(place) for place in sys.path]
    program = _PROGRAM.format(path=ascii(path), requests=requests, reports=reports)
    options = ["-I"]
    if sys.flags.utf8_mode:
        options += ["-X", "utf8"]
    if sys.dont_write_bytecode:
        options.append("-B")
    return [python, *options, "-c", program]


def find_interpreter(asked: str | None = None) -> str:
    """An interpreter of this Python's version.

    Args:
        asked: a path; None for the one that this program runs in.

    Raises:
        RuntimeMissingError: there is none, or this program is its own interpreter.
    """
    if asked is not None:
        if _is_program(asked):
            return os.path.abspath(asked)
        message = f"no Python interpreter at {asked}"
        raise RuntimeMissingError(message)
    own = sys.executable or ""
    # uwsgi and frozen programs are no interpreters, whatever they are started with.
    if "python" in os.path.basename(own) and not getattr(sys, "frozen", False) and _is_program(own):
        return own
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for prefix in dict.fromkeys((sys.prefix, sys.exec_prefix, sys.base_prefix)):
        path = f"{prefix}/bin/{version}"
        if _is_program(path):
            return path
    message = "no Python interpreter to run containers with"
    hint = f"install {version}, or name one: Client(python=...)"
    raise RuntimeMissingError(message, hint=hint)


def _is_program(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)
