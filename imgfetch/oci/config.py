"""An image's config: image-spec config.md.

What a config says about the process is data for the bundle; nothing of it ever
reaches a process on the host (environment, labels, annotations).
"""

from __future__ import annotations

from imgfetch.errors import DocumentError
from imgfetch.lean.dataclasses import dataclass, field
from imgfetch.lean.typing import TYPE_CHECKING
from imgfetch.oci.digest import DiffID
from imgfetch.oci.document import CONFIG_LIMIT, Object, load
from imgfetch.oci.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class ProcessConfig:
    """The ``config`` object: how to run a container of the image by default.

    Attributes:
        user: ``user[:group]``, names or numbers; "" for root.
        env: ``NAME=value`` in order.
        entrypoint: may be empty.
        cmd: may be empty.
        working_dir: "" for ``/``.
        stop_signal: as written, "" for none.
        exposed_ports: ``port/protocol``.
        volumes: paths.
        labels: free-form; never interpreted.
    """

    user: str = ""
    env: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    working_dir: str = ""
    stop_signal: str = ""
    exposed_ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class History:
    """One entry of ``history``.

    Attributes:
        created: RFC 3339, "" for none.
        created_by: the command.
        comment: free-form.
        empty_layer: whether it made no layer.
    """

    created: str
    created_by: str
    comment: str
    empty_layer: bool


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """An image's config blob.

    Attributes:
        raw: the document's bytes.
        platform: what it runs on.
        process: how it runs.
        diff_ids: of the layers, lowest first.
        history: of the layers, lowest first; may be shorter than they are.
        created: RFC 3339, "" for none.
        author: free-form.
    """

    raw: bytes = field(repr=False)
    platform: Platform
    process: ProcessConfig
    diff_ids: tuple[DiffID, ...]
    history: tuple[History, ...] = ()
    created: str = ""
    author: str = ""

    @classmethod
    def from_json(cls, raw: bytes, what: str = "image config") -> ImageConfig:
        """Parse a config.

        Raises:
            DocumentError: malformed, or a field of a wrong type.
            InvalidDigestError: a diffID is outside the grammar.
        """
        document = load(raw, what, limit=CONFIG_LIMIT)
        rootfs = document.object("rootfs")
        kind = rootfs.string("type", "layers")
        if kind != "layers":
            message = f"{what}: rootfs of type {kind[:40]!r}"
            raise DocumentError(message, expected="layers")
        return cls(
            raw=raw,
            platform=Platform.from_object(document),
            process=_process(document.optional_object("config")),
            diff_ids=tuple(map(DiffID, rootfs.digests("diff_ids"))),
            history=tuple(_history(entry) for entry in document.objects("history")),
            created=document.string("created", ""),
            author=document.string("author", ""),
        )


def _process(value: Object | None) -> ProcessConfig:
    if value is None:
        return ProcessConfig()
    process = ProcessConfig(
        user=value.string("User", ""),
        env=value.strings("Env"),
        entrypoint=value.strings("Entrypoint"),
        cmd=value.strings("Cmd"),
        working_dir=value.string("WorkingDir", ""),
        stop_signal=value.string("StopSignal", ""),
        exposed_ports=value.keys("ExposedPorts"),
        volumes=value.keys("Volumes"),
        labels=value.string_map("Labels"),
    )
    texts = {
        "User": (process.user,),
        "Env": process.env,
        "Entrypoint": process.entrypoint,
        "Cmd": process.cmd,
        "WorkingDir": (process.working_dir,),
        "Volumes": process.volumes,
    }
    for name, values in texts.items():
        # execve(2) and mount(2) end a string there: what runs is not what was read.
        if any("\0" in text for text in values):
            message = f"{value.where}: NUL in {name!r}"
            raise DocumentError(message)
    return process


def _history(entry: Object) -> History:
    return History(
        created=entry.string("created", ""),
        created_by=entry.string("created_by", ""),
        comment=entry.string("comment", ""),
        empty_layer=entry.boolean("empty_layer"),
    )
