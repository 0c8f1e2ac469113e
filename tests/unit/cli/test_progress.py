"""What is told of the work, in which form, and to whom."""

from __future__ import annotations

import json

import pytest

from imgfetch.cli import progress
from imgfetch.interfaces import Progress, Stage
from imgfetch.oci import mediatype
from imgfetch.oci.descriptor import Descriptor

LAYER = Descriptor.of(b"x" * 2048, mediatype.OCI_LAYER_GZIP)
CONFIG = Descriptor.of(b"{}", mediatype.OCI_CONFIG)
STAGES: tuple[Stage, ...] = ("waiting", "fetching", "present", "done", "applying", "applied")


def tell(chosen: Progress) -> None:
    for stage in STAGES:
        chosen.update(LAYER, stage, 2048)
        chosen.update(CONFIG, stage, 2)
    chosen.warn("beware\x1b")


def test_plain_progress_is_a_line_for_each_layer_that_is_done(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tell(progress.choose("plain", quiet=False))
    captured = capsys.readouterr()
    short = LAYER.digest.short
    assert captured.out == ""
    assert captured.err.splitlines() == [
        f"{short}: already here (2.0 KiB)",
        f"{short}: fetched (2.0 KiB)",
        f"{short}: unpacked (2.0 KiB)",
        "imgfetch: warning: beware\\x1b",
    ]


@pytest.mark.parametrize("quiet", [True, False])
def test_json_progress_is_an_object_for_each_event(
    capsys: pytest.CaptureFixture[str], *, quiet: bool
) -> None:
    tell(progress.choose("json", quiet=quiet))
    captured = capsys.readouterr()
    events = [json.loads(line) for line in captured.err.splitlines()]
    assert captured.out == ""
    assert len(events) == 2 * len(STAGES) + 1
    assert events[2] == {
        "event": "progress",
        "digest": str(LAYER.digest),
        "stage": "fetching",
        "done": 2048,
        "size": 2048,
    }
    assert events[-1] == {"event": "warning", "message": "beware\x1b"}


@pytest.mark.parametrize(
    ("mode", "quiet", "said"),
    [
        ("none", False, "imgfetch: warning: beware\\x1b\n"),
        ("none", True, ""),
        ("auto", True, ""),
        ("plain", True, ""),
    ],
)
def test_silence_is_for_progress_and_quiet_for_warnings_too(
    capsys: pytest.CaptureFixture[str], mode: str, said: str, *, quiet: bool
) -> None:
    tell(progress.choose(mode, quiet=quiet))
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", said)
