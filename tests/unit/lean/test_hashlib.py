from __future__ import annotations

import hashlib

import pytest

from imgfetch.lean import hashlib as lean


@pytest.mark.parametrize("name", ["sha256", "sha512"])
def test_hashes_are_those_of_the_original(name: str) -> None:
    made = lean.new(name, b"some")
    made.update(b"thing")
    assert made.hexdigest() == hashlib.new(name, b"something").hexdigest()
