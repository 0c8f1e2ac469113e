from __future__ import annotations

import copy
from typing import Any

import pytest

from imgfetch.bundle.patch import merge_patch, patched
from imgfetch.errors import InvalidOptionError
from tests.support.specs import make_spec


# The cases of RFC 7396, appendix A.
@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patches(target: object, patch: object, result: object) -> None:
    before = copy.deepcopy(target)
    assert merge_patch(target, patch) == result
    assert target == before


def test_a_patched_specification_has_what_a_run_reads_of_it() -> None:
    document = make_spec().document
    before = copy.deepcopy(document)
    mounts = [{"destination": "/x", "source": "/y", "options": ["rbind"]}, {"destination": "/z"}]
    result = patched(document, {"mounts": mounts, "hostname": "other", "root": {"readonly": True}})
    assert document == before
    assert result["hostname"] == "other"
    assert result["root"] == {**document["root"], "readonly": True}
    assert result["mounts"] == [
        {"destination": "/x", "type": "none", "source": "/y", "options": ["rbind"]},
        {"destination": "/z", "type": "none", "source": "none", "options": []},
    ]


@pytest.mark.parametrize(
    "patch",
    [
        {"process": None},
        {"process": {"args": []}},
        {"process": {"args": [1]}},
        {"process": {"env": None}},
        {"process": {"cwd": 1}},
        {"process": {"user": {"uid": "0"}}},
        {"mounts": {}},
        {"mounts": ["x"]},
        {"mounts": [{"source": "x"}]},
        {"mounts": [{"destination": "/x", "options": [1]}]},
        {"linux": None},
        {"linux": {"cgroupsPath": ""}},
    ],
)
def test_a_patch_that_breaks_the_specification_is_refused(patch: dict[str, Any]) -> None:
    """P05: crun kills everything in the root cgroup for an empty path."""
    with pytest.raises(InvalidOptionError, match="--spec-patch leaves"):
        patched(make_spec().document, patch)
