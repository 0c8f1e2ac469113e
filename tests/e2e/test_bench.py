"""The benchmarks run: what they say about speed is not a test's business."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.support.tools import require_tool

PROGRAM = Path(__file__).resolve().parents[2] / "scripts" / "bench"


def test_bench_layers_prints_a_row_for_each_comparison(tmp_path: Path) -> None:
    for tool in ("docker-registry", "skopeo", "umoci"):
        require_tool(tool)
    options = ["--images=A", "--compressions=gzip", "--rounds=1", "--tasks=unpack"]

    done = subprocess.run(
        [PROGRAM, "layers", *options, f"--cache={tmp_path}"],
        capture_output=True,
        text=True,
        check=True,
    )

    rows = re.findall(r"^\| A gzip \| ([\w, ]+) \| ([\w ,+-]+) \|", done.stdout, re.MULTILINE)
    assert {
        ("unpack", "skopeo + umoci"),
        ("unpack, stored", "umoci unpack"),
        ("unpack, stored", "gzip -dc, tar x"),
    } <= set(rows)


def test_bench_store_prints_a_row_for_each_command() -> None:
    require_tool("docker-registry")

    done = subprocess.run(
        [PROGRAM, "store", "--rounds=1", "--images=3"], capture_output=True, text=True, check=True
    )

    assert "4 images and 33 blobs" in done.stdout
    rows = re.findall(r"^\| `(\w+)", done.stdout, re.MULTILINE)
    assert {"images", "run", "pull"} <= set(rows)
