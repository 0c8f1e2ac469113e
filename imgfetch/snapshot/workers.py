"""Work in forked children, several at a time: applying layers is Python's own work.

Threads would wait for one another, small files being made by the interpreter. A child
inherits this process's namespaces and descriptors, gives back one JSON value, and is
killed when this process ends, however it ends.
"""

from __future__ import annotations

import json
import os
import select
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from imgfetch import errors
from imgfetch.fs import linux

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_BLOCK = 65536


@dataclass(slots=True)
class _Child:
    pid: int
    number: int
    said: bytearray


def results(tasks: Sequence[Callable[[], Any]], limit: int) -> Iterator[tuple[int, Any]]:
    """Run tasks in children and yield what each returns, in the order in which they end.

    The process has to be single-threaded. The first failure ends the children that are
    left, as does closing the iterator.

    Args:
        tasks: each returns a JSON value; started in order.
        limit: how many children there are at a time.

    Yields:
        The task's position and its value.

    Raises:
        ImgfetchError: the first that a task raised, as it was raised.
        RuntimeError: a task raised something else, or its process was killed.
    """
    waiting = list(enumerate(tasks))[::-1]
    children: dict[int, _Child] = {}
    poll = select.poll()
    try:
        while waiting or children:
            while waiting and len(children) < limit:
                number, task = waiting.pop()
                descriptor, pid = _start(task, tuple(children))
                children[descriptor] = _Child(pid, number, bytearray())
                poll.register(descriptor, select.POLLIN | select.POLLHUP)
            for descriptor, _ in poll.poll():
                child = children[descriptor]
                block = os.read(descriptor, _BLOCK)
                if block:
                    child.said += block
                    continue
                poll.unregister(descriptor)
                os.close(descriptor)
                del children[descriptor]
                os.waitpid(child.pid, 0)
                yield child.number, _value(bytes(child.said))
    finally:
        for descriptor, child in children.items():
            os.close(descriptor)
            os.kill(child.pid, signal.SIGKILL)
            os.waitpid(child.pid, 0)


def _start(task: Callable[[], Any], others: Sequence[int]) -> tuple[int, int]:
    read, write = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        for descriptor in (read, *others):
            os.close(descriptor)
        _work(task, write, parent)
    os.close(write)
    return read, pid


def _work(task: Callable[[], Any], write: int, parent: int) -> NoReturn:
    """The child's life."""
    try:
        linux.die_with_parent(signal.SIGKILL)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # What these mean to the command is the parent's business.
            signal.signal(number, signal.SIG_DFL)
        if os.getppid() == parent:
            said = json.dumps(_outcome(task)).encode()
            while said:
                said = said[os.write(write, said) :]
    finally:
        # No handlers, buffers or clean-up of the parent's in here.
        os._exit(0)


def _outcome(task: Callable[[], Any]) -> dict[str, Any]:
    try:
        return {"value": task()}
    except errors.ImgfetchError as error:
        told = {"message": error.message, "expected": error.expected, "actual": error.actual}
        return {"error": type(error).__name__, "told": {**told, "hint": error.hint}}
    except BaseException as error:  # noqa: BLE001 - told to the parent, which raises it
        import traceback

        return {"bug": "".join(traceback.format_exception(error))}


def _value(said: bytes) -> Any:  # noqa: ANN401 - what the task returned
    if not said:
        message = "a process that unpacked a layer was killed"
        raise RuntimeError(message)
    outcome = json.loads(said)
    if "error" in outcome:
        raise getattr(errors, outcome["error"])(**outcome["told"])
    if "bug" in outcome:
        raise RuntimeError(outcome["bug"])
    return outcome["value"]
