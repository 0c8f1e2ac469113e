"""What tests of this room share."""

from tests.support.commandline import command_line

__all__ = ["command_line"]
