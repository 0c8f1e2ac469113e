"""Image configs: what is read, what may be missing, what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from imgfetch.errors import ContentError, DocumentError, InvalidDigestError
from imgfetch.oci.config import History, ImageConfig, ProcessConfig
from imgfetch.oci.digest import DiffID, Digest
from imgfetch.oci.document import CONFIG_LIMIT, ENTRY_LIMIT
from imgfetch.oci.platform import Platform
from tests.support import documents
from tests.support.documents import digest, encode, without


def _read(**fields: Any) -> ImageConfig:
    return ImageConfig.from_json(encode(documents.config(**fields)), "config x")


def _read_process(**fields: Any) -> ProcessConfig:
    return _read(config=fields).process


def test_a_whole_config_is_read() -> None:
    raw = encode(
        {
            "created": "2024-01-02T03:04:05.678Z",
            "author": "somebody",
            "architecture": "arm",
            "variant": "v7",
            "os": "linux",
            "os.version": "1.2",
            "config": {
                "User": "app:1000",
                "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
                "Env": ["PATH=/bin", "EMPTY="],
                "Entrypoint": ["/entry"],
                "Cmd": ["a", ""],
                "Volumes": {"/data": {}},
                "WorkingDir": "/work",
                "Labels": {"a": "b"},
                "StopSignal": "SIGQUIT",
            },
            "rootfs": {"type": "layers", "diff_ids": [digest("lower"), digest("upper")]},
            "history": [
                {"created": "2024", "created_by": "sh", "comment": "x", "empty_layer": True},
                {},
            ],
        }
    )
    assert ImageConfig.from_json(raw) == ImageConfig(
        raw=raw,
        platform=Platform("linux", "arm", "v7", "1.2"),
        process=ProcessConfig(
            user="app:1000",
            env=("PATH=/bin", "EMPTY="),
            entrypoint=("/entry",),
            cmd=("a", ""),
            working_dir="/work",
            stop_signal="SIGQUIT",
            exposed_ports=("80/tcp", "53/udp"),
            volumes=("/data",),
            labels={"a": "b"},
        ),
        diff_ids=(DiffID(Digest.of(b"lower")), DiffID(Digest.of(b"upper"))),
        history=(History("2024", "sh", "x", empty_layer=True), History("", "", "", False)),
        created="2024-01-02T03:04:05.678Z",
        author="somebody",
    )


def test_diff_ids_are_digests_the_lowest_first() -> None:
    config = _read(rootfs={"type": "layers", "diff_ids": [digest("a"), digest("b")]})
    assert config.diff_ids == (Digest.of(b"a"), Digest.of(b"b"))


def test_a_config_is_a_value_whose_repr_leaves_the_bytes_out() -> None:
    config = _read(config={"Labels": {"a": "b"}})
    assert len({config, _read(config={"Labels": {"a": "b"}})}) == 1
    assert "raw" not in repr(config)


@pytest.mark.parametrize("process", [None, {}, "absent"])
def test_without_a_process_there_are_no_defaults(process: object) -> None:
    """R076: ``config: null``."""
    document = documents.config(config=process)
    if process == "absent":
        document = without(document, "config")
    assert ImageConfig.from_json(encode(document)).process == ProcessConfig()


def test_null_fields_are_absent_ones() -> None:
    """R076: as docker writes them."""
    names = ("User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir")
    nothing = dict.fromkeys((*names, "Labels", "StopSignal"))
    assert _read_process(**nothing) == ProcessConfig()
    config = _read(history=None, created=None, author=None, variant=None)
    assert (config.history, config.created, config.author) == ((), "", "")


def test_unknown_fields_are_ignored() -> None:
    """R076: docker's own, and those of the future."""
    fields = {
        "container_config": {"Cmd": 1},
        "docker_version": "1",
        "moby.buildkit.buildinfo.v1": "eyJ9",
        "config": {
            "Cmd": ["sh"],
            "OnBuild": None,
            "Healthcheck": {"Interval": 1e9},
            "ArgsEscaped": True,
            "Shell": ["x"],
            "Image": "",
            "Hostname": "",
        },
    }
    assert _read(**fields).process == ProcessConfig(cmd=("sh",))


def test_history_may_be_shorter_than_the_layers() -> None:
    """R076."""
    config = _read(
        rootfs={"type": "layers", "diff_ids": [digest("a"), digest("b")]},
        history=[{"created_by": "a"}],
    )
    assert (len(config.history), len(config.diff_ids)) == (1, 2)


def test_the_type_of_the_rootfs_may_be_absent() -> None:
    assert len(_read(rootfs={"diff_ids": [digest("a")]}).diff_ids) == 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rootfs": None}, "config x: no 'rootfs'"),
        ({"rootfs": []}, "config x: 'rootfs' is of a wrong type or out of range"),
        ({"rootfs": {"type": "squash"}}, "config x: rootfs of type 'squash'"),
        (
            {"rootfs": {"diff_ids": {}}},
            "config x.rootfs: 'diff_ids' is of a wrong type or out of range",
        ),
        (
            {"rootfs": {"diff_ids": [1]}},
            "config x.rootfs: 'diff_ids[0]' is of a wrong type or out of range",
        ),
        ({"config": []}, "config x: 'config' is of a wrong type or out of range"),
        ({"history": {}}, "config x: 'history' is of a wrong type or out of range"),
        ({"history": ["x"]}, "config x: 'history[0]' is of a wrong type or out of range"),
        (
            {"history": [{"empty_layer": 1}]},
            "config x.history[0]: 'empty_layer' is of a wrong type or out of range",
        ),
        ({"os": 1}, "config x: 'os' is of a wrong type or out of range"),
        ({"created": 0}, "config x: 'created' is of a wrong type or out of range"),
        ({"Config": {}}, "config x: some parsers take field 'Config' for 'config': refused"),
    ],
)
def test_wrong_shapes_are_refused_and_named(fields: dict[str, Any], message: str) -> None:
    """S045: the class of CVE-2021-21285."""
    with pytest.raises(DocumentError) as caught:
        _read(**fields)
    assert caught.value.message == message


@pytest.mark.parametrize("raw", [b"{}", b"[]", b"null", b"", b'{"architecture": "amd64"}'])
def test_a_config_without_rootfs_is_refused(raw: bytes) -> None:
    """S045."""
    with pytest.raises(DocumentError):
        ImageConfig.from_json(raw)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("User", 0),
        ("User", ["root"]),
        ("Cmd", "sh"),
        ("Cmd", [1]),
        ("Cmd", [None]),
        ("Entrypoint", [1]),
        ("Entrypoint", {"0": "sh"}),
        ("Env", {"A": 1}),
        ("Env", "A=1"),
        ("Env", [["A=1"]]),
        ("WorkingDir", []),
        ("StopSignal", 9),
        ("ExposedPorts", ["80/tcp"]),
        ("Volumes", ["/data"]),
        ("Labels", {"a": 1}),
        ("Labels", ["a=b"]),
    ],
)
def test_a_process_field_of_another_type_is_refused_and_named(field: str, value: object) -> None:
    """S058."""
    with pytest.raises(DocumentError) as caught:
        _read_process(**{field: value})
    assert caught.value.message.startswith("config x.config: ")
    assert f"'{field}" in caught.value.message


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("User", "root\0x"),
        ("Cmd", ["sh", "a\0b"]),
        ("Entrypoint", ["\0"]),
        ("Env", ["A=1", "B=\0"]),
        ("WorkingDir", "/\0"),
        ("Volumes", {"/data\0": {}}),
    ],
)
def test_nul_in_what_the_kernel_gets_is_refused_and_named(field: str, value: object) -> None:
    """S058."""
    with pytest.raises(DocumentError) as caught:
        _read_process(**{field: value})
    assert caught.value.message == f"config x.config: NUL in '{field}'"


@pytest.mark.parametrize("signal", ["9; x", "999", "SIGKILL", "", " "])
def test_a_stop_signal_stays_as_written(signal: str) -> None:
    """S058: what it means is decided where it is used."""
    assert _read_process(StopSignal=signal).stop_signal == signal


def test_a_user_given_twice_is_refused() -> None:
    """S038."""
    raw = encode(documents.config(config={"User": "app"}))
    with pytest.raises(DocumentError, match="'User' is 2 times"):
        ImageConfig.from_json(raw.replace(b'"User"', b'"User": "root", "User"'))


@pytest.mark.parametrize("text", ["sha256:../../x", "md5:00", "", digest("a").upper()])
def test_a_diff_id_outside_the_grammar_is_refused(text: str) -> None:
    """S026, S034."""
    with pytest.raises(InvalidDigestError, match=r"^config x\.rootfs: diff_ids\[1\]: "):
        _read(rootfs={"type": "layers", "diff_ids": [digest("a"), text]})


def test_size_and_number_of_entries_are_limited() -> None:
    """S037."""
    too_many = [""] * (ENTRY_LIMIT + 1)
    for fields in ({"rootfs": {"diff_ids": too_many}}, {"config": {"Env": too_many}}):
        with pytest.raises(DocumentError, match="too many entries"):
            _read(**fields)
    with pytest.raises(ContentError, match="too large"):
        ImageConfig.from_json(encode(documents.config()) + b" " * CONFIG_LIMIT)
