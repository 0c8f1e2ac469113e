"""Verbs that write images to archives and take them out again."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgfetch.client.naming import local_repository, stem, stored_reference
from imgfetch.oci.transport import PathName, parse_image_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgfetch.archive.forms import Form, SavedImage
    from imgfetch.archive.output import Target
    from imgfetch.client.collaborators import Collaborators
    from imgfetch.oci.platform import Platform
    from imgfetch.oci.reference import Reference
    from imgfetch.tar.compressor import Compression
    from imgfetch.workflow.load import Loaded
    from imgfetch.workflow.obtain import Obtained, Policy


@dataclass(frozen=True, slots=True)
class Saving:
    """How images are saved.

    Attributes:
        form: see `imgfetch.archive.forms`.
        compression: around a tar; None for what the file's name says.
        platforms: those wanted; empty for this machine's.
        all_platforms: all there are.
        leave_out_foreign: leave layers out that only their maker may distribute.
    """

    form: Form = "oci-archive"
    compression: Compression | None = None
    platforms: tuple[str, ...] = ()
    all_platforms: bool = False
    leave_out_foreign: bool = False


def save(
    with_: Collaborators, names: Sequence[str], target: Target, saving: Saving, *, policy: Policy
) -> None:
    """See `Client.save`."""
    from imgfetch.workflow.save import save as save_images

    chosen: tuple[Platform, ...] | None = None
    if not saving.all_platforms:
        chosen = tuple(map(with_.platform, saving.platforms or (None,)))
    with with_.store.lease():
        images = {
            str(image.reference): image
            for image in (_saved(with_, name, chosen, saving, policy) for name in names)
        }
        save_images(
            list(images.values()),
            saving.form,
            target,
            store=with_.store,
            compression=compression_for(target, saving.compression),
        )


def _saved(
    with_: Collaborators,
    name: str,
    platforms: tuple[Platform, ...] | None,
    saving: Saving,
    policy: Policy,
) -> SavedImage:
    from imgfetch.workflow.resolve import Documents
    from imgfetch.workflow.save import to_be_saved

    obtained, reference = obtain_named(with_, name, platforms, policy)
    image = to_be_saved(
        Documents(None, with_.store, with_.progress),
        obtained,
        reference,
        with_.platform(),
        leave_out_foreign=saving.leave_out_foreign,
    )
    if image.left_out:
        layers = ", ".join(sorted(map(str, image.left_out)))
        with_.progress.warn(f"{name}: layers were left out, which others have to bring: {layers}")
    return image


def obtain_named(
    with_: Collaborators, name: str, platforms: tuple[Platform, ...] | None, policy: Policy
) -> tuple[Obtained, Reference]:
    """An image in the store and its name; one that had to be fetched gets it there."""
    parsed = parse_image_name(name)
    store = with_.store
    if isinstance(parsed, PathName):
        obtained = with_.obtain(parsed, platforms, policy)
        return obtained, stored_reference(parsed, obtained.top)
    reference = parsed.reference
    stored = store.lookup(str(reference))
    obtained = with_.obtain(parsed, platforms, policy)
    if not reference.pinned and stored != obtained.top:
        store.tag(str(reference), obtained.top)
    if reference.tag is not None and reference.pinned:
        # The digest has decided; the tag is what the image is called.
        reference = type(reference)(reference.repository, reference.tag)
    return obtained, reference


def compression_for(target: Target, asked: Compression | None) -> Compression:
    """What was asked for; else what a file's name says."""
    from imgfetch.tar.compressor import compression_of

    if asked is not None:
        return asked
    return compression_of(target) if isinstance(target, str) else "none"


def load(with_: Collaborators, source: Target, *, force: bool) -> list[Loaded]:
    """See `Client.load`."""
    from imgfetch.archive.contents import open_images
    from imgfetch.workflow.load import Loader

    where = source if isinstance(source, str) else "the input"
    fallback = local_repository(stem(source) if isinstance(source, str) else "image")
    store = with_.store
    with ExitStack() as stack:
        stack.enter_context(store.lease())
        ingest = f"{store.path}/ingest"
        scratch = ingest if os.path.isdir(ingest) else None
        listed = stack.enter_context(open_images(source, where, scratch=scratch))
        loader = Loader(store, store, with_.progress, jobs=with_.settings.jobs)
        return loader.load(listed, fallback, force=force)
