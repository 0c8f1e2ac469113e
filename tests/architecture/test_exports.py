"""What users of the library see: the public names, the errors, and a quick import."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import subprocess
import sys
import types

import pytest

import imgfetch
from imgfetch import errors
from imgfetch.cli import exitcodes
from imgfetch.errors import ImgfetchError

# Each takes longer to import than the rest of a run that finds everything in the store.
HEAVY = ("jsonschema", "oras", "requests", "rich", "urllib3")


def _tree(root: type[ImgfetchError]) -> list[type[ImgfetchError]]:
    below = [error for child in root.__subclasses__() for error in _tree(child)]
    return [root, *below]


# Classes of other modules are not part of the tree: that they don't exist is tested below.
ERRORS = [error for error in _tree(ImgfetchError) if error.__module__ == errors.__name__]


def test_public_names_are_the_exported_names() -> None:
    values = {name: getattr(imgfetch, name) for name in dir(imgfetch) if not name.startswith("_")}
    public = {
        name
        for name, value in values.items()
        if not isinstance(value, types.ModuleType) and type(value).__module__ != "__future__"
    }
    assert public == {name for name in imgfetch.__all__ if not name.startswith("_")}


def test_every_exported_name_exists_once() -> None:
    assert len(set(imgfetch.__all__)) == len(imgfetch.__all__)
    assert [name for name in imgfetch.__all__ if not hasattr(imgfetch, name)] == []


def test_every_error_class_of_the_module_is_in_the_tree() -> None:
    classes = {
        value
        for value in vars(errors).values()
        if inspect.isclass(value) and issubclass(value, BaseException)
    }
    assert classes == set(ERRORS)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_error_names_end_with_error(error: type[ImgfetchError]) -> None:
    assert error.__name__.endswith("Error")


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_every_error_has_a_documented_meaning(error: type[ImgfetchError]) -> None:
    assert error.__doc__
    assert error.__doc__ != error.__mro__[1].__doc__


@pytest.mark.parametrize(
    "error",
    [error for error in ERRORS if error is not ImgfetchError],
    ids=lambda error: error.__name__,
)
def test_every_error_has_an_exit_code(error: type[ImgfetchError]) -> None:
    # The root has a code of its own for errors nobody thought of: it must not hide a gap.
    ancestors = error.__mro__[: error.__mro__.index(ImgfetchError)]
    if error is errors.InterruptedBySignalError:  # its code says which signal it was
        instance: ImgfetchError = errors.InterruptedBySignalError(15)
        assert exitcodes.for_error(instance) == 128 + 15
    else:
        expected = [
            exitcodes.EXIT_CODES[base] for base in ancestors if base in exitcodes.EXIT_CODES
        ]
        assert expected, f"{error.__name__} is missing in EXIT_CODES"
        assert exitcodes.for_error(error("message")) == expected[0]
        assert 0 < expected[0] < 128


def test_importing_the_package_imports_nothing_else() -> None:
    # Where coverage is measured `__future__` is there before.
    program = "import __future__, json, sys; before = set(sys.modules); import imgfetch; "
    program += "print(json.dumps(sorted(set(sys.modules) - before)))"
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout
    assert json.loads(output) == ["imgfetch"]


def test_what_is_exported_is_what_type_checkers_are_told() -> None:
    tree = ast.parse(inspect.getsource(imgfetch))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    told = {
        alias.name: f"{node.module}"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert set(imgfetch.__all__) == {*told, "__version__"}
    for name, module in told.items():
        assert getattr(imgfetch, name) is getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("module", ["imgfetch", "imgfetch.cli.main"])
def test_importing_leaves_out_what_a_warm_run_does_not_need(module: str) -> None:
    program = f"import json, sys, {module}; print(json.dumps(sorted(sys.modules)))"
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout
    assert set(HEAVY) & set(json.loads(output)) == set()


@pytest.mark.parametrize(
    ("statements", "most"),
    # Itself, and __future__; a client is made of some forty modules of ours, and of no others.
    [("import imgfetch", 2), ("import imgfetch; imgfetch.Client", 50)],
)
def test_importing_the_package_loads_little(statements: str, most: int) -> None:
    """A program that uses nothing waits for nothing."""
    program = f"import sys; n = set(sys.modules); {statements}; print(*(set(sys.modules) - n))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "imgfetch" in loaded
    assert len(loaded) <= most
    assert loaded & {"collections", "dataclasses", "enum", "re", "subprocess", "typing"} == set()
