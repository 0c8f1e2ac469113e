"""The store against a model of it: a dict of names, a dict of blobs."""

import json
import tempfile
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
from hypothesis import given, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from imgfetch.cas.directory import LayoutStore
from imgfetch.cas.gc import collect
from imgfetch.errors import NetworkError, VerificationError
from imgfetch.oci import mediatype
from imgfetch.oci.descriptor import REF_NAME, Descriptor
from imgfetch.oci.layout import LayoutIndex
from tests.support.incoming import Incoming
from tests.support.sources import RecordedProgress

NAMES = st.sampled_from(["a", "docker.io/library/alpine:3", "[::1]:5000/x@sha256:0", "ü/x:1", ""])
CONTENTS = st.binary(max_size=40)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


def entry(text: bytes, name: str | None, extra: dict[str, Any]) -> dict[str, Any]:
    annotations = {} if name is None else {"annotations": {REF_NAME: name}}
    known = Descriptor.of(text, mediatype.OCI_MANIFEST).to_json()
    return {**extra, **known, **annotations}


ENTRIES = st.builds(
    entry, CONTENTS, st.none() | NAMES, st.dictionaries(st.text(max_size=5), JSON, max_size=2)
)


@given(
    entries=st.lists(ENTRIES, max_size=6),
    extra=st.dictionaries(st.text(min_size=1, max_size=5), JSON, max_size=3),
    name=NAMES,
    content=CONTENTS,
)
def test_a_changed_index_differs_in_the_one_name_only(
    entries: list[dict[str, Any]], extra: dict[str, Any], name: str, content: bytes
) -> None:
    """R103."""
    document = {**extra, "manifests": entries}
    index = LayoutIndex.from_json(json.dumps(document).encode(), "test")
    descriptor = Descriptor.of(content, "x/y")
    tagged = index.with_entry(name, descriptor)
    others = [other for other in entries if other.get("annotations", {}).get(REF_NAME) != name]
    assert tagged.named(name) == [descriptor]
    for changed in (tagged.without_entry(name), index.without_entry(name)):
        assert json.loads(changed.to_json()) == {**document, "manifests": others}
    again = LayoutIndex.from_json(tagged.to_json(), "test")
    assert (again.entries, again.foreign) == (tagged.entries, tagged.foreign)


@settings(max_examples=50)
@given(
    data=st.binary(max_size=3000),
    partial=st.binary(max_size=50) | st.integers(0, 3500),
    step=st.integers(1, 4000),
    breaks=st.lists(st.integers(0, 3000), max_size=4),
)
def test_any_sequence_of_broken_transfers_ends_with_the_content(
    data: bytes, partial: bytes | int, step: int, breaks: list[int]
) -> None:
    """R028, R109: whatever is there of a blob, and wherever transfers break."""
    with tempfile.TemporaryDirectory() as directory:
        store = LayoutStore(directory)
        with store.lease():
            pass
        incoming = Incoming.of(data, step=step)
        digest = incoming.descriptor.digest
        before = partial if isinstance(partial, bytes) else (data + b"more")[:partial]
        Path(directory, "ingest", f"sha256-{digest.encoded}.partial").write_bytes(before)
        for place in breaks:

            def break_off(offset: int, place: int = place) -> None:
                if offset >= place:
                    message = "gone"
                    raise NetworkError(message)

            incoming.before_chunk = break_off
            try:
                store.ingest(incoming.content, RecordedProgress())
            except NetworkError:
                assert store.find(digest) is None
        incoming.before_chunk = lambda _offset: None
        store.ingest(incoming.content, RecordedProgress())
        assert store.read(incoming.descriptor, 4000) == data
        assert list(Path(directory, "ingest").iterdir()) == []


class Store(RuleBasedStateMachine):
    """Names and blobs come and go, by one process after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.names: dict[str, bytes] = {}
        self.blobs: set[bytes] = set()

    def teardown(self) -> None:
        self.directory.cleanup()

    @property
    def store(self) -> LayoutStore:
        return LayoutStore(f"{self.directory.name}/store")

    @rule(content=CONTENTS)
    def ingest(self, content: bytes) -> None:
        self.store.ingest(Incoming.of(content).content, RecordedProgress())
        self.blobs.add(content)

    @rule(content=CONTENTS, lie=CONTENTS)
    def ingest_a_lie(self, content: bytes, lie: bytes) -> None:
        if content != lie and content not in self.blobs:
            try:
                self.store.ingest(Incoming.of(content).but(lie).content, RecordedProgress())
            except VerificationError:
                return
            raise AssertionError

    @rule(content=CONTENTS, name=NAMES)
    def tag(self, content: bytes, name: str) -> None:
        self.store.tag(name, Descriptor.of(content, "x/y"))
        self.names[name] = content

    @rule(name=NAMES)
    def untag(self, name: str) -> None:
        content = self.names.pop(name, None)
        expected = None if content is None else Descriptor.of(content, "x/y")
        assert self.store.untag(name) == expected

    @rule()
    def collect(self) -> None:
        kept = self.blobs & set(self.names.values())
        assert collect(self.store) == sum(map(len, self.blobs - kept))
        self.blobs = kept

    @invariant()
    def holds_what_the_model_holds(self) -> None:
        store = self.store
        expected = {name: Descriptor.of(text, "x/y") for name, text in self.names.items()}
        assert dict(store.entries()) == expected
        for content in self.blobs:
            assert store.read(Descriptor.of(content, ""), 100) == content


TestStore = Store.TestCase
TestStore.settings = settings(max_examples=25, stateful_step_count=20)
