from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from imgfetch.bundle.directory import encode_spec, write_config, write_etc_files, write_run_config
from imgfetch.errors import InvalidOptionError

DOCUMENT = {"ociVersion": "1.0.2", "process": {"args": ["é", '"'], "cwd": "/"}}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("write", [write_config, write_run_config])
def test_the_config_is_its_owners_alone(tmp_path: Path, write: object) -> None:
    """It holds the environment, and with it secrets."""
    assert callable(write)
    old = os.umask(0)
    try:
        write(str(tmp_path), DOCUMENT)
    finally:
        os.umask(old)
    config = tmp_path / "config.json"
    assert json.loads(config.read_bytes()) == DOCUMENT
    assert mode(config) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_a_config_for_keeps_is_replaced_and_readable(tmp_path: Path) -> None:
    write_config(str(tmp_path), {"a": 1})
    write_config(str(tmp_path), DOCUMENT)
    text = (tmp_path / "config.json").read_text()
    assert json.loads(text) == DOCUMENT
    assert text.startswith('{\n  "ociVersion"')
    assert text.endswith("}\n")


def test_the_config_of_a_run_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "config.json").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        write_run_config(str(tmp_path), DOCUMENT)
    assert not (tmp_path / "elsewhere").exists()


def test_the_config_of_a_run_is_compact() -> None:
    assert encode_spec(DOCUMENT) == (
        '{"ociVersion":"1.0.2","process":{"args":["é","\\""],"cwd":"/"}}'.encode()
    )


def test_text_that_is_not_utf8_is_an_error() -> None:
    with pytest.raises(InvalidOptionError, match="UTF-8"):
        encode_spec({"args": ["\udcff"]})


def test_files_for_etc_are_readable_by_everybody(tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        written = write_etc_files(
            str(tmp_path), {"/etc/hosts": "127.0.0.1\tlocalhost\n", "/etc/resolv.conf": ""}
        )
    finally:
        os.umask(old)
    assert written == {
        "/etc/hosts": str(tmp_path / "hosts"),
        "/etc/resolv.conf": str(tmp_path / "resolv.conf"),
    }
    assert (tmp_path / "hosts").read_text() == "127.0.0.1\tlocalhost\n"
    assert mode(tmp_path / "hosts") == 0o644
