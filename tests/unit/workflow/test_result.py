"""The document that tells how a run ended."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from imgfetch.errors import (
    CommandError,
    InterruptedBySignalError,
    InvalidMountError,
    UsageError,
)
from imgfetch.workflow.result import RunRecord, encode, recorded, status_of


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (CommandError("x", status=127), 127),
        (CommandError("x"), 126),
        (InterruptedBySignalError(15), 143),
        (InvalidMountError("x"), 125),
        (ValueError("a bug"), 125),
        (KeyboardInterrupt(), 130),
    ],
)
def test_a_failure_has_the_status_that_the_command_ends_with(
    failure: BaseException, status: int
) -> None:
    assert status_of(failure) == status


@pytest.mark.parametrize(
    ("code", "signal"),
    [(0, None), (127, None), (128, None), (129, 1), (137, 9), (192, 64), (193, None), (None, None)],
)
def test_a_signal_is_what_a_status_stands_for(code: int | None, signal: int | None) -> None:
    assert RunRecord(exit_code=code).document(None, 0)["signal"] == signal


def test_times_are_rfc_3339_with_milliseconds() -> None:
    document = RunRecord(started_at=0.5).document(None, 1790000000.0429)
    assert document["started_at"] == "1970-01-01T00:00:00.500Z"
    assert document["ended_at"] == "2026-09-21T14:13:20.042Z"


def test_a_record_is_written_once_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "result"
    path.write_text("old")
    with recorded(str(path)) as record:
        assert not path.exists()
        record.exit_code = 3
    assert json.loads(path.read_bytes())["exit_code"] == 3
    assert path.stat().st_mode & 0o777 == 0o644
    assert os.listdir(tmp_path) == ["result"]


def test_a_failure_is_written_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "result"
    with pytest.raises(InvalidMountError) as caught, recorded(str(path)) as record:  # noqa: PT012 - what comes before is part of it
        record.image = "app:1"
        message = "no such directory"
        raise InvalidMountError(message, hint="make it")
    assert caught.value.message == "no such directory"
    document = json.loads(path.read_bytes())
    assert (document["image"], document["exit_code"]) == ("app:1", 125)
    assert document["error"] == {
        "kind": "InvalidMountError",
        "message": "no such directory\nmake it",
    }


@pytest.mark.parametrize("place", ["no/such/directory/x", "directory"])
def test_a_place_that_cannot_be_written_is_a_wrong_option(tmp_path: Path, place: str) -> None:
    (tmp_path / "directory").mkdir()
    with pytest.raises(UsageError, match="--result"), recorded(str(tmp_path / place)):
        pytest.fail("nothing may run")


def test_words_that_are_no_text_can_be_written() -> None:
    document = RunRecord(argv=[os.fsdecode(b"\xff")]).document(None, 0)
    assert json.loads(encode(document))["argv"] == ["\udcff"]
