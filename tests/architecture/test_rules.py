"""What each room may use, and how large a file and a function may be."""

from __future__ import annotations

import ast
import re
import sys
import tomllib

import pytest

from tests.architecture import rules
from tests.architecture.rules import RULES, Rule

FILE_LIMIT = 400
FUNCTION_LIMIT = 50

# Tables of data, which are read by looking something up. Each with its reason.
LONG_FILES: dict[str, str] = {}
LONG_FUNCTIONS: dict[str, str] = {}

# For every rule: a module it is about, lines that break it, and lines like them that do not.
SAMPLES: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "processes are started by few": (
        "cas/directory.py",
        (
            "import subprocess",
            "def f():\n    from subprocess import run",
            "import os as o\no.system('ls')",
        ),
        ("import subprocesses", "x.system('ls')"),
    ),
    "the environment is read by the command line": (
        "client.py",
        ("import os\nos.environ['A']", "from os import getenv", "import os\nos.getenv('A')"),
        ("import os\nos.open('x', os.O_RDONLY)", "settings.environ"),
    ),
    "the terminal belongs to the command line": (
        "workflow/pull.py",
        ("print('x')", "input()", "import sys\nsys.stderr.write('x')", "from sys import stdout"),
        ("progress.print('x')", "import sys\nsys.platform", "def f(input):\n    return input"),
    ),
    "only the command line knows its arguments and exits": (
        "workflow/run.py",
        ("import sys\nsys.exit(1)", "raise SystemExit(2)", "exit()", "from sys import argv"),
        ("stack.exit()", "import os\nos._exit(0)"),
    ),
    "archives are read by our own code": (
        "layer/entry.py",
        (
            "def f():\n    import tarfile",
            "from tarfile import TarFile",
            "import shutil\nshutil.unpack_archive('x')",
        ),
        ("import shutil\nshutil.which('x')",),
    ),
    "oci is pure": (
        "oci/digest.py",
        (
            "import os.path",
            "import requests",
            "from imgfetch import cas",
            "from urllib import request",
            "open('x')",
        ),
        ("import json", "from imgfetch.oci import digest", "from urllib.parse import quote"),
    ),
    "errors imports nothing": (
        "errors.py",
        ("import enum", "from imgfetch import oci"),
        ("from __future__ import annotations",),
    ),
}
BREAKING = [
    (rule, SAMPLES[rule.name][0], sample) for rule in RULES for sample in SAMPLES[rule.name][1]
]
KEEPING = [
    (rule, SAMPLES[rule.name][0], sample) for rule in RULES for sample in SAMPLES[rule.name][2]
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_the_package_keeps_the_rule(rule: Rule) -> None:
    found = [
        violation
        for where, source in rules.modules().items()
        for violation in rule.violations(source, where)
    ]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(("rule", "where", "sample"), BREAKING)
def test_a_rule_finds_what_breaks_it(rule: Rule, where: str, sample: str) -> None:
    assert len(rule.violations(sample, where)) == 1, rule.violations(sample, where)


@pytest.mark.parametrize(("rule", "where", "sample"), KEEPING)
def test_a_rule_finds_nothing_where_it_is_kept(rule: Rule, where: str, sample: str) -> None:
    assert rule.violations(sample, where) == []


@pytest.mark.parametrize(
    ("where", "breaks"),
    [
        ("runtime/runc.py", False),
        ("registry/credentials.py", False),
        ("registry/client.py", True),
        ("runtime.py", True),
    ],
)
def test_a_rule_lets_the_places_it_names_use_the_thing(where: str, breaks: bool) -> None:
    rule = RULES[0]
    assert bool(rule.violations("import subprocess\n", where)) is breaks


def test_a_violation_names_the_place_and_the_reason() -> None:
    rule = RULES[0]
    (violation,) = rule.violations("\nimport subprocess\n", "cas/x.py")
    assert violation.startswith("imgfetch/cas/x.py:2: import of subprocess: ")
    assert violation.endswith(f"{rule.name} ({rule.why})")


def test_no_file_is_too_long() -> None:
    lengths = {
        str(path.relative_to(rules.ROOT)): len(path.read_text("utf-8").splitlines())
        for directory in ("imgfetch", "tests")
        for path in (rules.ROOT / directory).rglob("*.py")
    }
    too_long = {path for path, length in lengths.items() if length > FILE_LIMIT}
    assert too_long == set(LONG_FILES), f"the limit is {FILE_LIMIT} lines"


def test_no_function_is_too_long() -> None:
    too_long = {
        f"{where}:{name}": length
        for where, source in rules.modules().items()
        for name, length in rules.long_functions(ast.parse(source), FUNCTION_LIMIT)
    }
    assert set(too_long) == set(LONG_FUNCTIONS), f"the limit is {FUNCTION_LIMIT} lines: {too_long}"


def test_a_functions_length_leaves_out_its_docstring() -> None:
    source = 'def f():\n    """A.\n\n    B.\n    """\n    a = 1\n    return a\n'
    tree = ast.parse(source)
    assert list(rules.long_functions(tree, 2)) == [("f", 3)]
    assert list(rules.long_functions(tree, 3)) == []


def test_the_package_imports_only_what_it_declares() -> None:
    project = tomllib.loads((rules.ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    declared = {re.split(r"[^A-Za-z0-9_-]", text)[0] for text in project["dependencies"]}
    imported = {
        name.partition(".")[0]
        for source in rules.modules().values()
        for _, name in rules.imported_modules(ast.parse(source))
    }
    # Not every Python has all of the standard library's private modules.
    standard = {*sys.stdlib_module_names, "_sha2"}
    assert imported - standard - {"imgfetch"} <= declared
