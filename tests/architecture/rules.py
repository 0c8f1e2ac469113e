"""Rules about what each room may use of Python, as functions from source to violations.

Import contracts between rooms and about other packages are in pyproject.toml; these are the
rules which import-linter cannot say: the standard library is not a room.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "imgfetch"

Finder = Callable[[ast.Module], Iterator[tuple[int, str]]]


@dataclass(frozen=True, slots=True)
class Rule:
    """What may be used in some places only.

    Attributes:
        name: what the rule forbids.
        why: the reason, for whoever breaks it.
        find: yields the line and the text of each use.
        allowed: files, or directories ending with a slash, that may; below ``imgfetch``.
        only: as `allowed`, but the places that the rule is about; empty for all.
    """

    name: str
    why: str
    find: Finder
    allowed: tuple[str, ...] = ()
    only: tuple[str, ...] = ()

    def violations(self, source: str, where: str) -> list[str]:
        """Each use that breaks the rule, as a line for a person.

        Args:
            source: a module's text.
            where: the module's path below ``imgfetch``.
        """
        if _within(where, self.allowed) or (self.only and not _within(where, self.only)):
            return []
        return [
            f"imgfetch/{where}:{line}: {use}: {self.name} ({self.why})"
            for line, use in self.find(ast.parse(source))
        ]


def _within(where: str, places: tuple[str, ...]) -> bool:
    return any(where.startswith(place) if place[-1] == "/" else where == place for place in places)


def imported_modules(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The line and dotted name of every import, wherever in the module it is.

    ``from a import b`` yields ``a.b``, which covers both readings of ``b``.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def importing(*modules: str) -> Finder:
    """Finds imports of modules, or of anything inside them."""

    def find(tree: ast.Module) -> Iterator[tuple[int, str]]:
        for line, name in imported_modules(tree):
            if any(f"{name}.".startswith(f"{module}.") for module in modules):
                yield line, f"import of {name}"

    return find


def importing_other_than(*modules: str) -> Finder:
    """Finds imports of anything but modules, or what is inside them."""
    allowed = importing(*modules)

    def find(tree: ast.Module) -> Iterator[tuple[int, str]]:
        fine = set(allowed(tree))
        for line, name in imported_modules(tree):
            if (line, f"import of {name}") not in fine:
                yield line, f"import of {name}"

    return find


def using(*names: str) -> Finder:
    """Finds uses of names of modules (``os.environ``), however they were imported."""
    imports = importing(*names)

    def find(tree: ast.Module) -> Iterator[tuple[int, str]]:
        yield from imports(tree)
        aliases = {
            alias.asname: alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.Import)
            for alias in node.names
            if alias.asname
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                name = f"{aliases.get(node.value.id, node.value.id)}.{node.attr}"
                if name in names:
                    yield node.lineno, name

    return find


def naming(*builtins: str) -> Finder:
    """Finds uses of built-in names; a function's own arguments are none."""

    def find(tree: ast.Module) -> Iterator[tuple[int, str]]:
        own = {
            node
            for function in ast.walk(tree)
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
            for node in ast.walk(function)
            if isinstance(node, ast.Name) and node.id in _arguments(function)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and node.id in builtins and node not in own:
                yield node.lineno, node.id

    return find


def _arguments(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    given = function.args
    return {one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)}


def either(*finders: Finder) -> Finder:
    """Finds what any of the finders finds."""

    def find(tree: ast.Module) -> Iterator[tuple[int, str]]:
        for finder in finders:
            yield from finder(tree)

    return find


def long_functions(tree: ast.Module, limit: int) -> Iterator[tuple[str, int]]:
    """The name and length in lines, docstring aside, of every function longer than the limit."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = _last_line(node) - node.lineno + 1
            if ast.get_docstring(node) is not None:
                length -= _last_line(node.body[0]) - node.body[0].lineno + 1
            if length > limit:
                yield node.name, length


def _last_line(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno


def modules() -> dict[str, str]:
    """The text of every module of the package, by path below ``imgfetch``."""
    return {
        str(PurePosixPath(path.relative_to(PACKAGE))): path.read_text("utf-8")
        for path in sorted(PACKAGE.rglob("*.py"))
    }


# What a module without input and output can need. `platform` is not here: it asks the host.
PURE_MODULES = (
    "__future__",
    "base64",
    "binascii",
    "collections",
    "dataclasses",
    "datetime",
    "enum",
    "functools",
    "hashlib",
    "hmac",
    "itertools",
    "json",
    "math",
    "operator",
    "posixpath",
    "re",
    "string",
    "types",
    "typing",
    "unicodedata",
    "urllib.parse",
)

RULES = (
    Rule(
        "processes are started by few",
        "what runs on the host is read in one place",
        either(
            importing("subprocess", "pty", "multiprocessing", "asyncio.subprocess"),
            using("os.system", "os.popen", "os.posix_spawn", "os.posix_spawnp"),
        ),
        # archive/filesystem.py: squashfs and erofs can only be written by their own programs.
        # library/call.py: Python itself, for work that needs a process of its own.
        allowed=(
            "runtime/",
            "snapshot/",
            "registry/credentials.py",
            "archive/filesystem.py",
            "library/",
        ),
    ),
    Rule(
        "the environment is read by the command line",
        "a library does what its arguments say",
        using("os.environ", "os.environb", "os.getenv", "os.getenvb", "os.putenv", "os.unsetenv"),
        allowed=("cli/",),
    ),
    Rule(
        "the terminal belongs to the command line",
        "a library never prints or prompts",
        either(
            naming("print", "input"),
            using("sys.stdin", "sys.stdout", "sys.stderr", "getpass.getpass"),
        ),
        allowed=("cli/", "runtime/"),  # runtime hands terminals on to containers
    ),
    Rule(
        "only the command line knows its arguments and exits",
        "a library raises",
        either(using("sys.exit", "sys.argv"), naming("exit", "quit", "SystemExit")),
        allowed=("cli/", "__main__.py"),
    ),
    Rule(
        "archives are read by our own code",
        "tarfile and shutil trust their input",
        either(
            importing("tarfile", "zipfile"),
            using("shutil.unpack_archive", "shutil.make_archive"),
        ),
    ),
    Rule(
        "oci is pure",
        "the specifications as values: standard library only, no input or output",
        either(
            importing_other_than(*PURE_MODULES, "imgfetch.oci", "imgfetch.errors", "imgfetch.lean"),
            naming("open"),
        ),
        only=("oci/",),
    ),
    Rule(
        "errors imports nothing",
        "every room imports it",
        importing_other_than("__future__"),
        only=("errors.py",),
    ),
)
