"""The command line of `scripts/package`."""

from __future__ import annotations

import argparse
from pathlib import Path

from scripts.packages import checks, debian, places, sbom, wheel, zipapp

KINDS = {
    "wheel": wheel.build,
    "zipapp": zipapp.build,
    "deb": debian.build,
    "sbom": sbom.build,
}


def main() -> None:
    """Makes the packages that are asked for, and prints their files."""
    parser = argparse.ArgumentParser(prog="scripts/package")
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--check", action="store_true", help="compare two builds and try them")
    parser.add_argument("--to", type=Path, default=places.DIST, metavar="DIR", help="not dist/")
    arguments = parser.parse_args()
    if unknown := set(arguments.kinds) - KINDS.keys():
        parser.error(f"no such kind of package: {', '.join(sorted(unknown))}")
    made = build(arguments.kinds or list(KINDS), arguments.to)
    if arguments.check:
        checks.check(made, lambda directory: build(arguments.kinds or list(KINDS), directory))
    for path in made:
        print(path)


def build(kinds: list[str], directory: Path) -> list[Path]:
    """Makes packages of some kinds; the wheel always, for the others are made from it."""
    directory.mkdir(parents=True, exist_ok=True)
    made = wheel.build(directory)
    for kind in kinds:
        if kind != "wheel":
            made += KINDS[kind](directory)
    return made


if __name__ == "__main__":
    main()
