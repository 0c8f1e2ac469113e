"""Completion, in the shells that it is for."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from tests.support.busybox import busybox_builder
from tests.support.cli import PROGRAM, Imgfetch
from tests.support.tools import require_tool

# What bash has by default.
BREAKS = " \\t\\n\"'@><=;|&(:"

# Calls the function for each line of standard input, as bash would; only there is compopt allowed.
BASH = f"""
source <(imgfetch completion bash)
COMP_WORDBREAKS=$'{BREAKS.replace("'", chr(92) + "'")}'
compopt() {{ offered+=("$*"); }}
while IFS= read -r COMP_LINE; do
    COMP_POINT=${{#COMP_LINE}} offered=()
    _imgfetch imgfetch
    echo "${{offered[*]}} ${{COMPREPLY[*]}}"
done
"""

# The same with what zsh's own functions do with the answer.
ZSH = """
compdef() { :; }
compadd() { offered+=(${parts}); }
_describe() { offered+=(${described%%:[^:]*}); }
_files() { offered+=("files:$skipped:$*"); }
compset() { skipped=$2; }
source <(imgfetch completion zsh)
while IFS= read -r line; do
    offered=() skipped=
    words=("${(@s: :)line}") CURRENT=$#words
    _imgfetch
    print -r -- $offered
done
"""

FISH = """
source (imgfetch completion fish | psub)
while read line
    echo (complete -C "$line" | string replace -r '\\t.*' '')
end
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Imgfetch]:
    """A store with three names and a container, and a directory with something in it."""
    directory = tmp_path_factory.mktemp("completion")
    home, store = directory / "home", directory / "store"
    (home / "images" / "inside").mkdir(parents=True)
    store.mkdir(mode=0o700)
    for name in ("docker.io/library/alpine:3", "docker.io/me/tool:2", "host.example:5000/app:1"):
        busybox_builder().write(store, name)
    imgfetch = Imgfetch(store, home)
    options = ("--name", "web", "--network", "none")
    imgfetch("--offline", "run", "-d", *options, "alpine:3", "sleep", "1000").succeeded()
    yield imgfetch
    imgfetch("rm", "-f", "web").succeeded()


def _environment(world: Imgfetch) -> dict[str, str]:
    environment = world.environment()
    return {**environment, "PATH": f"{PROGRAM.parent}:{environment['PATH']}"}


def _answers(world: Imgfetch, lines: list[str], shell: str, *arguments: str) -> list[str]:
    """What a shell makes of each line."""
    done = subprocess.run(
        [require_tool(shell), *arguments],
        input="".join(f"{line}\n" for line in lines),
        env=_environment(world),
        cwd=world.home,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return [line.strip() for line in done.stdout.splitlines()]


def test_bash_completes_commands_options_values_files_and_names(world: Imgfetch) -> None:
    expected = {
        "imgfetch pu": "pull push",
        "imgfetch --log": "--log-format",
        "imgfetch --log-format=": "text json",
        "imgfetch --offline run --pull n": "newer never",
        "imgfetch run al": "alpine:3",
        "imgfetch run alpine:": "3",
        "imgfetch run host.example:5000/a": "5000/app:1",
        "imgfetch run docker.io/m": "docker.io/me/tool:2",
        "imgfetch run store:me/": "me/tool:2",
        "imgfetch tag alpine:3 me": "me/tool:2",
        "imgfetch rmi alpine:3 al": "",  # it is there already
        "imgfetch run oci:im": "-o default",
        "imgfetch unpack alpine:3 im": "-o dirnames -o filenames",
        "imgfetch exec ": "web",
        "imgfetch exec web -": "",  # another program's
        "imgfetch --store /nowhere run al": "",
        "imgfetch --config /nowhere run al": "alpine:3",
    }
    answers = _answers(world, list(expected), "bash", "--norc", "-c", BASH)
    assert dict(zip(expected, answers, strict=True)) == expected


def test_zsh_completes_the_same(world: Imgfetch) -> None:
    expected = {
        "imgfetch pu": "pull push",
        "imgfetch --log-format=": "--log-format=text --log-format=json",
        "imgfetch run docker-": "docker-archive:",
        "imgfetch run oci:im": "files:4:",
        "imgfetch --store=im": "files:8:-/",
        "imgfetch logs ": "web",
    }
    answers = _answers(world, list(expected), "zsh", "-f", "-c", ZSH)
    assert dict(zip(expected, answers, strict=True)) == expected


def test_fish_completes_the_same(world: Imgfetch) -> None:
    expected = {
        "imgfetch pu": "pull push",
        "imgfetch run al": "alpine:3",
        "imgfetch run oci:im": "oci:images/",
        "imgfetch --store=im": "--store=images/",
        "imgfetch logs ": "web",
    }
    answers = _answers(world, list(expected), "fish", "--no-config", "-c", FISH)
    assert dict(zip(expected, answers, strict=True)) == expected


def test_a_reference_that_bash_splits_is_put_together_again_on_a_terminal(world: Imgfetch) -> None:
    shell = pexpect.spawn(
        require_tool("bash"),
        ["--norc", "--noprofile"],
        env={**_environment(world), "TERM": "dumb", "PS1": "", "HISTFILE": ""},
        cwd=str(world.home),
        encoding="utf-8",
        dimensions=(24, 500),
        timeout=30,
    )
    # Says what it is given, and passes on what completion asks.
    said = 'if [[ -v _IMGFETCH_COMPLETE ]]; then command imgfetch "$@"; else printf "<%s>" "$@"; fi'
    shell.sendline(
        f"source <(imgfetch completion bash); imgfetch() {{ {said}; }}; echo ready-$((1))"
    )
    shell.expect_exact("ready-1")
    for typed, meant in (
        ("run alpine\t", "<run><alpine:3>"),
        ("run host.example:50\t", "<run><host.example:5000/app:1>"),
        ("run alpine@\t", "<run><alpine@sha256:"),
        ("--progress=j\t", "<--progress=json>"),
    ):
        shell.send(f"imgfetch {typed}")
        shell.sendline("")
        shell.expect_exact(meant)
    shell.sendeof()
    shell.expect(pexpect.EOF)
    shell.close()


@pytest.mark.parametrize("what", ["nothing there", "not a store", "settings that are wrong"])
def test_a_store_that_can_not_be_read_is_passed_over_in_silence(
    imgfetch: Imgfetch, tmp_path: Path, what: str
) -> None:
    if what == "not a store":
        imgfetch.store.mkdir(mode=0o700)
        (imgfetch.store / "oci-layout").write_text("no")
    wrong = {"IMGFETCH_OFFLINE": "perhaps", "IMGFETCH_NETWORK": "none of these"}
    asked = imgfetch(
        *("run", ""),
        env={"_IMGFETCH_COMPLETE": "fish", **(wrong if what.startswith("settings") else {})},
    ).succeeded()
    assert (asked.stdout, asked.stderr) == (b"", b"")
    assert imgfetch.store.exists() == (what == "not a store")
