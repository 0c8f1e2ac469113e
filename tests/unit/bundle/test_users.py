from __future__ import annotations

import os
from pathlib import Path

import pytest

from imgfetch.bundle.users import (
    FILE_LIMIT,
    LINE_LIMIT,
    ResolvedUser,
    lookup,
    parse_user,
    resolve_user,
)
from imgfetch.errors import InvalidUserError
from imgfetch.fs.rootdir import RootDir

PASSWD = b"""\
root:x:0:0:root:/root:/bin/sh
daemon:x:2:2:daemon:/sbin:/bin/false
app:x:1000:1001:App:/home/app:/bin/sh
homeless:x:1002:1002::
www-data:x:33:33::/var/www:/bin/false
"""
GROUP = b"""\
root:x:0:root
bin:x:1:root,daemon
daemon:x:2:daemon
adm:x:4:daemon
app:x:1001:
staff:x:10:app,other
wheel:x:20:app
docker:x:999:
"""


@pytest.mark.parametrize(
    ("text", "user"),
    [
        ("", ResolvedUser(0, 0, (0, 1), "/root")),
        ("0", ResolvedUser(0, 0, (0, 1), "/root")),
        ("root", ResolvedUser(0, 0, (0, 1), "/root")),
        ("daemon", ResolvedUser(2, 2, (2, 1, 4), "/sbin")),
        ("2", ResolvedUser(2, 2, (2, 1, 4), "/sbin")),
        ("app", ResolvedUser(1000, 1001, (1001, 10, 20), "/home/app")),
        ("app:0", ResolvedUser(1000, 0, (0,), "/home/app")),
        ("app:staff", ResolvedUser(1000, 10, (10,), "/home/app")),
        ("1000:1000", ResolvedUser(1000, 1000, (1000,), "/home/app")),
        ("1234", ResolvedUser(1234, 0, (0,), "/")),
        ("1234:docker", ResolvedUser(1234, 999, (999,), "/")),
        ("1234:77777", ResolvedUser(1234, 77777, (77777,), "/")),
        ("homeless", ResolvedUser(1002, 1002, (1002,), "/")),
        ("www-data", ResolvedUser(33, 33, (33,), "/var/www")),
        ("2147483647", ResolvedUser(2147483647, 0, (0,), "/")),
        ("007", ResolvedUser(7, 0, (0,), "/")),
    ],
)
def test_users_are_looked_up_as_docker_does(text: str, user: ResolvedUser) -> None:
    """S053 and R077."""
    assert lookup(text, PASSWD, GROUP) == user


@pytest.mark.parametrize("text", ["nobody", "app:nogroup", "nobody:0"])
def test_names_that_are_not_there_are_errors(text: str) -> None:
    """R077."""
    with pytest.raises(InvalidUserError) as caught:
        lookup(text, PASSWD, GROUP)
    assert caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        *["4294967296", "2147483648", "-1", "+0", "0x0", "1_000", "٣", " 0", "0 ", "1000:", ":0"],
        *["a:b:c", ":", "0\n", "a b", "a\n", "a/b", "-x", "9" * 5000, "a" * 300, "app:1_0", "\0"],
    ],
)
def test_what_is_neither_a_number_nor_a_name_is_refused(text: str) -> None:
    """S051, S055 and S153: never looked up, whatever passwd says."""
    passwd = f"{text}:x:0:0::/:\n".encode() + PASSWD
    with pytest.raises(InvalidUserError):
        lookup(text, passwd, GROUP)


def test_a_passwd_line_named_like_a_number_is_not_found_by_it() -> None:
    """S051: CVE-2024-40635."""
    assert lookup("1000", b"1000:x:0:0::/root:\n", b"").uid == 1000


@pytest.mark.parametrize(
    "line", ["app:x:4294967296:0::/:", "app:x:a:0::/:", "app:x:-1:0::/:", "app:x", "app:x:0:"]
)
def test_passwd_lines_without_proper_ids_are_not_there(line: str) -> None:
    """S051: CVE-2026-46680; strconv.Atoi's 0 on error makes root of them."""
    with pytest.raises(InvalidUserError):
        lookup("app", line.encode(), b"")


def test_the_first_of_two_lines_counts() -> None:
    assert lookup("app", b"app:x:1:1::/a:\napp:x:0:0::/b:\n", b"") == ResolvedUser(1, 1, (1,), "/a")


def test_a_home_with_control_characters_is_none() -> None:
    """S055."""
    assert lookup("app", b"app:x:1:1::/a\rroot2\x1b:\n", b"").home == "/"


def test_groups_are_added_by_name_and_number() -> None:
    user = lookup("app", PASSWD, GROUP, ["docker", "10", "4242"])
    assert user.additional_gids == (1001, 10, 20, 999, 4242)


def test_added_groups_are_parsed_as_strictly() -> None:
    with pytest.raises(InvalidUserError):
        lookup("app", PASSWD, GROUP, ["0x1"])


def test_an_image_without_passwd_has_numbers_only(tmp_path: Path) -> None:
    with RootDir.open(tmp_path) as root:
        assert resolve_user("12:34", root) == ResolvedUser(12, 34, (34,), "/")
        assert resolve_user("", root) == ResolvedUser(0, 0, (0,), "/")
        with pytest.raises(InvalidUserError):
            resolve_user("app", root)


def test_passwd_is_read_below_the_root(tmp_path: Path) -> None:
    """S052: a link to the host's passwd finds the image's."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "real").write_bytes(b"app:x:7:8::/there:\n")
    (tmp_path / "etc/passwd").symlink_to("/../../real")
    (tmp_path / "etc/group").symlink_to("../../../etc/group")
    with RootDir.open(tmp_path) as root, pytest.raises(InvalidUserError, match="group"):
        resolve_user("app", root)
    (tmp_path / "etc/group").unlink()
    with RootDir.open(tmp_path) as root:
        assert resolve_user("app", root) == ResolvedUser(7, 8, (8,), "/there")


@pytest.mark.parametrize("kind", ["fifo", "directory", "large", "device", "loop"])
def test_passwd_that_is_no_small_regular_file_is_refused(tmp_path: Path, kind: str) -> None:
    """S052: CVE-2024-9676."""
    (tmp_path / "etc").mkdir()
    passwd = tmp_path / "etc/passwd"
    if kind == "fifo":
        os.mkfifo(passwd)
    elif kind == "directory":
        passwd.mkdir()
    elif kind == "large":
        with passwd.open("wb") as file:
            file.truncate(FILE_LIMIT + 1)
    elif kind == "device":
        os.mknod(passwd, 0o600 | 0o020000, os.makedev(1, 5))
    else:
        passwd.symlink_to("passwd")
    with RootDir.open(tmp_path) as root, pytest.raises(InvalidUserError, match="passwd"):
        resolve_user("app", root)


def test_a_line_without_end_is_refused() -> None:
    """S052: an error, not the end of the file."""
    long = b"a" * (LINE_LIMIT + 1)
    with pytest.raises(InvalidUserError, match="too long"):
        lookup("app", long + b"\n" + PASSWD, b"")


def test_the_grammar_is_checked_before_anything_is_read() -> None:
    assert parse_user("app:10") == ("app", 10)
    assert parse_user("10:staff") == (10, "staff")
    assert parse_user("") == (0, None)
