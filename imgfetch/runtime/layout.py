"""Names in the directory of a run, which is the bundle too.

::

    runs/<id>/config.json   the runtime's input
              pid           made by the runtime when the container's process runs
              log           the runtime's errors, a JSON object a line
              state/        the runtime's own
              rootfs, upper, work and l belong to the snapshotter
"""

from __future__ import annotations

from typing import Final

CONFIG: Final = "config.json"
PID: Final = "pid"
LOG: Final = "log"
STATE: Final = "state"
EXIT: Final = "exit.json"
"""Of detached containers only: how it ended. While it is there, the run is kept."""
