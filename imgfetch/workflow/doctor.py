"""``doctor``: what works on this machine, what does not, and what to do about it.

Looks at everything that it is given, each in a process of its own, and judges whether
``run`` will work. Nothing is changed and nothing is left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgfetch.workflow.isolated import findings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imgfetch.findings import Finding
    from imgfetch.workflow.isolated import Look


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found.

    Attributes:
        findings: in the order of looking; the same check may be there more than once.
    """

    findings: tuple[Finding, ...]

    @property
    def works(self) -> bool:
        """Whether ``run`` will work here."""
        return not self.blockers

    @property
    def blockers(self) -> tuple[Finding, ...]:
        """Why ``run`` can't work here."""
        return tuple(finding for finding in self.findings if finding.blocks)


def examine(looks: Sequence[Look], known: Iterable[Finding] = ()) -> Diagnosis:
    """Look at everything; this process has to be single-threaded.

    Args:
        looks: what to look at.
        known: what was found before.
    """
    return Diagnosis((*known, *findings(looks)))
