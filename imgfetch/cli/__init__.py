"""The command line: the only owner of arguments, environment, terminal and exit."""

from __future__ import annotations

import gc
import os
import sys

from imgfetch import __version__
from imgfetch.lean import pack, signal
from imgfetch.lean.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgfetch.lean.pack import Pack

# Objects made since the last search for garbage, where Python's default is 700.
_GARBAGE = 50_000

modules: Pack | None = None
"""Where this process's modules come from, if it is a command."""

# Whoever else imports this has arrangements of their own.
if sys.argv[:1] and sys.argv[0].endswith("/imgfetch"):
    # A command loads much and drops little: looking for garbage all the time finds none.
    gc.set_threshold(_GARBAGE)
    # What is to tell of an interruption in good order is still being imported: until it is
    # there (see `imgfetch.cli.main`) Ctrl-C ends the command as it ends other programs,
    # without a traceback.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    modules = pack.install(os.path.dirname(os.path.dirname(__file__)), __version__)
