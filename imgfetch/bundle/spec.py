"""An image's config and the options of a run become a runtime specification.

image-spec conversion.md and runtime-spec config.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imgfetch.bundle.host import HostFacts, Place
    from imgfetch.bundle.options import RunOptions
    from imgfetch.bundle.users import ResolvedUser
    from imgfetch.oci.config import ImageConfig


@dataclass(frozen=True, slots=True)
class RuntimeSpec:
    """A runtime specification and what a person should know about it.

    Attributes:
        document: ``config.json`` as a value.
        warnings: what was asked for and can't be had here, a sentence each.
        omitted_labels: labels of the image that did not become annotations.
    """

    document: dict[str, Any]
    warnings: tuple[str, ...] = ()
    omitted_labels: tuple[str, ...] = ()


def runtime_spec(
    image: ImageConfig,
    options: RunOptions,
    host: HostFacts,
    user: ResolvedUser,
    place: Place,
    *,
    seccomp: dict[str, Any] | None,
) -> RuntimeSpec:
    """Convert.

    Args:
        image: the image's config.
        options: of the run.
        host: the machine.
        user: the process's user, looked up in the image.
        place: where the container lives.
        seccomp: ``linux.seccomp``, from `imgfetch.bundle.seccomp.resolve`; None for none.

    Raises:
        InvalidOptionError: an option that is impossible here.
        InvalidMountError: a mount that is impossible here.
    """
    raise NotImplementedError
