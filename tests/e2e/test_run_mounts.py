"""Volumes, other images and secrets, as everybody."""

from __future__ import annotations

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.people import Somebody


def volume(somebody: Somebody, name: str) -> Path:
    return somebody.imgfetch.store / "volumes" / name


def private_file(somebody: Somebody, text: str) -> Path:
    """A file that nobody else can read."""
    path = somebody.workspace() / "secret"
    path.write_text(text)
    path.chmod(0o600)
    owner = path.parent.stat()
    os.chown(path, owner.st_uid, owner.st_gid)
    return path


def test_a_named_volume_outlives_containers(anybody: Somebody) -> None:
    write = ["sh", "-c", "echo kept >/data/file"]
    anybody.run("-v", "outlives:/data", command=write).succeeded()
    read = anybody.run("--mount", "type=volume,src=outlives,dst=/d", command=["cat", "/d/file"])
    assert read.succeeded().lines == ["kept"]
    assert (volume(anybody, "outlives") / "file").read_text() == "kept\n"


def test_an_empty_volume_gets_what_the_image_has_there(with_many_ids: Somebody) -> None:
    """As in docker: owners and modes too; and only an empty one does."""
    script = "stat -c '%n %u %a' /home /home/app; echo mine >/home/app/file"
    lines = with_many_ids.run("-v", "filled:/home", command=["sh", "-c", script]).lines
    assert lines == ["/home 0 755", "/home/app 1000 750"]
    again = with_many_ids.run("-v", "filled:/tmp", command=["cat", "/tmp/app/file"]).succeeded()
    assert again.lines == ["mine"]


def test_a_volume_that_is_there_and_empty_stays_the_same_directory(anybody: Somebody) -> None:
    anybody.run("-v", "empty:/none-of-the-images", command=["true"]).succeeded()
    before = volume(anybody, "empty").stat().st_ino
    listed = anybody.run("-v", "empty:/etc", command=["ls", "/etc"]).succeeded().lines
    assert {"passwd", "group"} <= set(listed)
    assert volume(anybody, "empty").stat().st_ino == before


def test_what_was_being_filled_when_it_was_killed_is_filled_anew(myself: Somebody) -> None:
    left = volume(myself, ".again")
    left.mkdir(parents=True)
    (left / "half").write_text("")
    listed = myself.run("-v", "again:/etc", command=["ls", "/etc"]).succeeded().lines
    assert "half" not in listed
    assert not left.exists()


def test_a_volume_is_filled_once_by_many(anybody: Somebody) -> None:
    def run(number: int) -> list[str]:
        script = f"ls /home; echo {number} >>/home/log"
        return anybody.run("-v", "many:/home", command=["sh", "-c", script]).succeeded().lines

    with ThreadPoolExecutor(4) as pool:
        assert all("app" in lines for lines in pool.map(run, range(4)))
    log = (volume(anybody, "many") / "log").read_text().split()
    assert sorted(log) == ["0", "1", "2", "3"]


@pytest.mark.parametrize("mode", ["overlay", "copy"])
def test_an_anonymous_volume_is_writable_and_gone_afterwards(anybody: Somebody, mode: str) -> None:
    """With what the image has there, also where the root can't be written."""
    script = "cat /etc/group >/dev/null && echo x >/etc/new && touch /new/y && ls /etc/new"
    options = ["--read-only", "-v", "/etc", "-v", "/new", "--rootfs-mode", mode]
    assert anybody.run(*options, command=["sh", "-c", script]).succeeded().lines == ["/etc/new"]
    assert anybody.run("-v", "/etc", command=["ls", "/etc/new"]).returncode == 1
    assert not volume(anybody, "").exists() or "" not in os.listdir(volume(anybody, ""))


def test_a_volume_can_be_read_only(anybody: Somebody) -> None:
    for option in ("type=volume,src=read-only,dst=/data,ro", "type=volume,dst=/data,ro"):
        result = anybody.run("--mount", option, command=["touch", "/data/x"]).exited(1)
        assert b"Read-only file system" in result.stderr


def test_an_anonymous_volume_needs_a_directory(anybody: Somebody) -> None:
    result = anybody.run("-v", "/etc/passwd", command=["true"]).exited(125)
    assert "not a directory" in result.errors


@pytest.mark.parametrize("mode", ["overlay", "copy"])
def test_another_image_can_be_mounted(anybody: Somebody, mode: str) -> None:
    """Its root filesystem with all its layers; it can't be written."""
    stencil = anybody.published.stencil
    option = f"type=image,src={stencil},dst=/opt/stencil"
    script = "ls /opt/stencil/stencils; ls /opt/stencil/usr/bin/wget; touch /opt/stencil/x"
    result = anybody.run(
        "--mount", option, "--rootfs-mode", mode, command=["sh", "-c", script]
    ).exited(1)
    assert result.lines == ["create"]
    assert b"wget: No such file" in result.stderr
    assert b"Read-only file system" in result.stderr


def test_one_image_can_be_mounted_twice_and_in_itself(anybody: Somebody) -> None:
    pinned = anybody.published.pinned(anybody.published.busybox)
    options = [f"--mount=type=image,src={pinned},dst=/{place}" for place in ("a", "b")]
    result = anybody.run(*options, command=["cmp", "/a/etc/passwd", "/b/etc/passwd"])
    assert result.succeeded().stdout == b""


def test_an_image_that_cannot_be_had_is_named(anybody: Somebody) -> None:
    mount = "type=image,src=localhost:1/no/such:1,dst=/x"
    assert "localhost:1" in anybody.run("--mount", mount, command=["true"]).exited(125).errors


def test_a_secret_is_a_file_in_memory(anybody: Somebody) -> None:
    """Readable by whoever the container's process is, and in none of its layers."""
    source = private_file(anybody, "correct horse")
    script = "cat /run/secrets/pw; grep ' /run/secrets/pw ' /proc/mounts; echo x >/run/secrets/pw"
    result = anybody.run(
        "--keep", "--secret", f"id=pw,src={source}", command=["sh", "-c", script]
    ).exited(1)
    content, _, mount = result.stdout.decode().partition("tmpfs")
    assert content == "correct horse"
    assert mount.split()[2].startswith("ro,")
    assert b"Read-only file system" in result.stderr
    [kept] = (anybody.imgfetch.store / "kept").iterdir()
    found = subprocess.run(["grep", "-r", "correct horse", str(kept)], check=False).returncode
    subprocess.run(["rm", "-rf", str(kept)], check=True)
    assert found == 1


def test_a_secret_may_be_for_another_user_and_at_another_place(with_many_ids: Somebody) -> None:
    source = private_file(with_many_ids, "t0k3n")
    result = with_many_ids.run(
        "-u", "app", "--secret", f"src={source},target=/etc/token", command=["cat", "/etc/token"]
    )
    assert result.succeeded().stdout == b"t0k3n"


def test_a_secret_may_come_through_a_pipe(myself: Somebody) -> None:
    argv = myself.imgfetch.argv(
        "run", "--network", "none", "--secret", "id=pw,src=/dev/fd/5",
        myself.published.busybox, "cat", "/run/secrets/pw",
    )  # fmt: skip
    done = subprocess.run(
        ["sh", "-c", 'printf %s "$0" | { exec 5<&0; "$@" </dev/null; }', "from a pipe", *argv],
        env=myself.imgfetch.environment(),
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == b"from a pipe"


def test_a_secret_that_cannot_be_read_is_named_before_anything_is_fetched(
    newcomer: Somebody,
) -> None:
    result = newcomer.run("--secret", "id=x,src=/no/such", command=["true"]).exited(125)
    assert "/no/such" in result.errors
    assert not (newcomer.imgfetch.store / "index.json").exists()


def test_a_bundle_has_no_volumes_of_the_store(anybody: Somebody) -> None:
    target = anybody.workspace() / "bundle"
    result = anybody.imgfetch(
        "bundle", "-v", "name:/data", anybody.published.busybox, target, "--", "true"
    ).exited(13)
    assert "/data" in result.errors


def test_the_specification_names_what_would_be_made_and_makes_nothing(myself: Somebody) -> None:
    before = sorted(volume(myself, "..").rglob("*"))
    result = myself.imgfetch(
        "spec", "--network", "none", "-v", "planned:/a", "-v", "/b",
        "--mount", f"type=image,src={myself.published.stencil},dst=/c",
        "--secret", "id=s,src=/no/such", myself.published.busybox,
    ).succeeded()  # fmt: skip
    sources = {m["destination"]: m["source"] for m in json.loads(result.stdout)["mounts"]}
    assert sources["/a"] == f"{volume(myself, 'planned')}"
    assert sources["/b"].endswith("/rootfs/b")
    assert sources["/c"].endswith("/images/2/rootfs")
    assert sources["/run/secrets/s"].endswith("/secrets/0")
    assert sorted(volume(myself, "..").rglob("*")) == before
