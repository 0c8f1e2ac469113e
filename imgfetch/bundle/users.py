"""The user of the process, looked up in the image's own passwd and group.

moby's ``GetExecUser``; image-spec conversion.md "Config.User". Numbers are numbers: a
passwd line whose name is a number is never found by it (CVE-2024-40635,
CVE-2026-46680), and a line whose ids are no numbers is not there at all. Both files
are read below the root and only if they are regular and small (CVE-2024-9676 class).
"""

from __future__ import annotations

from imgfetch.errors import ContentError, InvalidUserError
from imgfetch.lean import re
from imgfetch.lean.typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# docker's minId and maxId.
_ID_LIMIT = 2**31 - 1
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,254}\$?", re.ASCII)

FILE_LIMIT = 10 << 20
LINE_LIMIT = 1 << 20


class FileReader(Protocol):
    """Reads files below a root filesystem; `imgfetch.fs.rootdir.RootDir` does."""

    def read_file(self, path: bytes, limit: int) -> bytes:
        """A regular file's bytes, symlinks resolved below the root.

        Raises:
            FileNotFoundError: not there.
            ContentError: not a regular file, or longer than ``limit``.
            OSError: anything else.
        """
        ...


class ResolvedUser(NamedTuple):
    """A user as the kernel knows it.

    Attributes:
        uid: user id.
        gid: primary group id.
        additional_gids: further groups, the primary among them (CVE-2022-36109 class).
        home: home directory from passwd, ``/`` where it has none.
    """

    uid: int = 0
    gid: int = 0
    additional_gids: tuple[int, ...] = ()
    home: str = "/root"


class _User(NamedTuple):
    name: str
    uid: int
    gid: int
    home: str


class _Group(NamedTuple):
    name: str
    gid: int
    members: frozenset[str]


def parse_user(text: str) -> tuple[int | str, int | str | None]:
    """``user[:group]``, each a number or a name; "" is root.

    Raises:
        InvalidUserError: outside the grammar.
    """
    user, colon, group = text.partition(":")
    if not text:
        return 0, None
    return _id_or_name(text, user), _id_or_name(text, group) if colon else None


def _id_or_name(text: str, part: str) -> int | str:
    if part.isascii() and part.isdigit():
        # int() of a very long number raises ValueError.
        if len(part) <= 10 and int(part) <= _ID_LIMIT:  # noqa: PLR2004 - digits of the limit
            return int(part)
    elif _NAME.fullmatch(part):
        return part
    message = f"invalid user {text[:200]!r}"
    expected = f"USER[:GROUP], names or numbers from 0 to {_ID_LIMIT}"
    raise InvalidUserError(message, expected=expected)


def lookup(text: str, passwd: bytes, group: bytes, group_add: Iterable[str] = ()) -> ResolvedUser:
    """Look a user up.

    Args:
        text: ``user[:group]``.
        passwd: the image's ``/etc/passwd``, empty when it has none.
        group: the image's ``/etc/group``, empty when it has none.
        group_add: further groups, names or numbers.

    Raises:
        InvalidUserError: malformed, or a name that is not there.
    """
    user, primary = parse_user(text)
    found = next((line for line in _users(passwd) if user in {line.name, line.uid}), None)
    if found is None:
        if isinstance(user, str):
            raise _unknown(user, "user", "/etc/passwd")
        found = _User("", user, 0, "/")
    groups = list(_groups(group)) if group else []
    if primary is None:
        gid = found.gid
        further = [line.gid for line in groups if found.name and found.name in line.members]
    else:
        gid, further = _gid(primary, groups), []
    further += (_gid(_id_or_name(name, name), groups) for name in group_add)
    return ResolvedUser(
        uid=found.uid,
        gid=gid,
        additional_gids=tuple(dict.fromkeys((gid, *further))),
        home=found.home or "/",
    )


def resolve_user(text: str, root: FileReader, group_add: Iterable[str] = ()) -> ResolvedUser:
    """Look a user up in a root filesystem.

    Raises:
        InvalidUserError: malformed, not there, or passwd or group can't be read.
    """
    parse_user(text)
    return lookup(text, _read(root, b"etc/passwd"), _read(root, b"etc/group"), group_add)


def _read(root: FileReader, path: bytes) -> bytes:
    try:
        return root.read_file(path, FILE_LIMIT)
    except (FileNotFoundError, NotADirectoryError):
        return b""
    except (OSError, ContentError) as error:
        message = f"can't read the image's /{path.decode()}: {error}"
        raise InvalidUserError(message) from error


def _gid(wanted: int | str, groups: list[_Group]) -> int:
    if isinstance(wanted, int):
        return wanted
    gid = next((line.gid for line in groups if line.name == wanted), None)
    if gid is None:
        raise _unknown(wanted, "group", "/etc/group")
    return gid


def _unknown(name: str, what: str, file: str) -> InvalidUserError:
    message = f"no {what} {name!r} in the image's {file}"
    return InvalidUserError(message, hint="a number needs no entry there")


def _users(passwd: bytes) -> Iterator[_User]:
    for fields in _lines(passwd, "/etc/passwd", 4):
        uid, gid = _number(fields[2]), _number(fields[3])
        if uid is not None and gid is not None:
            home = fields[5] if len(fields) > 5 else ""  # noqa: PLR2004 - passwd(5)
            yield _User(fields[0], uid, gid, home if home.isprintable() else "")


def _groups(group: bytes) -> Iterator[_Group]:
    for fields in _lines(group, "/etc/group", 3):
        gid = _number(fields[2])
        if gid is not None:
            members = fields[3].split(",") if len(fields) > 3 else []  # noqa: PLR2004 - group(5)
            yield _Group(fields[0], gid, frozenset(members))


def _lines(raw: bytes, what: str, least: int) -> Iterator[list[str]]:
    for line in raw.split(b"\n"):
        if len(line) > LINE_LIMIT:
            message = f"the image's {what} has a line that is too long"
            raise InvalidUserError(message, expected=f"at most {LINE_LIMIT} bytes")
        fields = line.decode("utf-8", "surrogateescape").strip().split(":")
        if len(fields) >= least and fields[0]:
            yield fields


def _number(text: str) -> int | None:
    if not (text.isascii() and text.isdigit()) or len(text) > 10:  # noqa: PLR2004 - digits of the limit
        return None
    number = int(text)
    return number if number <= _ID_LIMIT else None
