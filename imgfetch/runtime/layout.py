"""Names in the directory of a run, which is the bundle too.

::

    runs/<id>/config.json   the runtime's input
              pid           made by the runtime when the container's process runs
              log           the runtime's errors, a JSON object a line
              state/        the runtime's own
              images/<n>/   root filesystems of the images that are mounted
              rootfs, upper, work and l belong to the snapshotter

Of detached containers only, see `imgfetch.runtime.containers`::

              detached.json what it is, from its start on
              output.log    what it wrote, see `imgfetch.runtime.output`
              ending        empty, then the same as exit.json: for whoever waits and has it open
              exit.json     how it ended
"""

from __future__ import annotations

from imgfetch.lean.typing import Final

CONFIG: Final = "config.json"
PID: Final = "pid"
LOG: Final = "log"
IMAGES: Final = "images"
STATE: Final = "state"
EXIT: Final = "exit.json"
"""How it ended. While it is there, the run is kept."""
DETACHED: Final = "detached.json"
OUTPUT: Final = "output.log"
ENDING: Final = "ending"
