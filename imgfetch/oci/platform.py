"""Platforms, and which of an index's manifests fits one.

image-spec image-index.md "platform"; the variant order is containers/image's and
containerd's: a processor runs its own variant and those below it, never one above.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgfetch.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imgfetch.oci.descriptor import Descriptor
    from imgfetch.oci.document import Object

# What uname(2) says to what Go, and so images, say (architecture, variant).
MACHINES: dict[str, tuple[str, str | None]] = {
    "x86_64": ("amd64", None),
    "amd64": ("amd64", None),
    "i386": ("386", None),
    "i686": ("386", None),
    "aarch64": ("arm64", "v8"),
    "arm64": ("arm64", "v8"),
    "armv8l": ("arm", "v7"),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "armv5tel": ("arm", "v5"),
    "ppc64le": ("ppc64le", None),
    "s390x": ("s390x", None),
    "riscv64": ("riscv64", None),
    "loongarch64": ("loong64", None),
    "mips64": ("mips64le", None),
}

# People write these; images do not.
_ALIASES: dict[str, tuple[str, str | None]] = {
    **MACHINES,
    "x86-64": ("amd64", None),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
}

# Variants from best to least, where None is "no variant given".
_VARIANTS: dict[str, tuple[str | None, ...]] = {
    "amd64": ("v4", "v3", "v2", "v1", None),
    "arm": ("v8", "v7", "v6", "v5", None),
    "arm64": ("v9", "v8", None),
}

# What no variant stands for: the baseline of the architecture's images.
_BASELINE = {"amd64": "v1", "arm": "v7", "arm64": "v8"}

_WORD = re.compile(r"[A-Za-z0-9_.-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Platform:
    """An operating system and a processor, in Go's words.

    Attributes:
        os: e.g. ``linux``.
        architecture: e.g. ``amd64``.
        variant: e.g. ``v7``, None where none is given.
        os_version: e.g. ``10.0.14393.1066`` (Windows).
    """

    os: str
    architecture: str
    variant: str | None = None
    os_version: str | None = None

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Parse ``os/architecture[/variant]``, ``architecture`` or ``os``'s short forms.

        Raises:
            UsageError: anything else.
        """
        parts = text.split("/")
        if not 1 <= len(parts) <= 3 or not all(_WORD.fullmatch(part) for part in parts):  # noqa: PLR2004 - os, architecture, variant
            message = f"invalid platform {text!r}"
            raise UsageError(message, expected="OS/ARCHITECTURE[/VARIANT], e.g. linux/arm64")
        if len(parts) == 1:
            parts = ["linux", parts[0]]
        os, architecture = parts[0].lower(), parts[1].lower()
        alias, variant = _ALIASES.get(architecture, (architecture, None))
        if len(parts) == 3:  # noqa: PLR2004
            variant = parts[2].lower()
        return cls(os, alias, variant)

    @classmethod
    def from_machine(cls, machine: str) -> Platform:
        """The Linux platform of a ``uname -m`` machine name."""
        architecture, variant = MACHINES.get(machine, (machine, None))
        return cls("linux", architecture, variant)

    @classmethod
    def from_object(cls, value: Object) -> Platform:
        """The ``platform`` of a descriptor, or the same fields of an image's config.

        Raises:
            DocumentError: a field of another type than string.
        """
        return cls(
            value.string("os", ""),
            value.string("architecture", ""),
            value.string("variant", "") or None,
            value.string("os.version", "") or None,
        )

    def __str__(self) -> str:
        """``os/architecture[/variant]``."""
        variant = f"/{self.variant}" if self.variant else ""
        return f"{self.os}/{self.architecture}{variant}"

    def rank(self, offered: Platform) -> int | None:
        """How well an image for ``offered`` runs on this platform; lower is better.

        Returns:
            None when it does not run at all.
        """
        if (self.os, self.architecture) != (offered.os, offered.architecture):
            return None
        variants = _VARIANTS.get(self.architecture)
        if variants is None:
            return 0 if self.variant in {None, offered.variant} else None
        own = self.variant or _BASELINE[self.architecture]
        theirs = offered.variant
        if own not in variants or theirs not in variants:
            return 0 if own == theirs else None
        distance = variants.index(theirs) - variants.index(own)
        return distance if distance >= 0 else None


def select(wanted: Platform, offered: Iterable[Descriptor]) -> list[Descriptor]:
    """Those of an index's entries that run on a platform, the best first.

    Attestations and other entries that are no images are left out; entries without a
    platform are too (their configs would have to be read). Among equals the
    index's own order holds (image-index.md: "the first matching entry").
    """
    ranked = []
    for position, descriptor in enumerate(offered):
        if descriptor.platform is None or descriptor.is_attestation:
            continue
        rank = wanted.rank(descriptor.platform)
        if rank is not None:
            ranked.append((rank, position, descriptor))
    ranked.sort(key=lambda item: item[:2])
    return [descriptor for _, _, descriptor in ranked]
