"""What a broker of data services relies on: stencils called by digest, offline, many at once."""

from __future__ import annotations

import json
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.people import Somebody
from tests.support.cli import Result
from tests.support.docker_registry import DockerRegistry
from tests.support.lifecycle import lifecycle_builder
from tests.support.upload import upload

PASSWORD = "s3cret/adm1n"


@dataclass(frozen=True, slots=True)
class Broker:
    """Calls lifecycle scripts.

    Attributes:
        somebody: who it runs as.
        stencils: references with digests, by the version of the tool inside.
        workspace: what all calls share.
        secret: file with the administrator's password.
    """

    somebody: Somebody
    stencils: dict[str, str]
    workspace: Path
    secret: Path

    def call(
        self, script: str, *words: str, version: str = "15.4", options: tuple[str, ...] = (),
        parameters: object = None, result: Path | None = None,
    ) -> Result:  # fmt: skip
        """Calls a script, with parameters as JSON on its standard input."""
        return self.somebody.imgfetch(
            "--offline", "run", "-i", "--rm", "--network", "none", "--read-only",
            "-v", f"{self.workspace}:/workspace", "-e", "ADMIN_PASSWORD",
            "--secret", f"id=admin,src={self.secret}",
            *(("--result", result) if result else ()), *options,
            self.stencils[version], script, *words,
            input=json.dumps(parameters), env={"ADMIN_PASSWORD": PASSWORD},
        )  # fmt: skip

    def answer(self, script: str, *words: str, **how: Any) -> dict[str, str]:
        """What a script that succeeds has to say."""
        document: dict[str, str] = json.loads(self.call(script, *words, **how).succeeded().stdout)
        return document


@pytest.fixture(scope="session")
def stencils(tmp_path_factory: pytest.TempPathFactory, registry: DockerRegistry) -> dict[str, str]:
    """The same lifecycle with two versions of its tool, in a registry."""
    layout = tmp_path_factory.mktemp("stencils") / "layout"
    references = {}
    for version in ("12.1", "15.4"):
        written = lifecycle_builder(version).write(layout, version)
        name = upload(registry.host, layout, written.descriptor, "broker/postgres", version)
        references[version] = f"{name.rpartition(':')[0]}@{written.digest}"
    return references


@pytest.fixture
def broker(anybody: Somebody, stencils: dict[str, str]) -> Broker:
    anybody.imgfetch("pull", "--unpack", *stencils.values()).succeeded()
    workspace = anybody.workspace()
    secret = anybody.workspace() / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o600)
    owner = workspace.stat()
    os.chown(secret, owner.st_uid, owner.st_gid)
    return Broker(anybody, stencils, workspace, secret)


def test_an_instance_is_provisioned_bound_unbound_and_deprovisioned(broker: Broker) -> None:
    broker.call("viable").succeeded()
    parameters = {"plan": "small", "names": ["ä", "\u2028", 'quo"te']}
    provisioned = broker.answer("provision", "db1", parameters=parameters)
    assert provisioned == {"instance": "db1", "tool": "psql 15.4"}
    assert json.loads((broker.workspace / "db1/parameters").read_bytes()) == parameters
    binding = broker.answer("bind", "db1", "app")
    assert binding["username"] == "app"
    assert (broker.workspace / "db1/user-app").read_text() == binding["password"]
    assert (broker.workspace / "db1").stat().st_uid == broker.workspace.stat().st_uid
    broker.call("unbind", "db1", "app").succeeded()
    broker.call("deprovision", "db1").succeeded()
    assert list(broker.workspace.iterdir()) == []


def test_failures_are_the_scripts_own_or_ours_and_never_mistaken(
    broker: Broker, tmp_path: Path
) -> None:
    result = broker.secret.parent / "result"
    said = broker.call("bind", "none", "app", result=result).exited(5)
    assert (said.stdout, said.stderr) == (b"", b"no none\n")
    document = json.loads(result.read_bytes())
    assert (document["exit_code"], document["error"]) == (5, None)
    assert document["digest"] == broker.stencils["15.4"].partition("@")[2]
    broker.call("no-such-script", result=result).exited(127)
    assert json.loads(result.read_bytes())["error"]["kind"] == "CommandError"
    missing = broker.somebody.imgfetch(
        "--offline", "run", "--result", result, f"localhost:1/x@sha256:{'0' * 64}"
    ).exited(125)
    assert missing.stdout == b""
    assert json.loads(result.read_bytes())["error"]["kind"] == "NotInStoreError"


def test_two_versions_of_a_tool_live_side_by_side(broker: Broker) -> None:
    for version in ("12.1", "15.4", "12.1"):
        answer = broker.answer("provision", f"db-{version}-{time.monotonic_ns()}", version=version)
        assert answer["tool"] == f"psql {version}"


def test_no_secret_is_left_anywhere(broker: Broker) -> None:
    """Not in the store, nor in what is said; the workspace is the script's own."""
    said = broker.call("provision", "db1")
    assert PASSWORD not in (said.stdout + said.stderr).decode()
    found = subprocess.run(
        ["grep", "-rlF", PASSWORD, str(broker.somebody.imgfetch.store), str(broker.workspace)],
        capture_output=True, check=False,
    )  # fmt: skip
    assert found.stdout == b""


def test_twelve_calls_in_a_row_leave_what_one_leaves(broker: Broker) -> None:
    broker.call("viable").succeeded()
    before = left_by(broker)
    for number in range(12):
        assert broker.answer("provision", f"db{number}")["instance"] == f"db{number}"
    assert left_by(broker) == before
    assert len(list(broker.workspace.iterdir())) == 12


def test_eight_at_once_do_not_meet(broker: Broker) -> None:
    before = left_by(broker)
    versions = ["12.1", "15.4"] * 4

    def provision(number: int) -> dict[str, str]:
        return broker.answer(
            "provision", f"db{number}", version=versions[number], parameters={"n": number}
        )

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(provision, range(8)))
    assert [answer["instance"] for answer in answers] == [f"db{n}" for n in range(8)]
    assert [answer["tool"] for answer in answers] == [f"psql {v}" for v in versions]
    for number in range(8):
        parameters = json.loads((broker.workspace / f"db{number}/parameters").read_bytes())
        assert parameters == {"n": number}
    assert left_by(broker) == before


def left_by(broker: Broker) -> set[str]:
    """What there is in the store besides blobs and unpacked layers."""
    store = broker.somebody.imgfetch.store
    return {
        str(path.relative_to(store))
        for name in ("runs", "locks", "ingest")
        for path in (store / name).rglob("*")
    }


def test_a_script_that_hangs_is_ended_in_time(broker: Broker) -> None:
    result = broker.secret.parent / "result"
    options = ("--timeout", "1", "--stop-timeout", "0.2")
    broker.call("stuck", options=options, result=result).exited(137)
    document = json.loads(result.read_bytes())
    assert (document["timed_out"], document["signal"]) == (True, 9)


def test_what_a_script_leaves_running_ends_with_it(broker: Broker) -> None:
    assert broker.call("daemon").succeeded().stdout == b"left one behind\n"
    running = subprocess.run(["pgrep", "-f", "sleep 67.125"], capture_output=True, check=False)
    assert running.stdout == b""


def test_a_flood_arrives_in_full(broker: Broker) -> None:
    size = 20_000_000
    assert broker.call("flood", str(size)).succeeded().stdout == b"x" * size


def test_a_reader_that_goes_away_ends_the_script(broker: Broker) -> None:
    """The broker died, or has seen enough: nothing may go on writing for ever."""
    argv = broker.somebody.imgfetch.argv(
        "--offline", "run", "--network", "none", broker.stencils["15.4"], "yes"
    )
    process = subprocess.Popen(
        argv, env=broker.somebody.imgfetch.environment(), stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, cwd=broker.somebody.imgfetch.home,
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.read(1000)
    process.stdout.close()
    assert process.wait(timeout=30) != 0
    assert list((broker.somebody.imgfetch.store / "runs").glob("[0-9a-f]*")) == []
