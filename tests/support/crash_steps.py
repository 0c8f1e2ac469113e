"""Kills a process at each step of its work and looks what is left; a program, started by tests.

    crash_steps.py SCENARIO DIRECTORY

A step is a call that changes the file system or takes a lock. The scenario runs in a child
that kills itself before its first step, then in another that does before its second, and so
on until one comes to its end. After each, what is visible has to be whole, and the scenario
has to succeed when it is run again. Prints how many were killed.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import signal
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from imgfetch.cas.directory import LayoutStore
from imgfetch.cas.gc import collect
from imgfetch.client import Client, Settings
from imgfetch.oci import mediatype
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.digest import Digest
from imgfetch.oci.document import Object
from tests.support.documents import encode
from tests.support.incoming import Incoming
from tests.support.sources import RecordedProgress

STEPS = ("mkdir", "chmod", "open", "fchmod", "ftruncate", "write", "fsync", "rename", "unlink")

LAYER = Incoming.of(bytes(range(256)) * 40)
CONFIG = Incoming.of(b"{}", media_type=mediatype.OCI_CONFIG)
MANIFEST = Incoming.of(
    encode(
        {
            "schemaVersion": 2,
            "mediaType": mediatype.OCI_MANIFEST,
            "config": CONFIG.descriptor.to_json(),
            "layers": [LAYER.descriptor.to_json()],
        }
    ),
    media_type=mediatype.OCI_MANIFEST,
)
IMAGE = (LAYER, CONFIG, MANIFEST)


class Killer:
    """Ends this process when a number of steps have been made.

    Args:
        steps: how many are made.
        half: let half of the next one happen, where it is a write.
    """

    def __init__(self, steps: int, *, half: bool) -> None:
        self._left = steps
        self._half = half

    def install(self) -> None:
        for name in STEPS:
            setattr(os, name, self._counted(name, getattr(os, name)))
        fcntl.flock = self._counted("flock", fcntl.flock)

    def _counted(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - as of os
            if self._left == 0:
                if name == "write" and self._half:
                    real(arguments[0], arguments[1][: len(arguments[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            self._left -= 1
            return real(*arguments, **options)

        return counted


def pull(path: Path) -> None:
    store = LayoutStore(path, lock_timeout=5)
    with store.lease():
        for incoming in IMAGE:
            store.ingest(incoming.content, RecordedProgress())
        store.tag("image", MANIFEST.descriptor)


def remove(path: Path) -> None:
    """Another name first, so that something is in the index to be rewritten."""
    store = LayoutStore(path, lock_timeout=5)
    store.tag("other", CONFIG.descriptor)
    store.untag("image")
    collect(store, timeout=5)


def after_pull(path: Path) -> None:
    store = LayoutStore(path)
    assert dict(store.entries()) == {"image": MANIFEST.descriptor}
    for incoming in IMAGE:
        assert store.read(incoming.descriptor, 1 << 20) == incoming.data


def after_remove(path: Path) -> None:
    store = LayoutStore(path)
    assert dict(store.entries()) == {"other": CONFIG.descriptor}
    assert [store.contains(incoming.descriptor) for incoming in IMAGE] == [False, True, False]


SCENARIOS: dict[str, tuple[Callable[[Path], None], ...]] = {
    "pull": (lambda _path: None, pull, after_pull),
    "remove": (pull, remove, after_remove),
}


def check_whole(path: Path) -> None:
    """All that a reader can see is complete, and fsck has nothing to say."""
    assert Client(Settings(str(path))).check() == []
    for blob in path.glob("blobs/*/*"):
        assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name, blob
    for name in ("oci-layout", "index.json"):
        if (path / name).exists():
            json.loads((path / name).read_bytes())
    names = dict(LayoutStore(path).entries())
    assert names.keys() <= {"image", "other"}
    if "image" in names:
        check_image(path, names["image"])


def check_image(path: Path, descriptor: Descriptor) -> None:
    """A name is only given to what is there."""
    store = LayoutStore(path)
    document = Object(json.loads(store.read(descriptor, 1 << 20)), "manifest")
    for part in (document.object("config"), *document.objects("layers")):
        assert store.find(Digest.parse(part.string("digest"))) is not None


def check_clean(path: Path) -> None:
    """Nothing is left of what was killed, once old leftovers are cleaned up."""
    collect(LayoutStore(path), partial_age=-1)
    assert os.listdir(path / "ingest") == []
    assert sorted(os.listdir(path / "locks")) == ["content.lock", "index.lock"]
    expected = ["blobs", "index.json", "ingest", "locks", "oci-layout"]
    assert sorted(os.listdir(path)) == expected


def killed(work: Callable[[Path], None], path: Path, killer: Killer) -> bool:
    """Whether work in a child was killed before it came to its end."""
    pid = os.fork()
    if pid == 0:
        killer.install()
        try:
            work(path)
        finally:
            os._exit(0 if sys.exc_info()[0] is None else 1)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status in {0, -signal.SIGKILL}, status
    return status != 0


def main() -> None:
    prepare, work, check = SCENARIOS[sys.argv[1]]
    kills = 0
    for half in (False, True):
        for step in count():
            path = Path(sys.argv[2], f"{step}{'-half' if half else ''}")
            prepare(path)
            was_killed = killed(work, path, Killer(step, half=half))
            check_whole(path)
            if not was_killed:
                check(path)
                break
            kills += 1
            work(path)
            check(path)
            check_clean(path)
    print(kills)  # noqa: T201 - how a program answers


if __name__ == "__main__":
    main()
