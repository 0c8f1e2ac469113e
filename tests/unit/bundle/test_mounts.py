from __future__ import annotations

import pytest

from imgfetch.bundle.mounts import parse_mount, parse_secret, parse_tmpfs, parse_volume
from imgfetch.bundle.options import (
    BindMount,
    ImageMount,
    Mount,
    Secret,
    TmpfsMount,
    VolumeMount,
)
from imgfetch.errors import InvalidMountError, InvalidOptionError


@pytest.mark.parametrize(
    ("text", "mount"),
    [
        ("/a:/b", BindMount("/a", "/b")),
        ("/a:/b:ro", BindMount("/a", "/b", read_only=True)),
        ("/a:/b:rw,bind,rslave", BindMount("/a", "/b", recursive=False, propagation="rslave")),
        ("./a:/b", BindMount("/work/a", "/b")),
        ("..:/b", BindMount("/", "/b")),
        ("//a/../c:/b//./c/", BindMount("/c", "/b/c")),
        ("/a,b:/c", BindMount("/a,b", "/c")),
        ("/a:/../../b", BindMount("/a", "/b")),
        ("data:/b", VolumeMount("data", "/b")),
        ("data:/b:ro", VolumeMount("data", "/b", read_only=True)),
        ("/b", VolumeMount(None, "/b")),
    ],
)
def test_volumes(text: str, mount: Mount) -> None:
    assert parse_volume(text, cwd="/work") == mount


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "/a:",
        ":/b",
        "/a:b",
        "/a:/",
        "/a:/b/..",
        "/a:/b:",
        "/a:/b:ro:rw",
        "/a:/b:ro,rw",
        "/a:/b:ro,ro",
        "/a:/b:rshared,exec,foo",
        "/a:/b:shared",
        "/a:/b:exec",
        "/a:/b\nc",
        "/a\nb:/c",
        "/a:/proc",
        "/a:/proc/self/attr",
        "/a:/x/../proc",
        "a/b:/c",
        "~/a:/b",
        "C:\\a:/b:/c",
        "data:/b:rslave",
        "-x:/b",
    ],
)
def test_volumes_outside_the_grammar_are_refused(text: str) -> None:
    """S152 and S141."""
    with pytest.raises(InvalidMountError) as caught:
        parse_volume(text)
    assert caught.value.expected


def test_a_colon_in_a_volume_leads_to_mount() -> None:
    with pytest.raises(InvalidMountError) as caught:
        parse_volume("/a:b:/c:ro")
    assert "--mount" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("text", "mount"),
    [
        ("type=bind,src=/a,dst=/b", BindMount("/a", "/b")),
        ("type=bind,source=/a,target=/b,readonly", BindMount("/a", "/b", read_only=True)),
        ("type=bind,src=/a,dst=/b,ro=false", BindMount("/a", "/b")),
        ("type=bind,src=./a,dst=/b,ro=1", BindMount("/work/a", "/b", read_only=True)),
        ("type=bind,src=/a:b,destination=/c", BindMount("/a:b", "/c")),
        ('type=bind,"src=/a,b",dst=/c', BindMount("/a,b", "/c")),
        (
            "type=bind,src=/a,dst=/b,bind-propagation=slave,bind-nonrecursive",
            BindMount("/a", "/b", recursive=False, propagation="slave"),
        ),
        ("type=tmpfs,dst=/b", TmpfsMount("/b")),
        (
            "type=tmpfs,dst=/b,ro,tmpfs-size=1m,tmpfs-mode=1777",
            TmpfsMount("/b", ("nosuid", "nodev", "noexec", "ro", "size=1048576", "mode=1777")),
        ),
        ("type=volume,src=data,dst=/b", VolumeMount("data", "/b")),
        ("src=data,dst=/b,ro", VolumeMount("data", "/b", read_only=True)),
        ("type=image,src=alpine:3,dst=/b", ImageMount("alpine:3", "/b")),
    ],
)
def test_mounts(text: str, mount: Mount) -> None:
    assert parse_mount(text, cwd="/work") == mount


@pytest.mark.parametrize(
    "text",
    [
        "",
        "type=bind",
        "type=bind,dst=/b",
        "type=bind,src=,dst=/b",
        "type=bind,src=/a",
        "type=bind,src=/a,dst=",
        "type=bind,src=/a,dst=/proc",
        "type=bind,src=/a,dst=/b,dst=/c",
        "type=bind,src=/a,dst=/b,target=/c",
        "type=bind,src=/a,dst=/b,exec",
        "type=bind,src=/a,dst=/b,ro=maybe",
        "type=bind,src=/a,dst=/b,ro,readonly",
        "type=bind,src=/a,dst=/b,bind-propagation=rshared",
        "type=bind,src=/a,dst=/b,tmpfs-size=1m",
        'type=bind,src="/a,dst=/b',
        "type=tmpfs,src=/a,dst=/b",
        "type=tmpfs,dst=/b,tmpfs-mode=9",
        "type=volume,src=../x,dst=/b",
        "type=image,dst=/b",
        "type=nfs,src=/a,dst=/b",
        "type=bind,,src=/a,dst=/b",
    ],
)
def test_mounts_outside_the_grammar_are_refused(text: str) -> None:
    """S152."""
    with pytest.raises(InvalidMountError):
        parse_mount(text)


def test_a_tmpfs_size_outside_the_grammar_is_refused() -> None:
    with pytest.raises(InvalidOptionError):
        parse_mount("type=tmpfs,dst=/b,tmpfs-size=x")


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("/b", ("nosuid", "nodev", "noexec")),
        ("/b:exec", ("nosuid", "nodev", "exec")),
        ("/b:noexec,size=64m,mode=1777", ("nosuid", "nodev", "noexec", "size=64m", "mode=1777")),
        ("/b:rw,size=50%", ("nosuid", "nodev", "noexec", "rw", "size=50%")),
    ],
)
def test_tmpfs_is_without_privileges_unless_it_says_so(text: str, options: tuple[str, ...]) -> None:
    assert parse_tmpfs(text) == TmpfsMount("/b", options)


@pytest.mark.parametrize(
    "text",
    ["", "b", "/", "/proc/x", "/b:foo", "/b:size=", "/b:size=1;x", "/b:,", "/b:exec=1", "/b:a:c"],
)
def test_tmpfs_outside_the_grammar_is_refused(text: str) -> None:
    """S152."""
    with pytest.raises(InvalidMountError):
        parse_tmpfs(text)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("src=/a/token", Secret("/a/token", "/run/secrets/token")),
        ("id=key,src=/a/token", Secret("/a/token", "/run/secrets/key")),
        ("type=file,id=key,source=./t,target=/etc/key", Secret("/work/t", "/etc/key")),
    ],
)
def test_secrets(text: str, secret: Secret) -> None:
    assert parse_secret(text, cwd="/work") == secret


@pytest.mark.parametrize(
    "text", ["", "id=a", "src=/", "id=../x,src=/a", "src=/a,x=1", "type=env,src=/a"]
)
def test_secrets_outside_the_grammar_are_refused(text: str) -> None:
    with pytest.raises(InvalidMountError):
        parse_secret(text)
