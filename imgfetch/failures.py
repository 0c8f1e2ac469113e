"""What a process failed with, as a JSON object for the process that waits for it.

Children unpack layers, watch detached containers and work for programs. What they fail with is
raised where somebody called, as the class that it was.
"""

from __future__ import annotations

from imgfetch import errors
from imgfetch.lean.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# What errors are made from; an exception's own attributes are none of our business.
_FACTS = ("message", "expected", "actual", "hint", "status", "transient", "signal_number")


def to_message(failure: BaseException) -> dict[str, Any]:
    """What a process failed with, as a JSON object for another one: an error of ours, or a bug."""
    for ancestor in type(failure).__mro__:
        # One of a class of its own, outside `imgfetch.errors`, is told as what it is a case of.
        if isinstance(failure, errors.ImgfetchError) and ancestor.__module__ == errors.__name__:
            facts = vars(failure)
            told = {name: facts[name] for name in _FACTS if name in facts}
            return {"error": ancestor.__name__, "facts": told}
    import traceback

    return {"bug": "".join(traceback.format_exception(failure))}


def from_message(message: Mapping[str, Any]) -> BaseException:
    """The error that a message of `to_message` is about; a RuntimeError for a bug."""
    if "bug" in message:
        return RuntimeError(message["bug"])
    kind, facts = getattr(errors, message["error"]), message["facts"]
    if kind is errors.InterruptedBySignalError:
        return errors.InterruptedBySignalError(facts["signal_number"])
    error: errors.ImgfetchError = kind(**facts)
    return error
