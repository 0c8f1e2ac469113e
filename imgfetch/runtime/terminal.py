"""The caller's terminal and standard descriptors."""

from __future__ import annotations

import os

from imgfetch.errors import InvalidOptionError
from imgfetch.lean import contextlib
from imgfetch.lean.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

_STANDARD = (0, 1, 2)


def ensure_standard_descriptors() -> None:
    """Open ``/dev/null`` in place of standard descriptors that the caller has closed.

    Otherwise the next file opened becomes standard input or output, of the container too.
    """
    for descriptor in _STANDARD:
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free number is taken, and those below are open by now.
            opened = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(opened, True)  # noqa: FBT003 - positional only


def check_passed_on(count: int) -> None:
    """Refuse to pass descriptors from 3 on that the caller has not given us.

    Those that this process has opened itself, locks among them, are close-on-exec.

    Raises:
        InvalidOptionError: one is not open, or is ours.
    """
    for descriptor in range(len(_STANDARD), len(_STANDARD) + count):
        try:
            given = os.get_inheritable(descriptor)
        except OSError:
            given = False
        if not given:
            message = f"descriptor {descriptor} is to be preserved, but was not given to imgfetch"
            raise InvalidOptionError(message)


@contextlib.contextmanager
def terminal_kept() -> Generator[None]:
    """Give the terminal its modes back at the end, whatever happened.

    The runtime makes it raw, and restores it unless it is killed.
    """
    import termios

    terminals = [descriptor for descriptor in _STANDARD if os.isatty(descriptor)]
    if not terminals:
        yield
        return
    modes = termios.tcgetattr(terminals[0])
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):  # hung up meanwhile
            termios.tcsetattr(terminals[0], termios.TCSADRAIN, modes)


def terminal_for(
    stack: contextlib.ExitStack, *, interactive: bool, tty: bool, is_crun: bool = False
) -> int | None:
    """The terminal to be a runtime's; None for the caller's, or none.

    Args:
        stack: gets what is to be done when the runtime has ended.
        interactive: whether the container gets the caller's standard input.
        tty: whether it has a terminal.
        is_crun: whether the runtime is crun, which takes standard input for its terminal.

    Raises:
        InvalidOptionError: both, and the caller's standard input is no terminal.
    """
    if not tty:
        return None
    if interactive and not os.isatty(0):
        message = "the input device is not a terminal"
        raise InvalidOptionError(message, hint="leave -t away, or use -t without -i")
    if interactive if is_crun else any(map(os.isatty, _STANDARD)):
        stack.enter_context(terminal_kept())
        return None
    from imgfetch.runtime.relay import Relay

    relay = Relay.start()
    stack.callback(relay.release)
    return relay.terminal
