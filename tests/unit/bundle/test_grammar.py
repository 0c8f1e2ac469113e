from __future__ import annotations

from collections.abc import Callable

import pytest

from imgfetch.bundle import grammar
from imgfetch.errors import InvalidOptionError


@pytest.mark.parametrize(
    ("text", "size"),
    [
        *[("0", 0), ("512", 512), ("1k", 1024), ("64m", 64 << 20), ("64MB", 64 << 20)],
        *[("2GiB", 2 << 30), ("1.5g", 3 << 29), ("0.5k", 512), ("1b", 1), ("1p", 1 << 50)],
    ],
)
def test_sizes_are_binary(text: str, size: int) -> None:
    assert grammar.parse_size(text) == size


@pytest.mark.parametrize(
    "text",
    ["", "m", "-1", "+1", "1_000", "٣", " 1", "1 m", "1mm", "1e3", "0x10", "9223372036854775808"],
)
def test_other_sizes_are_refused(text: str) -> None:
    """S152."""
    with pytest.raises(InvalidOptionError) as caught:
        grammar.parse_size(text)
    assert caught.value.expected


def test_memory_swap_may_be_unlimited() -> None:
    assert grammar.parse_memory_swap("-1") == -1
    assert grammar.parse_memory_swap("1k") == 1024


@pytest.mark.parametrize("text", ["a", "A1", "web-1.x_y", "a" * 64])
def test_names(text: str) -> None:
    assert grammar.parse_name(text) == text


@pytest.mark.parametrize(
    "text", ["", "-x", "../x", "a/b", ".", "..", "_a", "a\n", "a" * 65, "é", "٣"]
)
def test_names_that_are_paths_or_flags_are_refused(text: str) -> None:
    """S153."""
    with pytest.raises(InvalidOptionError):
        grammar.parse_name(text)


@pytest.mark.parametrize("text", ["a", "web-1", "web.example.org", "a" * 63, "1"])
def test_hostnames(text: str) -> None:
    assert grammar.parse_hostname(text) == text


@pytest.mark.parametrize(
    "text", ["", "-a", "a-", "a_b c", "a\n", ".a", "a" * 64, f"{'a' * 40}.{'b' * 40}"]
)
def test_hostnames_that_the_kernel_or_dns_refuse(text: str) -> None:
    """R153."""
    with pytest.raises(InvalidOptionError):
        grammar.parse_hostname(text)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *[("SIGTERM", 15), ("term", 15), ("9", 9), ("QUIT", 3), ("SIGSYS", 31), ("SIGWINCH", 28)],
        *[("RTMIN", 34), ("SIGRTMIN+3", 37), ("RTMAX-1", 63), ("64", 64), ("sigchld", 17)],
    ],
)
def test_signals(text: str, number: int) -> None:
    assert grammar.parse_signal(text) == number


@pytest.mark.parametrize(
    "text", ["", "0", "65", "999", "9; x", "SIG", "-9", "RTMIN-1", "RTMAX+1", "TERM "]
)
def test_signals_that_do_not_exist(text: str) -> None:
    """S058."""
    with pytest.raises(InvalidOptionError):
        grammar.parse_signal(text)


@pytest.mark.parametrize(("text", "mask"), [("022", 0o22), ("0", 0), ("77", 0o77), ("0777", 0o777)])
def test_umasks_are_octal(text: str, mask: int) -> None:
    assert grammar.parse_umask(text) == mask


@pytest.mark.parametrize(("text", "limit"), [("100", 100), ("-1", -1), ("0", -1)])
def test_no_processes_at_all_means_unlimited(text: str, limit: int) -> None:
    assert grammar.parse_pids_limit(text) == limit


def test_labels() -> None:
    assert grammar.parse_label("a=b=c") == ("a", "b=c")
    assert grammar.parse_label("a") == ("a", "")


@pytest.mark.parametrize("text", ["0", "0-2,4", "1,3,5-7"])
def test_cpusets(text: str) -> None:
    assert grammar.parse_cpuset(text) == text


def test_cpus() -> None:
    assert grammar.parse_cpus("1.5") == 1.5


@pytest.mark.parametrize(
    ("parse", "text"),
    [(grammar.parse_umask, text) for text in ("", "8", "1000", "0o22", "01777")]
    + [(grammar.parse_pids_limit, text) for text in ("", "-2", "x", "1_0")]
    + [(grammar.parse_label, text) for text in ("", "=b", " a=b", "a\0=b")]
    + [(grammar.parse_cpuset, text) for text in ("", "a", "1-", "3-1", "1-2-3", "1,,2", "0;1")]
    + [(grammar.parse_cpus, text) for text in ("", "0", "-1", "nan", "1e3", "0.001")],
    ids=lambda value: getattr(value, "__name__", None) or repr(value),
)
def test_other_values_are_refused(parse: Callable[[str], object], text: str) -> None:
    """S153: nothing that int() or float() would let through gets in."""
    with pytest.raises(InvalidOptionError) as caught:
        parse(text)
    assert caught.value.expected
