"""How errors read: one form for all of them, wherever they are raised."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from imgfetch import errors, remedies
from tests.architecture import rules

_ERRORS = {name for name in vars(errors) if name.endswith("Error")}
# Names keep their capitals: NUL, AppArmor, REQUESTS_CA_BUNDLE.
_SENTENCE = re.compile(r"[A-Z][a-z]+\b")
_FULL_STOP = re.compile(r"(?<!\.\.)[.!]$")


def _text(node: ast.expr) -> str | None:
    """A text in the source, with a mark for each value in it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(one.value) if isinstance(one, ast.Constant) else "\0" for one in node.values
        )
    return None


def _told(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The messages and the next steps of errors, as far as they are written out."""
    for node in ast.walk(tree):
        found: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            names = {one.id for one in node.targets if isinstance(one, ast.Name)}
            found = [node.value] if names & {"message", "hint"} else []
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in _ERRORS
        ):
            found = [*node.args[:1], *(one.value for one in node.keywords if one.arg == "hint")]
        for value in found:
            text = _text(value)
            if text:
                yield value.lineno, text


def _violations(text: str) -> bool:
    return bool(_SENTENCE.match(text) or _FULL_STOP.search(text))


@pytest.mark.parametrize("text", ["Something failed", "it failed.", "look!"])
def test_what_breaks_the_form_is_found(text: str) -> None:
    assert _violations(text)


@pytest.mark.parametrize("text", ["it failed", "\0: it failed", "AppArmor is off", "lock REF..."])
def test_what_keeps_the_form_is_not(text: str) -> None:
    assert not _violations(text)


def test_messages_and_next_steps_are_no_sentences() -> None:
    """Lower case, for they follow a colon; no full stop, for more may follow."""
    found = [
        f"imgfetch/{where}:{line}: {text!r}"
        for where, source in rules.modules().items()
        if not where.startswith("lean/")  # the standard library's words
        for line, text in _told(ast.parse(source))
        if _violations(text)
    ]
    assert found == []


def test_remedies_have_the_same_form() -> None:
    texts = [value for value in vars(remedies).values() if isinstance(value, str)]
    texts += remedies.NEXT_STEPS.values()
    told = [text for text in texts if text is not remedies.__doc__ and "\n" not in text]
    assert len(told) > len(remedies.NEXT_STEPS)
    allowed = ("Debian, Ubuntu",)
    assert [text for text in told if _violations(text) and not text.startswith(allowed)] == []
