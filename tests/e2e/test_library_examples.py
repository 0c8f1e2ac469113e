"""The examples of the Python API's reference, and of its docstrings, do what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import imgfetch
import imgfetch.library
from tests.support.busybox import busybox_image
from tests.support.programs import settings
from tests.support.users import CHECKOUT

REFERENCE = CHECKOUT / "docs" / "reference" / "python.md"
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What examples may use without saying so, where ``alpine:3`` is in the store."""
    store = tmp_path / "store"
    busybox_image(tmp_path / "layout", "docker.io/library/alpine:3")
    with imgfetch.Client(settings(store)) as client:
        client.pull(f"oci:{tmp_path}/layout")
    monkeypatch.setenv("IMGFETCH_STORE", str(store))
    monkeypatch.setenv("IMGFETCH_NETWORK", "none")
    monkeypatch.setenv("IMGFETCH_OFFLINE", "1")
    monkeypatch.setenv("HOME", str(tmp_path))
    with imgfetch.Client() as client:
        yield {"imgfetch": imgfetch, "client": client, "directory": str(tmp_path)}


def check(test: doctest.DocTest) -> int:
    """Runs examples; returns how many there were."""
    said: list[str] = []
    results = doctest.DocTestRunner(optionflags=OPTIONS).run(test, out=said.append)
    assert results.failed == 0, "".join(said)
    return results.attempted


def test_the_reference_is_right(names: dict[str, Any]) -> None:
    text = REFERENCE.read_text("utf-8")
    parser = doctest.DocTestParser()
    assert text.count("```pycon\n>>>") == text.count("```pycon")
    # The fence after an example would be taken for output if there were no line between.
    assert check(parser.get_doctest(text, names, REFERENCE.name, str(REFERENCE), 0)) > 30


def test_so_is_the_readme(names: dict[str, Any]) -> None:
    text = (CHECKOUT / "README.md").read_text("utf-8")
    section = text.partition("## From Python\n")[2].partition("\n## ")[0]
    assert check(doctest.DocTestParser().get_doctest(section, names, "README.md", None, 0)) > 3


def test_docstrings_are_right(names: dict[str, Any]) -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = 0
    for module in pkgutil.iter_modules(imgfetch.library.__path__, "imgfetch.library."):
        for test in finder.find(importlib.import_module(module.name)):
            test.globs.update(names)
            found += check(test)
    assert found > 10
