"""Whatever name is visible after a power loss stands for something whole.

The system calls of real commands are held against the model of `tests.support.durability`.
"""

from __future__ import annotations

import re
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import pytest

from tests.support.busybox import busybox_builder
from tests.support.cli import Imgfetch
from tests.support.contents import Dir, Entry, File
from tests.support.docker_registry import docker_registry
from tests.support.durability import CALLS, Event, faults, read_trace
from tests.support.preloaded import workers
from tests.support.struck import traced
from tests.support.upload import upload

__all__ = ["workers"]

NAME = "localhost/image:1"


@dataclass(frozen=True, slots=True)
class Traces:
    """What commands did to one store, one after the other."""

    events: dict[str, list[Event]]


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory, workers: ProcessPoolExecutor) -> Traces:
    """A pull, an unpacking, a removal, and a pull that does all at once."""
    directory = tmp_path_factory.mktemp("power")
    lower: dict[str, Entry] = {"etc": Dir(), "etc/a": File("a"), "d": Dir(), "d/b": File("b")}
    image = busybox_builder().layer(lower).layer({"d/.wh.b": File(), "d/c": File("c")})
    written = image.write(directory / "layout", NAME)
    with docker_registry(directory / "registry") as registry:
        remote = upload(registry.host, directory / "layout", written.descriptor, "image", "1")
        (directory / "home").mkdir()
        command = Imgfetch(directory / "store", directory / "home")
        return Traces(
            {
                name: workers.submit(_events, command, *args).result()
                for name, args in {
                    "pull": ["pull", remote],
                    "unpack": ["run", "--network", "none", remote, "true"],
                    "rmi": ["rmi", remote],
                    "all": ["pull", "--unpack", f"oci:{directory}/layout:{NAME}"],
                }.items()
            }
        )


def _events(command: Imgfetch, *args: str) -> list[Event]:
    log = command.home / "log"
    expression = f"trace={','.join(CALLS)}"
    traced(command, expression, *args, log=log, options="-y -s 0").succeeded()
    return read_trace(log, command.store)


@pytest.mark.parametrize("command", ["pull", "unpack", "rmi", "all"])
def test_a_name_comes_after_what_it_stands_for(traces: Traces, command: str) -> None:
    """R093."""
    events = traces.events[command]
    assert "\n".join(sorted(set(faults(events)))) == ""


def test_everything_was_looked_at(traces: Traces) -> None:
    names = [e.path for e in traces.events["pull"] if e.call == "rename"]
    assert names[0] == "oci-layout"
    assert names[1] == names[-1] == "index.json"
    assert sum(name.startswith("blobs/") for name in names) == 5
    unpacked = [e.path for e in traces.events["unpack"] if e.call == "rename"]
    assert sum(bool(re.fullmatch(r"snapshots/root/[0-9a-f]+", path)) for path in unpacked) == 3
    # Also what was written through a mounted overlay.
    assert any(re.search(r"staging-\w+/rootfs/d/c", e.path) for e in traces.events["unpack"])
    removed = [e.path for e in traces.events["rmi"] if e.call == "unlink"]
    assert sum(path.startswith("blobs/") for path in removed) == 5


@pytest.mark.parametrize("command", ["pull", "unpack", "rmi"])
def test_no_sync_is_for_nothing(traces: Traces, command: str) -> None:
    """And the model notices when a file or a directory is not synced."""
    events = traces.events[command]
    syncs = {(event.call, event.path) for event in events if "sync" in event.call}
    assert len(syncs) > 1
    for sync in syncs:
        without = [event for event in events if (event.call, event.path) != sync]
        assert any(faults(without)), sync
