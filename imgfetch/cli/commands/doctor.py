"""``imgfetch doctor``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from imgfetch.cli import output
from imgfetch.cli.options import asking_options, format_option
from imgfetch.errors import RuntimeFailedError
from imgfetch.findings import of_error

if TYPE_CHECKING:
    from imgfetch.cli.invocation import Invocation
    from imgfetch.errors import UsageError
    from imgfetch.workflow.doctor import Diagnosis


@click.command("doctor")
@click.argument("registries", metavar="[REGISTRY]...", nargs=-1)
@format_option
@asking_options
@click.pass_obj
def command(
    invocation: Invocation, /, registries: tuple[str, ...], form: str, **flags: Any
) -> None:
    """Find out what works on this machine, and what to do about the rest.

    A line for each thing: ok, warning (worse than it could be) or missing, what there is, and
    the next step. A container is run to see whether that works. Nothing is left behind, and
    no secret is shown.

    Registries are asked whether they answer and take the credentials that there are: those
    named, else those of images in the store and of configuration files; none with --offline.

    Exits with 0 when run will work here, warnings or not, and with 14 when it will not.

    JSON: works (whether run will), and findings, a list of objects with check, state (ok,
    warning, missing), found, remedy (null for none) and blocks (whether run can't work
    because of it).
    """
    faults: list[UsageError] = []
    with invocation.client(faults=faults, **flags) as client:
        known = [of_error("settings", fault, blocks=True) for fault in faults]
        diagnosis = client.doctor(registries, known=known)
    if form == "json":
        findings = [asdict(finding) for finding in diagnosis.findings]
        output.raw_json({"works": diagnosis.works, "findings": findings})
    else:
        rows = [
            (finding.state, finding.check, "; ".join(filter(None, (finding.found, finding.remedy))))
            for finding in diagnosis.findings
        ]
        output.table(("STATE", "CHECK", "FOUND"), rows)
    if not diagnosis.works:
        raise _failure(diagnosis)


def _failure(diagnosis: Diagnosis) -> RuntimeFailedError:
    checks = dict.fromkeys(finding.check for finding in diagnosis.blockers)
    remedies = (finding.remedy for finding in diagnosis.blockers if finding.remedy)
    message = f"run will not work here: see {', '.join(checks)}"
    return RuntimeFailedError(message, hint=next(remedies, None))
