"""`json`, without the regular expressions that its decoder is made of where there is no other.

CPython has both directions in C, in a module of its own. Where that is missing, or anything
is unusual (an error, too), the original does it, so that what comes out is always the same.
"""

from __future__ import annotations

try:
    from _json import encode_basestring, encode_basestring_ascii, make_encoder, make_scanner
except ImportError:  # another Python
    make_encoder = make_scanner = None

_BLANK = " \t\n\r"
# Of encodings other than plain UTF-8, besides zeros at the beginning.
_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_CONSTANTS = {"-Infinity": float("-inf"), "Infinity": float("inf"), "NaN": float("nan")}


class _Decoding:
    """What the scanner asks how to decode."""

    strict = True
    object_hook = None
    parse_float = float
    parse_int = int

    def __init__(self, object_pairs_hook, parse_constant):
        self.object_pairs_hook = object_pairs_hook
        self.parse_constant = parse_constant or _CONSTANTS.__getitem__
        self.memo = {}


def load(file):
    """See `json.load`."""
    return loads(file.read())


def loads(text, *, object_pairs_hook=None, parse_constant=None):
    """See `json.loads`."""
    if isinstance(text, bytes) and 0 not in text[:4] and not text.startswith(_MARKS):
        text = text.decode("utf-8", "surrogatepass")
    if isinstance(text, str) and make_scanner:
        scan = make_scanner(_Decoding(object_pairs_hook, parse_constant))
        try:
            value, end = scan(text, len(text) - len(text.lstrip(_BLANK)))
        except StopIteration:
            end = 0
        if end and not text[end:].strip(_BLANK):
            return value
    import json

    return json.loads(text, object_pairs_hook=object_pairs_hook, parse_constant=parse_constant)


def dumps(value, *, ensure_ascii=True, indent=None, separators=None):
    """See `json.dumps`."""
    if indent is None and make_encoder:
        item, key = separators or (", ", ": ")
        text = encode_basestring_ascii if ensure_ascii else encode_basestring
        encode = make_encoder({}, _refuse, text, None, key, item, False, False, True)
        return "".join(encode(value, 0))
    import json

    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators)


def _refuse(value):
    message = f"Object of type {type(value).__name__} is not JSON serializable"
    raise TypeError(message)
