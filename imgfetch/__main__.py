"""``python -m imgfetch``."""

from __future__ import annotations

from imgfetch.cli.main import main

if __name__ == "__main__":
    main()
