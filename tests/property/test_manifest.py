"""Manifests, configs and platforms, whatever the documents say."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from imgfetch.errors import ContentError
from imgfetch.oci import mediatype
from imgfetch.oci.config import ImageConfig
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.document import load
from imgfetch.oci.manifest import Index, parse
from imgfetch.oci.platform import Platform, select
from tests.support import documents

_ARCHITECTURES = ["amd64", "arm", "arm64", "riscv64"]
_VARIANTS = [None, "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v8.2", "v9", "v9.1", "x"]
PLATFORMS = st.builds(
    Platform,
    st.sampled_from(["linux", "windows"]),
    st.sampled_from(_ARCHITECTURES),
    st.sampled_from(_VARIANTS),
)
_JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(1.5) | st.text(max_size=5),
    lambda values: (
        st.lists(values, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["mediaType", "digest", "size", "platform", "os", "type", "diff_ids", "x"]
            ),
            values,
            max_size=3,
        )
    ),
    max_leaves=8,
)
_WHOLE = st.sampled_from([documents.manifest(), documents.index(), documents.config()])


@st.composite
def bent_documents(draw: st.DrawFn) -> dict[str, Any]:
    """A well-formed document, with junk in some place of it."""
    document: dict[str, Any] = json.loads(json.dumps(draw(_WHOLE)))
    place: Any = document
    while True:
        key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if isinstance(place[key], dict | list) and place[key] and draw(st.booleans()):
            place = place[key]
            continue
        place[key] = draw(_JUNK)
        return document


@given(bent_documents(), st.sampled_from(["", *sorted(mediatype.INDEXES | mediatype.MANIFESTS)]))
def test_a_bent_document_is_read_or_refused_and_nothing_else(
    document: dict[str, Any], announced: str
) -> None:
    """S045."""
    raw = documents.encode(document)
    with contextlib.suppress(ContentError):
        assert parse(raw, announced).raw == raw
    with contextlib.suppress(ContentError):
        assert ImageConfig.from_json(raw).raw == raw


@given(bent_documents())
def test_no_document_is_both_an_index_and_a_manifest(document: dict[str, Any]) -> None:
    """S030."""
    kinds = set()
    for announced in ("", *mediatype.INDEXES, *mediatype.MANIFESTS):
        with contextlib.suppress(ContentError):
            kinds.add(type(parse(documents.encode(document), announced)))
    assert len(kinds) < 2 or not {"manifests", "layers", "config"} & {
        name for name, value in document.items() if value is not None
    }


@given(st.lists(st.tuples(PLATFORMS, st.integers(0, 2**63 - 1)), max_size=6))
def test_an_index_that_we_write_is_read_back(entries: list[tuple[Platform, int]]) -> None:
    descriptors = [
        Descriptor(
            mediatype.OCI_MANIFEST,
            Descriptor.of(str(size).encode(), "").digest,
            size,
            platform=platform,
        )
        for platform, size in entries
    ]
    raw = documents.encode(
        documents.index(manifests=[descriptor.to_json() for descriptor in descriptors])
    )
    index = parse(raw)
    assert isinstance(index, Index)
    assert list(index.manifests) == [_normalized(descriptor) for descriptor in descriptors]


def _normalized(descriptor: Descriptor) -> Descriptor:
    return Descriptor.from_object(load(documents.encode(descriptor.to_json()), "descriptor"))


_LEVELS: dict[str | None, int] = {
    None: 0,
    **{f"v{number}": number * 10 for number in range(1, 10)},
    "v8.2": 82,
    "v9.1": 91,
}


def _level(platform: Platform) -> int | None:
    return _LEVELS.get(platform.variant)


@given(PLATFORMS, PLATFORMS)
def test_nothing_above_a_processors_own_variant_runs_on_it(
    host: Platform, offered: Platform
) -> None:
    """R053, R054."""
    rank = host.rank(offered)
    own, theirs = _level(host), _level(offered)
    if rank is not None and own and theirs:
        assert theirs <= own


@given(PLATFORMS, PLATFORMS, PLATFORMS)
def test_what_runs_on_what_runs_here_runs_here(
    host: Platform, middle: Platform, offered: Platform
) -> None:
    if middle.variant and host.rank(middle) is not None and middle.rank(offered) is not None:
        assert host.rank(offered) is not None


@given(PLATFORMS, PLATFORMS, PLATFORMS)
def test_the_higher_variant_ranks_first(host: Platform, first: Platform, second: Platform) -> None:
    """R053, R054."""
    ranks = host.rank(first), host.rank(second)
    levels = _level(first), _level(second)
    if None not in ranks and None not in levels:
        assert (ranks[0] < ranks[1]) == (levels[0] > levels[1])  # type: ignore[operator]  # not None


@given(PLATFORMS)
def test_a_platform_runs_its_own_images_best(platform: Platform) -> None:
    if platform.variant:
        assert platform.rank(platform) == 0
    else:
        assert platform.rank(platform) is not None


@given(PLATFORMS)
def test_a_printed_platform_is_read_back(platform: Platform) -> None:
    assert Platform.parse(str(platform)) == platform


@given(PLATFORMS, st.lists(PLATFORMS, max_size=8))
def test_the_choice_is_what_runs_in_order_of_rank_then_of_place(
    host: Platform, offered: list[Platform]
) -> None:
    entries = [
        Descriptor(mediatype.OCI_MANIFEST, Descriptor.of(b"", "").digest, place, platform=platform)
        for place, platform in enumerate(offered)
    ]
    chosen = select(host, entries)
    keys = [(host.rank(offered[entry.size]), entry.size) for entry in chosen]
    assert keys == sorted(keys, key=lambda key: (key[0] or 0, key[1]))
    assert {entry.size for entry in chosen} == {
        place for place, platform in enumerate(offered) if host.rank(platform) is not None
    }
