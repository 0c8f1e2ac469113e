"""Man pages, in the macros of man(7), from the same texts as the pages of the site."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch import __version__
from scripts.documentation import commandline

if TYPE_CHECKING:
    from pathlib import Path

    from scripts.documentation.commandline import CommandText

_STATUSES = """\
.SH "EXIT STATUS"
0 done; 1 a bug in imgfetch; 2 usage; 3 invalid reference; 4 verification failed; 5 invalid or
unsupported content; 6 the registry answered with an error; 7 not found, or no access;
8 authentication; 9 rate limited; 10 network or TLS; 11 the store; 12 malformed or unsafe layer;
13 bad user, mount or option of a container; 14 a runtime or another program is missing or failed;
15 no space; 16 refused by policy; 128+n ended by signal n.
.PP
.B imgfetch run
and
.B imgfetch exec
end with the container's status; 125 is a failure of imgfetch or of the runtime, 126 a command that
can't be run, 127 one that is not there.
"""


def write(directory: Path) -> None:
    """Writes all of them into a directory, which is made if need be."""
    directory.mkdir(parents=True, exist_ok=True)
    whole, each = commandline.whole(), commandline.each()
    listed = "".join(
        f".TP\n.BR {_hyphenated(one.name)} (1)\n{_escape(one.summary)}\n" for one in each
    )
    _write(directory, whole, f".SH COMMANDS\n{listed}")
    for command in each:
        _write(directory, command, "")


def _write(directory: Path, command: CommandText, more: str) -> None:
    name = _hyphenated(command.name)
    related = (
        '.SH "SEE ALSO"\n.BR imgfetch (1),\n.BR runc (8),\n.BR containers-registries.conf (5)\n'
    )
    text = "".join(
        [
            f'.TH {name.upper()} 1 "" "imgfetch {__version__}" "imgfetch"\n',
            f".SH NAME\n{name} \\- {_escape(command.summary.rstrip('.'))}\n",
            f".SH SYNOPSIS\n.B {_escape(command.name)}\n{_escape(command.usage)}\n",
            ".SH DESCRIPTION\n" + "\n.PP\n".join(map(_escape, command.paragraphs)) + "\n",
            _options(command),
            more,
            _STATUSES,
            related,
        ]
    )
    (directory / f"{name}.1").write_text(text, "utf-8")


def _hyphenated(name: str) -> str:
    return name.replace(" ", "-")


def _options(command: CommandText) -> str:
    if not command.options:
        return ""
    parts = [".SH OPTIONS\n"]
    for option in command.options:
        variable = f" Environment: {option.environment}." if option.environment else ""
        parts.append(f".TP\n.B {_escape(option.names)}\n{_escape(option.text + variable)}\n")
    return "".join(parts)


def _escape(text: str) -> str:
    """Text that troff prints as it is: hyphens of options, backslashes, dots at a line's start."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("…", "...")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped
