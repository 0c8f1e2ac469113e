"""Platforms, and which of an index's manifests fits one.

image-spec image-index.md "platform". Names are normalised as containerd does, since
that is what makes an image run under docker. A processor runs the images of its own
variant and of those below it, never of one above.
"""

from __future__ import annotations

from imgfetch.errors import UsageError
from imgfetch.lean import re
from imgfetch.lean.dataclasses import dataclass
from imgfetch.lean.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imgfetch.oci.descriptor import Descriptor
    from imgfetch.oci.document import Object

# What uname(2) says to what Go, and so images, say (architecture, variant), where these
# are not the same word. Not mips64: uname does not tell which of Go's two it is.
MACHINES: dict[str, tuple[str, str | None]] = {
    "aarch64": ("arm64", None),
    "armv5tejl": ("arm", "v5"),
    "armv5tel": ("arm", "v5"),
    "armv6l": ("arm", "v6"),
    "armv7l": ("arm", "v7"),
    "armv8l": ("arm", "v8"),
    "i386": ("386", None),
    "i486": ("386", None),
    "i586": ("386", None),
    "i686": ("386", None),
    "loongarch64": ("loong64", None),
    "x86_64": ("amd64", None),
}

_ALIASES: dict[str, tuple[str, str | None]] = {
    **MACHINES,
    "armel": ("arm", "v6"),
    "armhf": ("arm", "v7"),
    "x86-64": ("amd64", None),
}

# GOARCH of the ports to Linux: with these and the aliases above, ``arm/v7`` can be told
# from ``linux/arm``.
_ARCHITECTURES = {
    *("386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle"),
    *("ppc64", "ppc64le", "riscv64", "s390x"),
    *_ALIASES,
}

# Variants from best to least.
_LADDERS = {
    "amd64": ("v4", "v3", "v2", "v1"),
    "arm": ("v8", "v7", "v6", "v5"),
}
_ARM64_V8 = ("v8.9", "v8.8", "v8.7", "v8.6", "v8.5", "v8.4", "v8.3", "v8.2", "v8.1", "v8")
_ARM64_V9 = ("v9.4", "v9.3", "v9.2", "v9.1", "v9")

# What a processor is whose variant is not given: what images of the architecture are
# built for.
_BASELINE = {"amd64": "v1", "arm": "v7", "arm64": "v8"}

_WORD = re.compile(r"[a-z0-9][a-z0-9_.-]*", re.ASCII)


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
        """Parse ``[OS/]ARCHITECTURE[/VARIANT]``; the operating system is Linux by default.

        Raises:
            UsageError: anything else.
        """
        parts = text.lower().split("/")
        if parts[0] in _ARCHITECTURES:
            parts.insert(0, "linux")
        if len(parts) not in {2, 3} or not all(_WORD.fullmatch(part) for part in parts):
            message = f"invalid platform {text[:100]!r}"
            raise UsageError(message, expected="OS/ARCHITECTURE[/VARIANT], e.g. linux/arm64")
        os, architecture, variant, *_ = *parts, ""
        return cls(os, *_normalize(architecture, variant))

    @classmethod
    def from_machine(cls, machine: str) -> Platform:
        """The Linux platform of a ``uname -m`` machine name."""
        return cls("linux", *MACHINES.get(machine, (machine, None)))

    @classmethod
    def from_object(cls, value: Object) -> Platform:
        """The ``platform`` of a descriptor, or the same fields of an image's config.

        Raises:
            DocumentError: a field of another type than string.
        """
        return cls(
            value.string("os", "").lower(),
            *_normalize(value.string("architecture", ""), value.string("variant", "")),
            value.string("os.version", "") or None,
        )

    def to_json(self) -> dict[str, str]:
        """The fields as JSON has them, for documents that we write."""
        fields = {
            "architecture": self.architecture,
            "os": self.os,
            "os.version": self.os_version,
            "variant": self.variant,
        }
        return {name: value for name, value in fields.items() if value is not None}

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
        runs = _runs(self.architecture, self.variant)
        return runs.index(offered.variant) if offered.variant in runs else None


def _normalize(architecture: str, variant: str) -> tuple[str, str | None]:
    architecture, variant = architecture.lower(), variant.lower()
    architecture, implied = _ALIASES.get(architecture, (architecture, None))
    if architecture in {"arm", "arm64"} and variant[:1].isdecimal():
        variant = f"v{variant}"
    return architecture, variant or implied


def _runs(architecture: str, variant: str | None) -> tuple[str | None, ...]:
    """The variants whose images a processor runs, the best first.

    Images without a variant come last: there may be a better choice, and nothing worse.
    """
    own = variant or _BASELINE.get(architecture)
    if own is None:
        return (None,)
    if architecture == "arm64" and own in _ARM64_V9:
        # Armv9.n includes Armv8.(n+5), and nothing above that.
        place = _ARM64_V9.index(own)
        return (*_ARM64_V9[place:], *_ARM64_V8[place:], None)
    ladder = _ARM64_V8 if architecture == "arm64" else _LADDERS.get(architecture, ())
    return (*ladder[ladder.index(own) :], None) if own in ladder else (own, None)


def select(wanted: Platform, offered: Iterable[Descriptor]) -> list[Descriptor]:
    """Those of an index's entries that run on a platform, the best first.

    Entries that are no images are left out; entries without a platform are too (their
    configs would have to be read). Among equals the index's own order holds
    (image-index.md: "the first matching entry").
    """
    ranked = []
    for descriptor in offered:
        if descriptor.platform is not None and descriptor.may_be_image:
            rank = wanted.rank(descriptor.platform)
            if rank is not None:
                ranked.append((rank, descriptor))
    # Sorting is stable.
    ranked.sort(key=lambda item: item[0])
    return [descriptor for _, descriptor in ranked]
