from __future__ import annotations

import os
import shutil
import struct
from pathlib import Path
from typing import Any

import pytest

from imgfetch import remedies
from imgfetch.bundle.preflight import Unrunnable, check_command
from imgfetch.fs.rootdir import RootDir
from tests.support.tools import require_tool


def elf(
    machine: int, interpreter: str | None = None, *, wide: bool = True, big: bool = False
) -> bytes:
    """The headers of a program, with a loader or without."""
    order = ">" if big else "<"
    ident = b"\x7fELF" + bytes([2 if wide else 1, 2 if big else 1, 1]) + bytes(9)
    path = (interpreter or "").encode() + b"\0"
    count = 1 if interpreter else 0
    if wide:
        header = struct.pack(
            f"{order}HHIQQQIHHHHHH", 2, machine, 1, 0, 64, 0, 0, 64, 56, count, 0, 0, 0
        )
        segment = struct.pack(f"{order}IIQQQQQQ", 3, 4, 120, 0, 0, len(path), len(path), 1)
    else:
        header = struct.pack(
            f"{order}HHIIIIIHHHHHH", 2, machine, 1, 0, 52, 0, 0, 52, 32, count, 0, 0, 0
        )
        segment = struct.pack(f"{order}IIIIIIII", 3, 84, 0, 0, len(path), len(path), 4, 1)
    return ident + header + (segment + path if interpreter else b"")


@pytest.fixture
def rootfs(tmp_path: Path) -> Path:
    path = tmp_path / "rootfs"
    (path / "bin").mkdir(parents=True)
    (path / "usr/bin").mkdir(parents=True)
    shutil.copy(require_tool("busybox"), path / "bin/busybox")
    (path / "bin/sh").symlink_to("/bin/busybox")
    return path


def write(rootfs: Path, name: str, content: bytes | str, mode: int = 0o755) -> None:
    path = rootfs / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)


def check(
    rootfs: Path,
    *args: str,
    cwd: str = "/",
    path: str = "/usr/bin:/bin",
    user: dict[str, Any] | None = None,
    mounts: tuple[str, ...] = ("/proc", "/dev"),
    binds: dict[str, Path] | None = None,
    architecture: str = "amd64",
    emulates: bool = False,
) -> Unrunnable | None:
    spec = {
        "process": {
            "args": list(args),
            "cwd": cwd,
            "env": [f"PATH={path}"],
            "user": user or {"uid": 0, "gid": 0},
        },
        "mounts": [
            *({"destination": place} for place in mounts),
            *(
                {"destination": place, "source": str(source), "options": ["rbind", "ro"]}
                for place, source in (binds or {}).items()
            ),
        ],
    }
    with RootDir.open(rootfs) as root:
        return check_command(root, spec, architecture=architecture, emulates=emulates)


@pytest.mark.parametrize("name", ["sh", "/bin/sh", "/bin/busybox", "bin/sh", "./bin/../bin/sh"])
def test_what_can_be_started_passes(rootfs: Path, name: str) -> None:
    assert check(rootfs, name) is None


@pytest.mark.parametrize(
    ("args", "status", "reason"),
    [
        (("nosuch",), 127, "not found in the container's PATH"),
        (("/nosuch",), 127, "no such file"),
        (("./sh",), 127, "no such file"),
        (("/bin",), 126, "is a directory"),
        (("/usr/bin/data",), 126, "permission denied"),
        (("data",), 126, "permission denied"),
        (("/usr/bin/plain",), 126, "exec format error"),
        (("plain",), 126, "exec format error"),
        (("empty",), 126, "exec format error"),
        (("orphan",), 127, "bad interpreter /no/such"),
        (("crlf",), 127, r"bad interpreter /bin/sh\r"),
        (("badscript",), 126, "bad interpreter /usr/bin/data"),
        (("nothing",), 126, "exec format error"),
        (("loop",), 126, "bad interpreter /usr/bin/loop"),
        (("/sbin/docker-init", "--", "nosuch"), 127, "nosuch"),
        (("/bin/sh/x",), 127, "no such file"),
    ],
)
def test_what_can_not_be_started_says_why(
    rootfs: Path, args: tuple[str, ...], status: int, reason: str
) -> None:
    """R140 and R141: runc gives 1 or 255 for all of these."""
    write(rootfs, "usr/bin/data", "data", 0o644)
    write(rootfs, "usr/bin/plain", "echo no shebang")
    write(rootfs, "usr/bin/empty", "")
    write(rootfs, "usr/bin/orphan", "#!/no/such -x\n")
    write(rootfs, "usr/bin/crlf", "#!/bin/sh\r\necho\r\n")
    write(rootfs, "usr/bin/badscript", "#! /usr/bin/data\n")
    write(rootfs, "usr/bin/nothing", "#!\n")
    write(rootfs, "usr/bin/loop", "#!/usr/bin/loop\n")
    refusal = check(rootfs, *args)
    assert refusal is not None
    assert refusal.status == status
    assert reason in refusal.reason


def test_line_ends_of_another_system_are_named(rootfs: Path) -> None:
    write(rootfs, "usr/bin/crlf", "#!/bin/sh\r\n")
    refusal = check(rootfs, "crlf")
    assert refusal is not None
    assert "CR LF" in str(refusal.hint)


@pytest.mark.parametrize(
    "shebang", ["#!/bin/sh", "#!/bin/sh\n", "#! /bin/sh -e\n", "#!\t/bin/sh\tx\n"]
)
def test_scripts_pass_when_their_interpreter_does(rootfs: Path, shebang: str) -> None:
    write(rootfs, "usr/bin/script", shebang)
    assert check(rootfs, "script") is None


def test_a_name_is_looked_up_as_the_runtimes_do(rootfs: Path) -> None:
    """Directories and files that can't be executed are passed over."""
    (rootfs / "usr/bin/tool").mkdir()
    write(rootfs, "bin/tool", "#!/bin/sh\n")
    assert check(rootfs, "tool") is None
    write(rootfs, "usr/bin/other", "x", 0o644)
    write(rootfs, "bin/other", "#!/bin/sh\n")
    assert check(rootfs, "other") is None
    assert check(rootfs, "tool", path="/usr/bin") == Unrunnable(
        127, "tool: not found in the container's PATH", remedies.NOT_IN_IMAGE
    )
    assert check(rootfs, "other", path="/usr/bin") == Unrunnable(
        126, "other: permission denied", remedies.NOT_EXECUTABLE
    )


def test_a_path_is_relative_to_the_working_directory(rootfs: Path) -> None:
    assert check(rootfs, "./sh", cwd="/bin") is None
    assert check(rootfs, "sh", cwd="/", path="bin") is None


@pytest.mark.parametrize(
    ("user", "mode", "passes"),
    [
        ({"uid": 0, "gid": 0}, 0o001, True),
        ({"uid": 0, "gid": 0}, 0o644, False),
        ({"uid": 5, "gid": 5}, 0o755, True),
        ({"uid": 5, "gid": 5}, 0o750, False),
        ({"uid": 5, "gid": 0}, 0o750, True),
        ({"uid": 5, "gid": 5, "additionalGids": [0]}, 0o750, True),
        ({"uid": 5, "gid": 0}, 0o705, False),
    ],
)
def test_the_user_needs_the_right_to_execute(
    rootfs: Path, user: dict[str, Any], mode: int, *, passes: bool
) -> None:
    write(rootfs, "usr/bin/script", "#!/bin/sh\n", mode)
    refusal = check(rootfs, "/usr/bin/script", user=user)
    assert (refusal is None) is passes
    assert refusal is None or refusal.status == 126


@pytest.mark.parametrize(
    ("machine", "architecture", "passes"),
    [
        *[(62, "amd64", True), (3, "amd64", True), (40, "arm64", True), (62, "unknown", True)],
        *[(183, "amd64", False), (62, "arm64", False), (243, "amd64", False)],
        (12345, "amd64", False),
    ],
)
def test_a_program_for_another_processor_is_named(
    rootfs: Path, machine: int, architecture: str, *, passes: bool
) -> None:
    """R141."""
    write(rootfs, "usr/bin/program", elf(machine))
    refusal = check(rootfs, "program", architecture=architecture)
    assert (refusal is None) is passes
    if refusal is not None:
        assert refusal.status == 126
        assert "--platform" in str(refusal.hint)
        assert check(rootfs, "program", architecture=architecture, emulates=True) is None


@pytest.mark.parametrize(
    ("machine", "architecture", "wide", "big"),
    [(62, "amd64", True, False), (40, "arm", False, False), (22, "s390x", True, True)],
)
def test_a_missing_dynamic_loader_is_named(
    rootfs: Path, machine: int, architecture: str, *, wide: bool, big: bool
) -> None:
    """R141: "not found" on the container's stderr would be taken for the program's own words."""
    write(rootfs, "usr/bin/program", elf(machine, "/lib/ld-musl.so.1", wide=wide, big=big))
    refusal = check(rootfs, "program", architecture=architecture)
    assert refusal is not None
    assert refusal.status == 127
    assert "/lib/ld-musl.so.1" in refusal.reason
    (rootfs / "lib").mkdir()
    write(rootfs, "lib/ld-musl.so.1", b"")
    assert check(rootfs, "program", architecture=architecture) is None


@pytest.mark.parametrize("content", [b"\x7fELF", b"\x7fELF" + bytes(20), elf(62, "/lib/x")[:70]])
def test_a_program_cut_short_is_none(rootfs: Path, content: bytes) -> None:
    write(rootfs, "usr/bin/program", content)
    refusal = check(rootfs, "program")
    assert refusal is not None
    assert refusal.status == 126


def test_formats_that_the_kernel_may_have_handlers_for_pass(rootfs: Path) -> None:
    write(rootfs, "usr/bin/program", b"\0asm")
    assert check(rootfs, "program", emulates=True) is None


@pytest.mark.parametrize("args", [("/mnt/x",), ("/proc/self/exe",), ("/link/x",), ("onmount",)])
def test_what_is_on_a_mount_is_left_to_the_runtime(rootfs: Path, args: tuple[str, ...]) -> None:
    """S145: /proc/self/exe among them."""
    (rootfs / "link").symlink_to("mnt")
    assert check(rootfs, *args, mounts=("/proc", "/mnt"), path="/bin:/mnt/bin") is None


def test_an_interpreter_on_a_mount_is_left_to_the_runtime(rootfs: Path) -> None:
    write(rootfs, "usr/bin/script", "#!/mnt/tool\n")
    write(rootfs, "usr/bin/program", elf(62, "/mnt/ld.so"))
    assert check(rootfs, "script", mounts=("/mnt",)) is None
    assert check(rootfs, "program", mounts=("/mnt",)) is None


def test_links_do_not_lead_out_of_the_root(rootfs: Path) -> None:
    (rootfs / "usr/bin/host").symlink_to("../../../../../../../../bin/ls")
    refusal = check(rootfs, "host", path="/usr/bin")
    assert refusal is not None
    assert refusal.status == 127


def test_links_that_go_round_are_not_there(rootfs: Path) -> None:
    (rootfs / "usr/bin/a").symlink_to("b")
    (rootfs / "usr/bin/b").symlink_to("a")
    refusal = check(rootfs, "/usr/bin/a")
    assert refusal is not None
    assert refusal.status == 127


def test_a_program_that_may_not_be_read_may_still_run(rootfs: Path) -> None:
    write(rootfs, "usr/bin/secret", (rootfs / "bin/busybox").read_bytes(), 0o711)
    assert check(rootfs, "secret", user={"uid": 5, "gid": 5}) is None


def test_what_is_bound_from_the_host_is_looked_at(rootfs: Path, tmp_path: Path) -> None:
    """R141: a script of the caller's whose interpreter the image lacks, for one."""
    work = tmp_path / "work"
    work.mkdir()
    write(work, "orphan", "#!/no/such\n")
    write(work, "script", "#!/bin/sh\n")
    write(work, "data", "data", 0o644)
    (work / "link").symlink_to("orphan")
    (work / "absolute").symlink_to("/bin/sh")
    (work / "away").symlink_to("/etc/hostname")
    binds = {"/work": work, "/usr/bin/tool": work / "orphan"}
    for args, status in (
        (("/work/orphan",), 127),
        (("/work/link",), 127),
        (("/work/none",), 127),
        (("/work/away",), 127),
        (("/work/data",), 126),
        (("/work",), 126),
        (("tool",), 127),
        (("/work/script",), None),
        (("/work/absolute",), None),
    ):
        refusal = check(rootfs, *args, binds=binds)
        assert (refusal.status if refusal else None) == status, args


def test_a_later_mount_covers_an_earlier_one(rootfs: Path, tmp_path: Path) -> None:
    lower, upper = tmp_path / "lower", tmp_path / "upper"
    for directory, interpreter in ((lower, "/no/such"), (upper, "/bin/sh")):
        directory.mkdir()
        write(directory, "tool", f"#!{interpreter}\n")
    assert check(rootfs, "/a/b/tool", binds={"/a": tmp_path, "/a/b": upper}) is None
    refusal = check(rootfs, "/a/b/tool", binds={"/a": tmp_path, "/a/b": lower})
    assert refusal is not None


def test_a_source_may_be_a_link_of_the_hosts(rootfs: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    write(work, "orphan", "#!/no/such\n")
    (tmp_path / "elsewhere").symlink_to("work")
    refusal = check(rootfs, "/w/orphan", binds={"/w": tmp_path / "elsewhere"})
    assert refusal is not None
    assert refusal.status == 127


@pytest.mark.parametrize("source", ["/proc", "/proc/self", "/dev", "/sys"])
def test_what_depends_on_who_looks_is_left_to_the_runtime(rootfs: Path, source: str) -> None:
    assert check(rootfs, "/mnt/no-such", binds={"/mnt": Path(source)}) is None


def test_nothing_but_regular_files_is_opened(rootfs: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo", 0o755)
    refusal = check(rootfs, "/w/fifo", binds={"/w": tmp_path})
    assert refusal is not None
    assert refusal.status == 126
