"""The command line: the only owner of arguments, environment, terminal and exit."""

from __future__ import annotations

import sys

from imgfetch.lean import signal

# What is to tell of an interruption in good order is still being imported: until it is there
# (see `imgfetch.cli.main`) Ctrl-C ends the command as it ends other programs, without a
# traceback. Whoever else imports this has arrangements of their own.
if (
    sys.argv[:1]
    and sys.argv[0].endswith("/imgfetch")
    and signal.getsignal(signal.SIGINT) is signal.default_int_handler
):
    signal.signal(signal.SIGINT, signal.SIG_DFL)
