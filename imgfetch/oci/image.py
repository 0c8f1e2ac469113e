"""An image: a manifest and its config, checked against each other."""

from __future__ import annotations

from imgfetch.errors import DocumentError, UnsupportedContentError
from imgfetch.lean.dataclasses import dataclass
from imgfetch.lean.typing import TYPE_CHECKING, NamedTuple
from imgfetch.oci import mediatype
from imgfetch.oci.digest import ChainID, DiffID, chain_id

if TYPE_CHECKING:
    from imgfetch.oci.config import ImageConfig
    from imgfetch.oci.descriptor import Descriptor
    from imgfetch.oci.manifest import Manifest


class Layer(NamedTuple):
    """A layer: the blob to fetch and what its uncompressed stream has to hash to."""

    descriptor: Descriptor
    diff_id: DiffID


@dataclass(frozen=True, slots=True)
class Image:
    """One platform's image.

    Attributes:
        descriptor: of the manifest.
        manifest: parsed.
        config: parsed.
    """

    descriptor: Descriptor
    manifest: Manifest
    config: ImageConfig

    def __post_init__(self) -> None:
        """Refuse artifacts and manifests whose layers are not the config's.

        Raises:
            UnsupportedContentError: not a container image.
            DocumentError: not as many diffIDs as layers.
        """
        check_is_image(self.descriptor, self.manifest)
        layers, diff_ids = len(self.manifest.layers), len(self.config.diff_ids)
        if layers != diff_ids:
            message = f"image {self.descriptor.digest}: config and manifest disagree on the layers"
            raise DocumentError(
                message,
                expected=f"{layers} diff_ids",
                actual=diff_ids,
            )

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers, lowest first."""
        return tuple(map(Layer, self.manifest.layers, self.config.diff_ids))

    @property
    def chain_id(self) -> ChainID | None:
        """The name of the whole stack; None for an image without layers."""
        return chain_id(self.config.diff_ids) if self.config.diff_ids else None

    @property
    def size(self) -> int:
        """Bytes of the config and the layers as they are stored and transferred."""
        return self.manifest.config.size + sum(layer.size for layer in self.manifest.layers)


def check_is_image(descriptor: Descriptor, manifest: Manifest) -> None:
    """Refuse what can't be unpacked, before anything of it is fetched.

    Raises:
        UnsupportedContentError: an artifact (a chart, a signature, an attestation).
    """
    if manifest.is_image:
        return
    if manifest.config.media_type not in mediatype.CONFIGS:
        what, media_type = "config", manifest.config.media_type
    else:
        strange = (kind for kind in manifest.layers if not mediatype.is_layer(kind.media_type))
        what, media_type = "layer", next(strange).media_type
    message = f"{descriptor.digest} is not a container image"
    raise UnsupportedContentError(
        message,
        actual=f"a {what} of type {media_type[:100]!r}",
        hint="charts, signatures and the like are for the tools that made them",
    )
