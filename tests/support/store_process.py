"""One of several processes that use a store at once; a program, started by tests.

Says ``ready``, waits for a line on its standard input, does what its arguments say, and tells
about it on its standard output: all processes begin at the same moment.

    store_process.py STORE tag NAME...        names for a blob each, its content the name
    store_process.py STORE ingest SIZE...     blobs of zeros; prints each transfer
    store_process.py STORE read               names until the end of standard input
"""

from __future__ import annotations

import select
import sys
import time

from imgfetch.cas.directory import LayoutStore
from imgfetch.oci.descriptor import Descriptor
from tests.support.incoming import Incoming
from tests.support.sources import RecordedProgress


def tag(store: LayoutStore, names: list[str]) -> None:
    for name in names:
        incoming = Incoming.of(name.encode())
        with store.lease():
            store.ingest(incoming.content, RecordedProgress())
            store.tag(name, incoming.descriptor)


def ingest(store: LayoutStore, sizes: list[str]) -> None:
    for size in map(int, sizes):
        incoming = Incoming.of(bytes(size))
        # Long enough for the others to arrive while this one transfers.
        incoming.before_chunk = lambda _offset: time.sleep(0.02)
        store.ingest(incoming.content, RecordedProgress())
        assert store.contains(incoming.descriptor)
        for offset in incoming.offsets:
            print(f"{size} from {offset}", flush=True)  # noqa: T201 - how a program answers


def read(store: LayoutStore, _arguments: list[str]) -> None:
    before = 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        names = [name for name, _ in store.entries()]
        assert len(names) >= before
        before = len(names)
        assert store.lookup("nothing") is None
        for name in filter(None, names):
            assert store.lookup(name) == Descriptor.of(
                name.encode(), Incoming.of(b"").descriptor.media_type
            )


COMMANDS = {"tag": tag, "ingest": ingest, "read": read}


def main() -> None:
    path, command, *arguments = sys.argv[1:]
    print("ready", flush=True)  # noqa: T201 - as above
    sys.stdin.readline()
    COMMANDS[command](LayoutStore(path), arguments)


if __name__ == "__main__":
    main()
