"""Platforms: how they are spelled, what runs where, what is chosen from an index."""

from __future__ import annotations

import json
from typing import Any

import pytest

from imgfetch.errors import DocumentError, UsageError
from imgfetch.oci import mediatype
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.document import Object, load
from imgfetch.oci.platform import Platform, select
from tests.support import documents


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("linux/amd64", "linux/amd64"),
        ("linux/amd64/v3", "linux/amd64/v3"),
        ("amd64", "linux/amd64"),
        ("amd64/v2", "linux/amd64/v2"),
        ("arm", "linux/arm"),
        ("arm/v7", "linux/arm/v7"),
        ("linux/arm/7", "linux/arm/v7"),
        ("linux/arm64/8", "linux/arm64/v8"),
        ("linux/arm64/v8.2", "linux/arm64/v8.2"),
        ("aarch64", "linux/arm64"),
        ("x86_64", "linux/amd64"),
        ("linux/x86-64", "linux/amd64"),
        ("i686", "linux/386"),
        ("armhf", "linux/arm/v7"),
        ("armel", "linux/arm/v6"),
        ("armhf/v6", "linux/arm/v6"),
        ("Linux/ARM64", "linux/arm64"),
        ("mips64", "linux/mips64"),
        ("loongarch64", "linux/loong64"),
        ("windows/amd64", "windows/amd64"),
        ("wasi/wasm", "wasi/wasm"),
        ("unknown/unknown", "unknown/unknown"),
    ],
)
def test_people_may_write_a_platform_as_they_know_it(text: str, normal: str) -> None:
    """R053: the spellings that containerd takes."""
    assert str(Platform.parse(text)) == normal


@pytest.mark.parametrize(
    "text",
    [
        "",
        "linux",
        "windows",
        "linux/",
        "/amd64",
        "linux//v7",
        "linux/arm/v7/x",
        "arm/v7/x/y",
        "linux/amd 64",
        "linux/amd64\n",
        "linux/ämd64",
        "linux/../x",
        "linux/a%2f",
        "amd64,arm64",
    ],
)
def test_anything_else_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Platform.parse(text)
    assert caught.value.expected == "OS/ARCHITECTURE[/VARIANT], e.g. linux/arm64"


@pytest.mark.parametrize(
    ("machine", "platform"),
    [
        ("x86_64", "linux/amd64"),
        ("i686", "linux/386"),
        ("aarch64", "linux/arm64"),
        ("armv8l", "linux/arm/v8"),
        ("armv7l", "linux/arm/v7"),
        ("armv6l", "linux/arm/v6"),
        ("armv5tejl", "linux/arm/v5"),
        ("ppc64le", "linux/ppc64le"),
        ("s390x", "linux/s390x"),
        ("riscv64", "linux/riscv64"),
        ("loongarch64", "linux/loong64"),
        ("something", "linux/something"),
    ],
)
def test_a_kernels_machine_name_gives_the_hosts_platform(machine: str, platform: str) -> None:
    assert str(Platform.from_machine(machine)) == platform


def _document(**fields: Any) -> Object:
    return load(json.dumps(fields).encode(), "platform")


@pytest.mark.parametrize(
    ("fields", "platform"),
    [
        ({"os": "linux", "architecture": "arm64"}, Platform("linux", "arm64")),
        ({"os": "linux", "architecture": "arm", "variant": "7"}, Platform("linux", "arm", "v7")),
        ({"os": "Linux", "architecture": "x86_64"}, Platform("linux", "amd64")),
        ({"os": "linux", "architecture": "arm64", "variant": ""}, Platform("linux", "arm64")),
        ({"os": "linux", "architecture": "arm64", "variant": None}, Platform("linux", "arm64")),
        (
            {"os": "windows", "architecture": "amd64", "os.version": "10.0.1", "os.features": []},
            Platform("windows", "amd64", None, "10.0.1"),
        ),
        ({}, Platform("", "")),
    ],
)
def test_documents_are_normalised_as_containerd_does(
    fields: dict[str, Any], platform: Platform
) -> None:
    assert Platform.from_object(_document(**fields)) == platform


@pytest.mark.parametrize("field", ["os", "architecture", "variant", "os.version"])
def test_a_field_of_another_type_is_refused(field: str) -> None:
    with pytest.raises(DocumentError):
        Platform.from_object(_document(**{field: 1}))


@pytest.mark.parametrize(
    "platform",
    [
        Platform("linux", "amd64"),
        Platform("linux", "arm", "v7"),
        Platform("windows", "amd64", None, "10.0.1"),
    ],
)
def test_what_is_written_is_read_back(platform: Platform) -> None:
    assert Platform.from_object(_document(**platform.to_json())) == platform


# Host, then what it runs, the best first.
RUNS = [
    ("linux/amd64", ["linux/amd64/v1", "linux/amd64"]),
    ("linux/amd64/v1", ["linux/amd64/v1", "linux/amd64"]),
    ("linux/amd64/v2", ["linux/amd64/v2", "linux/amd64/v1", "linux/amd64"]),
    (
        "linux/amd64/v4",
        ["linux/amd64/v4", "linux/amd64/v3", "linux/amd64/v2", "linux/amd64/v1", "linux/amd64"],
    ),
    ("linux/arm", ["linux/arm/v7", "linux/arm/v6", "linux/arm/v5", "linux/arm"]),
    ("linux/arm/v7", ["linux/arm/v7", "linux/arm/v6", "linux/arm/v5", "linux/arm"]),
    ("linux/arm/v6", ["linux/arm/v6", "linux/arm/v5", "linux/arm"]),
    ("linux/arm/v5", ["linux/arm/v5", "linux/arm"]),
    ("linux/arm/v8", ["linux/arm/v8", "linux/arm/v7", "linux/arm/v6", "linux/arm/v5", "linux/arm"]),
    ("linux/arm64", ["linux/arm64/v8", "linux/arm64"]),
    ("linux/arm64/v8", ["linux/arm64/v8", "linux/arm64"]),
    ("linux/arm64/v8.2", ["linux/arm64/v8.2", "linux/arm64/v8.1", "linux/arm64/v8", "linux/arm64"]),
    (
        "linux/arm64/v9.1",
        [
            "linux/arm64/v9.1",
            "linux/arm64/v9",
            "linux/arm64/v8.6",
            "linux/arm64/v8.5",
            "linux/arm64/v8.4",
            "linux/arm64/v8.3",
            "linux/arm64/v8.2",
            "linux/arm64/v8.1",
            "linux/arm64/v8",
            "linux/arm64",
        ],
    ),
    ("linux/arm64/v10", ["linux/arm64/v10", "linux/arm64"]),
    ("linux/riscv64", ["linux/riscv64"]),
    ("linux/ppc64le/power9", ["linux/ppc64le/power9", "linux/ppc64le"]),
    ("windows/amd64", ["windows/amd64/v1", "windows/amd64"]),
]
EVERYTHING = sorted(
    {name for host, names in RUNS for name in (host, *names)}
    | {"linux/386", "linux/riscv64/rva23u64", "unknown/unknown", "linux/arm/8", "darwin/arm64"}
    | {"linux/arm64/v8.7", "linux/arm64/v8.9", "linux/arm64/v9.2"}
)


@pytest.mark.parametrize(("host", "names"), RUNS, ids=lambda value: str(value)[:30])
def test_a_host_runs_its_own_variant_and_those_below_the_best_first(
    host: str, names: list[str]
) -> None:
    """R053, R054: never a variant above the host's own."""
    wanted = Platform.parse(host)
    ranks = {name: wanted.rank(_exactly(name)) for name in EVERYTHING}
    runs = [(rank, name) for name, rank in ranks.items() if rank is not None]
    assert [name for _, name in sorted(runs)] == names


def _exactly(name: str) -> Platform:
    os, architecture, *variant = name.split("/")
    return Platform(os, architecture, *variant)


def _entries(*names: str) -> list[Descriptor]:
    index = [documents.platform_entry(name) for name in names]
    return _descriptors(*index)


def _descriptors(*entries: documents.Document) -> list[Descriptor]:
    document = load(documents.encode({"manifests": entries}), "index")
    return [Descriptor.from_object(entry) for entry in document.objects("manifests")]


def _chosen(wanted: str, entries: list[Descriptor]) -> list[str]:
    return [str(entry.platform) for entry in select(Platform.parse(wanted), entries)]


@pytest.mark.parametrize(
    ("wanted", "best"),
    [
        ("linux/arm/v7", "linux/arm/v7"),
        ("linux/arm/v6", "linux/arm/v6"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/arm64", "linux/arm64"),
        ("linux/arm64/v8", "linux/arm64"),
    ],
)
def test_the_variant_nearest_below_is_chosen(wanted: str, best: str) -> None:
    """R053."""
    entries = _entries("linux/arm/v6", "linux/arm64", "linux/arm/v7")
    assert _chosen(wanted, entries)[0] == best


def test_a_host_that_runs_v2_gets_the_best_it_runs() -> None:
    """R054."""
    entries = _entries("linux/amd64", "linux/amd64/v3", "linux/amd64/v2", "linux/amd64/v4")
    assert _chosen("linux/amd64/v2", entries) == ["linux/amd64/v2", "linux/amd64"]


def test_a_single_entry_for_another_platform_is_not_chosen() -> None:
    """R052."""
    assert _chosen("linux/amd64", _entries("linux/arm64")) == []


def test_among_equals_the_first_is_chosen() -> None:
    first, second = _entries("linux/amd64", "linux/amd64")
    assert select(Platform.parse("linux/amd64"), [first, second])[0] is first


def test_entries_that_are_no_images_are_passed_over() -> None:
    """R050: attestations; and image-index.md on media types that are not known."""
    image = documents.platform_entry("linux/amd64")
    entries = _descriptors(
        documents.platform_entry("unknown/unknown"),
        {**image, "annotations": {"vnd.docker.reference.type": "attestation-manifest"}},
        {**image, "mediaType": "application/vnd.in-toto+json"},
        {**image, "artifactType": "application/vnd.example.signature"},
        documents.without(image, "platform"),
        {**image, "platform": None},
        {**image, "platform": {}},
        {**image, "size": 1},
    )
    assert select(Platform.parse("linux/amd64"), entries) == entries[-1:]


def test_an_entry_may_be_an_index_itself_or_of_either_family() -> None:
    """R051, R055."""
    image = documents.platform_entry("linux/amd64")
    entries = _descriptors(
        *(
            {**image, "mediaType": media_type}
            for media_type in sorted(mediatype.INDEXES | mediatype.MANIFESTS)
        )
    )
    assert select(Platform.parse("linux/amd64"), entries) == entries
