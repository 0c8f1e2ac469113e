"""`hashlib` for a few bytes: without OpenSSL, which hashes faster and is slow to load."""

from __future__ import annotations

try:
    from _sha2 import sha256, sha512
except ImportError:
    try:
        from _sha256 import sha256  # Python 3.11
        from _sha512 import sha512
    except ImportError:  # another Python
        from hashlib import sha256, sha512

_HASHES = {"sha256": sha256, "sha512": sha512}


def new(name, data=b""):
    """See `hashlib.new`; of SHA-2 only."""
    return _HASHES[name](data)
