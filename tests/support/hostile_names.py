"""An image whose names and history would do harm wherever they were taken for more than text."""

from __future__ import annotations

from imgfetch.oci.image import Image
from tests.support import layers
from tests.support.memory_images import MemoryImages

SCRIPT = "<script>window.harmed = 1</script>"

NAMES: tuple[bytes, ...] = (
    b"</script><script>window.harmed = 1</script>",
    b"<!--<script>",
    b"]]><img src=x onerror=window.harmed=1>",
    b"\"'><svg onload=window.harmed=1>",
    b"{{data}}{{policy}}",
    "line\u2028and\u2029paragraph".encode(),
    b"latin-\xe9-\xff",
    b"\xed\xa0\x80 surrogate",
    "right\u202eto left".encode(),
    b"\x1b]0;title\x07\x1b[2J",
    b"__proto__",
    b"constructor",
    b"new\nline",
    b"&lt;&amp;",
    b"javascript:window.harmed=1",
    "ﷺ".encode() * 20,
)
"""Names of files; each is a directory's as well, below ``d``."""


def hostile_image(made: MemoryImages) -> Image:
    """Files of all these names, in directories of these names, some replaced later."""
    files = [layers.file(name.replace(b"/", b"\\"), b"x" * 5000) for name in NAMES]
    files += [layers.file(b"d/" + name.replace(b"/", b"\\") + b"/f", b"x" * 3000) for name in NAMES]
    deep = layers.file(b"a/" * 1500 + b"deep", b"x" * 4000)
    return made.image(
        layers.layer(*files, deep),
        layers.layer(*files[: len(NAMES) : 2]),
        history=[
            {"created_by": f"RUN echo '{SCRIPT}' \u2028 \u202e \x1b[2J"},
            {"created_by": "</td></table>", "comment": SCRIPT},
        ],
    )
