"""``annotations`` of the specification.

image-spec conversion.md "Annotation Fields". Runtimes take some annotations as
configuration (``org.systemd.property.*``, ``run.oci.*``, ``org.criu.config``,
``cdi.k8s.io/*``: CVE-2024-3154, CVE-2026-53488), so of the image's labels only those in
the specification's own name space are passed on. The caller's annotations all are.
"""

from __future__ import annotations

from imgfetch.lean.typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imgfetch.oci.config import ImageConfig

_PREFIX: Final = "org.opencontainers.image."


def spec_annotations(
    image: ImageConfig, asked: Mapping[str, str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """What the config says about the image, its safe labels, and what the caller asks for.

    Returns:
        The annotations, and the names of the labels that were left out.
    """
    process, platform = image.process, image.platform
    implicit = {
        "os": platform.os,
        "architecture": platform.architecture,
        "variant": platform.variant,
        "os.version": platform.os_version,
        "author": image.author,
        "created": image.created,
        "stopSignal": process.stop_signal,
        "exposedPorts": ",".join(process.exposed_ports),
    }
    result = {f"{_PREFIX}{name}": value for name, value in implicit.items() if value}
    result |= {key: value for key, value in process.labels.items() if _is_safe(key)}
    omitted = tuple(key for key in process.labels if not _is_safe(key))
    return {**result, **asked}, omitted


def _is_safe(label: str) -> bool:
    return label.startswith(_PREFIX)
