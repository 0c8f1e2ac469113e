"""`signal`, with plain numbers in place of its enumerations."""

from __future__ import annotations

from _signal import *  # noqa: F403 - what there is depends on the system
