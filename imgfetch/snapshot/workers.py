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

from imgfetch import errors, failures
from imgfetch.fs import linux

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

_BLOCK = 65536
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(slots=True)
class Worker:
    """A child at work.

    Attributes:
        descriptor: readable when it has something to say, or has ended.
        pid: its process.
    """

    descriptor: int
    pid: int
    _said: bytearray

    @classmethod
    def start(cls, task: Callable[[], Any], others: Sequence[int] = ()) -> Worker:
        """Fork a child that runs a task; this process has to be single-threaded.

        Args:
            task: returns a JSON value.
            others: descriptors that the child is to close.
        """
        read, write = os.pipe()
        parent = os.getpid()
        # What a handler raises while a child is made could be raised twice, or be lost.
        allowed = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
        try:
            pid = os.fork()
            if pid == 0:
                _work(task, write, parent, (read, *others), allowed)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, allowed)
        os.close(write)
        return cls(read, pid, bytearray())

    def listen(self) -> bool:
        """Take what it says, waiting for that; False once it has said everything."""
        block = os.read(self.descriptor, _BLOCK)
        self._said += block
        return bool(block)

    def has_news(self) -> bool:
        """Whether there is something to listen to at once."""
        poll = select.poll()
        poll.register(self.descriptor, select.POLLIN | select.POLLHUP)
        return bool(poll.poll(0))

    def result(self) -> Any:  # noqa: ANN401 - what the task returned
        """Wait for the end, and give what the task returned.

        Raises:
            ImgfetchError: the task raised it.
            RuntimeFailedError: its process was killed.
            RuntimeError: it raised something else.
        """
        while self.listen():
            pass
        os.close(self.descriptor)
        os.waitpid(self.pid, 0)
        return _value(bytes(self._said))

    def end(self, number: int = signal.SIGKILL) -> None:
        """End it with a signal, and wait for that."""
        os.close(self.descriptor)
        os.kill(self.pid, number)
        os.waitpid(self.pid, 0)


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
        RuntimeFailedError: a task's process was killed.
        RuntimeError: a task raised something else.
    """
    waiting = list(enumerate(tasks))[::-1]
    working: dict[int, tuple[int, Worker]] = {}
    poll = select.poll()
    try:
        while waiting or working:
            while waiting and len(working) < limit:
                number, task = waiting.pop()
                worker = Worker.start(task, tuple(working))
                working[worker.descriptor] = (number, worker)
                poll.register(worker.descriptor, select.POLLIN | select.POLLHUP)
            for descriptor, _ in poll.poll():
                number, worker = working[descriptor]
                if not worker.listen():
                    poll.unregister(descriptor)
                    del working[descriptor]
                    yield number, worker.result()
    finally:
        for _, worker in working.values():
            worker.end()


def _work(
    task: Callable[[], Any],
    write: int,
    parent: int,
    others: Sequence[int],
    allowed: Iterable[int],
) -> NoReturn:
    """The child's life."""
    try:
        linux.die_with_parent(signal.SIGKILL)
        for number in _ENDING:
            # What these mean to the command is the parent's business.
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, allowed)
        for descriptor in others:
            os.close(descriptor)
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
    except BaseException as error:  # noqa: BLE001 - told to the parent, which raises it
        return failures.to_message(error)


def _value(said: bytes) -> Any:  # noqa: ANN401 - what the task returned
    try:
        outcome = json.loads(said)
    except ValueError as error:  # nothing, or a part of what it had to say
        message = "a process that unpacked a layer was killed"
        hint = "if memory was short, make more available, then run the command again"
        raise errors.RuntimeFailedError(message, hint=hint) from error
    if "value" not in outcome:
        raise failures.from_message(outcome)
    return outcome["value"]
