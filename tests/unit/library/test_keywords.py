"""Keywords of a run are the options of the command line."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from imgfetch.bundle.options import BindMount, RunOptions, TmpfsMount
from imgfetch.cli.commands.run import command
from imgfetch.client import Settings
from imgfetch.errors import InvalidMountError, InvalidOptionError, UsageError
from imgfetch.library.keywords import (
    ContainerOptions,
    RunKeywords,
    run_options,
    split,
    supervision,
)

SETTINGS = Settings("/store", network="none", environment={"HOME": "/h", "SHARED": "yes"})

# Of the command line, for which Python has other ways.
ELSEWHERE = {
    "arguments",
    "cidfile",
    "detach",
    "interactive",
    "pidfile",
    "preserve_fds",
    "pull",
    "reference",
    "result",
    "rm",
    "sig_proxy",
    "timeout",
    # Settings of the client.
    "authfile",
    "ca",
    "creds",
    "insecure_skip_verify",
    "locked",
    "plain_http",
    "retries",
}
OTHER_NAMES = {
    "uid_maps": "uidmap",
    "gid_maps": "gidmap",
}


def options(argv: str | Sequence[str | Path] | None = None, **given: Any) -> RunOptions:
    return run_options(argv, given, SETTINGS)


def test_every_option_of_the_command_line_is_a_keyword() -> None:
    keywords = {OTHER_NAMES.get(name, name) for name in RunKeywords.__annotations__}
    keywords |= {name.removesuffix("s") for name in keywords}
    names = {parameter.name for parameter in command.params}
    assert names - keywords - ELSEWHERE == set()


def test_every_keyword_is_told_about() -> None:
    for kind in (ContainerOptions, RunKeywords):
        told = {line.strip().partition(":")[0] for line in (kind.__doc__ or "").splitlines()}
        own = set(kind.__annotations__)
        if kind is RunKeywords:
            own -= set(ContainerOptions.__annotations__)
        assert own <= told


def test_nothing_given_is_nothing_asked_for() -> None:
    plain = options()
    assert (plain.process.args, plain.process.env, plain.files.mounts) == ((), (), ())
    assert (plain.process.entrypoint, plain.process.umask, plain.patch) == (None, None, None)
    assert plain.network.mode == "none"


def test_keywords_mean_what_options_mean(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("A=file\nSHARED\n")
    made = options(
        ["x", Path("/y")],
        env={"A": "1", "B": None},
        env_files=[tmp_path / "env"],
        mounts=["type=tmpfs,dst=/t", BindMount("/etc", "/e")],
        entrypoint=["/bin/sh", "-c"],
        user=1000,
        umask=0o077,
        memory=1 << 20,
        cpus=0.5,
        pids_limit=-1,
        publish=[80],
        labels={"a": "b=c"},
        read_only=True,
        network="host",
        spec_patch={"hostname": "x"},
    )
    assert made.process.args == ("x", "/y")
    assert made.process.env == (("A", "file"), ("SHARED", "yes"), ("A", "1"), ("B", None))
    assert made.process.entrypoint == ("/bin/sh", "-c")
    assert (made.process.user, made.process.umask) == ("1000", 0o077)
    assert [type(mount) for mount in made.files.mounts] == [TmpfsMount, BindMount]
    assert (made.limits.memory, made.limits.cpus, made.limits.pids) == (1 << 20, 0.5, -1)
    assert made.network.publish[0].container_port == 80
    assert made.labels == {"a": "b=c"}
    assert (made.files.read_only, made.network.mode) == (True, "host")
    assert made.patch == {"hostname": "x"}


def test_text_alone_is_one_word_and_an_empty_entrypoint_none() -> None:
    made = options("ls", entrypoint="")
    assert (made.process.args, made.process.entrypoint) == (("ls",), ())
    assert options(entrypoint="sh").process.entrypoint == ("sh",)


def test_relative_paths_are_the_callers() -> None:
    mount = options(volumes=["./x:/x"]).files.mounts[0]
    assert isinstance(mount, BindMount)
    assert mount.source == f"{os.getcwd()}/x"


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"volums": ["/a:/b"]}, UsageError),
        ({"volumes": "/a:/b"}, UsageError),
        ({"mounts": "type=tmpfs,dst=/t"}, UsageError),
        ({"volumes": ["/a:b:c:d"]}, InvalidMountError),
        ({"memory": "much"}, InvalidOptionError),
        ({"env": {"A=B": "c"}}, InvalidOptionError),
        ({"env": {"": "c"}}, InvalidOptionError),
        ({"network": "bridge"}, InvalidOptionError),
        ({"env_files": ["/no/such/file"]}, InvalidOptionError),
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        options(**given)


def test_what_is_about_supervision_is_told_from_the_container() -> None:
    mine, rest = split({"env": {}, "stop_timeout": 1, "policy": "never", "keep": True, "typo": 1})
    assert set(mine) == {"env", "typo"}
    assert set(rest) == {"stop_timeout", "policy", "keep"}
    watched = supervision(rest, timeout=2)
    assert (watched.stop_timeout, watched.keep, watched.timeout) == (1, True, 2)
