"""User namespaces with other ids than usual."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.e2e.people import Somebody
from tests.support.cli import Result
from tests.support.tools import require_tool


def test_keep_id_is_the_same_user_inside(subid_somebody: Somebody) -> None:
    user = subid_somebody.imgfetch.user
    assert user is not None
    workspace = subid_somebody.workspace()
    script = "id -u; id -g; stat -c %u /work; touch /work/x; stat -c %u /etc/passwd"
    result = subid_somebody.run(
        "--userns", "keep-id", "-v", f"{workspace}:/work", command=["sh", "-c", script]
    ).succeeded()
    assert result.lines == [str(user.uid), str(user.gid), str(user.uid), "0"]
    assert (workspace / "x").stat().st_uid == user.uid


def test_keep_id_has_other_users_too(subid_somebody: Somebody) -> None:
    for name, uid in (("root", "0"), ("app", "1000")):
        result = subid_somebody.run("--userns", "keep-id", "-u", name, command=["id", "-u"])
        assert result.succeeded().lines == [uid]


def test_other_runs_get_along_with_one_that_keeps_ids(newcomer: Somebody) -> None:
    """Also where that one was the first of all: the store stays the user's."""
    status = newcomer.run("--userns", "keep-id", command=["true"]).returncode
    alone = newcomer.imgfetch.user is not None and not newcomer.imgfetch.user.has_subids
    assert status == (125 if alone else 0)
    newcomer.run(command=["true"]).succeeded()
    newcomer.imgfetch("images").succeeded()
    newcomer.imgfetch("rmi", newcomer.published.busybox).succeeded()


def test_keep_id_for_root_is_root(myself: Somebody) -> None:
    assert myself.run("--userns", "keep-id", command=["id", "-u"]).succeeded().lines == ["0"]


def test_keep_id_without_subordinate_ids_says_what_is_missing(plain_somebody: Somebody) -> None:
    result = plain_somebody.run("--userns", "keep-id", command=["true"]).exited(125)
    assert "/etc/subuid" in result.errors


@pytest.mark.parametrize("mode", ["host", "auto"])
def test_the_usual_namespaces_can_be_asked_for(anybody: Somebody, mode: str) -> None:
    anybody.run("--userns", mode, command=["true"]).succeeded()


def test_root_can_have_a_user_namespace_with_ids_of_its_own(myself: Somebody) -> None:
    maps = ["--uidmap", "0:0:1", "--uidmap", "1:100000:2000"]
    script = "cat /proc/self/uid_map /proc/self/gid_map; stat -c %u /home/app"
    lines = myself.run(*maps, command=["sh", "-c", script]).succeeded().lines
    rows = [line.split() for line in lines[:4]]
    assert rows == [["0", "0", "1"], ["1", "100000", "2000"]] * 2
    assert lines[4] == "1000"


def test_a_user_can_have_fewer_ids(subid_somebody: Somebody) -> None:
    uid, gid = (
        os.stat(subid_somebody.workspace()).st_uid,
        os.stat(subid_somebody.workspace()).st_gid,
    )
    script = ["cat", "/proc/self/uid_map"]
    maps = ["--uidmap", f"0:{uid}:1", "--gidmap", f"0:{gid}:1"]
    lines = subid_somebody.run(*maps, command=script).succeeded().lines
    assert [line.split() for line in lines] == [["0", str(uid), "1"]]


@pytest.mark.parametrize(
    "options",
    [
        ["--uidmap", "5:0:1"],
        ["--uidmap", "0:100000:1"],
        ["--uidmap", "0:0"],
        ["--userns", "keep-id", "--uidmap", "0:0:1"],
        ["--userns", "nomap"],
    ],
)
def test_ids_that_make_no_sense_are_125(anybody: Somebody, options: list[str]) -> None:
    result = anybody.run(*options, command=["true"]).exited(125)
    assert result.errors.startswith("imgfetch: ")
    assert "bug" not in result.errors


def test_ids_of_others_cannot_be_had(subid_somebody: Somebody) -> None:
    uid = os.stat(subid_somebody.workspace()).st_uid
    maps = ["--uidmap", f"0:{uid}:1", "--uidmap", "1:1:1"]
    result = subid_somebody.run(*maps, command=["true"]).exited(125)
    assert "/etc/subuid" in result.errors or "maps need" in result.errors


def test_root_that_may_map_no_ids_is_told_what_it_lacks(myself: Somebody) -> None:
    """R168: as in a pod from which capabilities were taken."""
    run = myself.imgfetch.argv("run", "--network", "none", myself.published.busybox, "true")
    for taken, status in (("-sys_admin,-setfcap", 125), ("-sys_admin", 0)):
        done = subprocess.run(
            [require_tool("setpriv"), f"--bounding-set={taken}", *run],
            env=myself.imgfetch.environment(), capture_output=True, check=False, timeout=60,
        )  # fmt: skip
        said = Result(done.returncode, done.stdout, done.stderr).exited(status)
        assert ("the lack of CAP_SETUID, CAP_SETGID or CAP_SETFCAP" in said.errors) == bool(status)
