"""The environment of the process: what is written, and what comes of it.

image-spec conversion.md ``Config.Env``; docker's ``--env`` and ``--env-file``. Nothing
of the caller's environment gets in that was not asked for by name, and nothing of the
image's gets out to a process on the host (CVE-2025-23266 class).
"""

from __future__ import annotations

from imgfetch.errors import DocumentError, InvalidOptionError
from imgfetch.lean.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from imgfetch.oci.config import ImageConfig

# Without one every runtime says "executable file not found in $PATH".
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# execve(2): MAX_ARG_STRLEN, with the NUL at the end.
_STRING_LIMIT = 32 * 4096


def parse_env(text: str, environ: Mapping[str, str]) -> tuple[str, str | None]:
    """``NAME=VALUE``, or ``NAME`` to take the caller's value.

    Args:
        text: as written.
        environ: the caller's environment.

    Returns:
        The variable; None for a value takes it away, for the caller has none either.

    Raises:
        InvalidOptionError: no name, or a NUL.
    """
    name, equals, value = text.partition("=")
    if not name or "\0" in text:
        message = f"invalid environment variable {text[:200]!r}"
        raise InvalidOptionError(message, expected="NAME=VALUE or NAME")
    return name, value if equals else environ.get(name)


def parse_env_file(
    raw: bytes, name: str, environ: Mapping[str, str]
) -> tuple[tuple[str, str], ...]:
    """The variables of an ``--env-file``: docker's format, in which quotes mean nothing.

    Args:
        raw: the file.
        name: of the file, for errors.
        environ: the caller's environment, for lines that are only a name; those it
            does not have are left out.

    Raises:
        InvalidOptionError: not UTF-8, or a line that is no variable.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"{name} is not UTF-8"
        raise InvalidOptionError(message) from error
    variables: list[tuple[str, str]] = []
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.removesuffix("\r").lstrip()
        if not stripped or stripped.startswith("#"):
            continue
        variable, equals, value = stripped.partition("=")
        if not variable or variable.split() != [variable] or "\0" in stripped:
            message = f"{name}:{number}: invalid variable {variable[:100]!r}"
            raise InvalidOptionError(message, expected="NAME=VALUE, no space in the name")
        if equals:
            variables.append((variable, value))
        elif variable in environ:
            variables.append((variable, environ[variable]))
    return tuple(variables)


def process_environment(
    image: ImageConfig,
    changes: Iterable[tuple[str, str | None]],
    *,
    hostname: str,
    home: str,
    terminal: bool,
) -> list[str]:
    """The environment: defaults, then the image's, then the options'; the last one wins.

    ``HOME`` is set here, for crun leaves an empty one as it is and runc does not.

    Raises:
        DocumentError: the image has an entry without a name or without ``=``.
    """
    variables = {"PATH": DEFAULT_PATH, "HOSTNAME": hostname}
    if terminal:
        variables["TERM"] = "xterm"
    for entry in image.process.env:
        name, equals, value = entry.partition("=")
        if not name or not equals:
            message = f"image config: Env: invalid entry {entry[:200]!r}"
            raise DocumentError(message, expected="NAME=VALUE")
        variables[name] = value
    for name, change in changes:
        if change is None:
            variables.pop(name, None)
        else:
            variables[name] = change
    variables.setdefault("PATH", DEFAULT_PATH)
    if not variables.get("HOME"):
        variables["HOME"] = home
    return [f"{name}={value}" for name, value in variables.items()]


def check_strings(strings: Iterable[str], what: str) -> None:
    """Refuse strings that execve(2) or JSON can't take.

    The kernel would say "argument list too long" and name none of them.

    Raises:
        InvalidOptionError: too long, with a NUL, or not UTF-8.
    """
    for string in strings:
        try:
            length = len(string) if string.isascii() else len(string.encode())
        except UnicodeEncodeError as error:
            message = f"{what} {string[:40]!r} is not UTF-8"
            raise InvalidOptionError(message) from error
        if length >= _STRING_LIMIT:
            message = f"{what} {string[:40]!r}… is too long"
            expected = f"fewer than {_STRING_LIMIT} bytes"
            raise InvalidOptionError(message, expected=expected, actual=f"{length} bytes")
        if "\0" in string:
            message = f"NUL in {what} {string[:40]!r}"
            raise InvalidOptionError(message)
