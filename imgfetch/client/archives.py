"""Verbs that write images to archives and take them out again."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgfetch.archive.filesystem import find_tool
from imgfetch.client.naming import local_repository, stem, stored_reference
from imgfetch.errors import UsageError
from imgfetch.oci.reference import Reference
from imgfetch.oci.transport import PathName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgfetch.archive.forms import Form, SavedImage
    from imgfetch.archive.output import Target
    from imgfetch.client.collaborators import Collaborators
    from imgfetch.oci.platform import Platform
    from imgfetch.tar.compressor import Compression
    from imgfetch.workflow.export import ExportForm
    from imgfetch.workflow.flatten import Flattened
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


@dataclass(frozen=True, slots=True)
class Exporting:
    """How a root filesystem is exported.

    Attributes:
        form: ``tar``, ``squashfs`` or ``erofs``.
        compression: around a tar; None for what the file's name says.
    """

    form: ExportForm = "tar"
    compression: Compression | None = None


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
        with_.store,
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
    parsed = with_.parse(name)
    store = with_.store
    if isinstance(parsed, PathName):
        obtained = with_.obtain(parsed, platforms, policy)
        return obtained, stored_reference(parsed, obtained.top)
    reference = parsed.reference
    stored = store.lookup(str(reference))
    obtained = with_.obtain(parsed, platforms, policy)
    if not reference.pinned and stored != obtained.top:
        kept = reference
        if stored is not None and with_.settings.locked is not None:
            # To use an older image is no reason to move what a name stands for.
            kept = reference.with_digest(obtained.top.digest)
        store.tag(str(kept), obtained.top)
    if reference.tag is not None and reference.pinned:
        # The digest has decided; the tag is what the image is called.
        reference = Reference(reference.repository, reference.tag)
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
        scratch = _scratch(with_)
        listed = stack.enter_context(open_images(source, where, scratch=scratch))
        loader = Loader(store, store, with_.progress, jobs=with_.settings.jobs)
        return loader.load(listed, fallback, force=force)


def export(
    with_: Collaborators,
    name: str,
    target: Target,
    exporting: Exporting,
    *,
    platform: str | None,
    policy: Policy,
) -> None:
    """See `Client.export`."""
    from imgfetch.workflow import export as exports

    with with_.store.lease():
        if exporting.form == "tar":
            compression = compression_for(target, exporting.compression)
            with _flattened(with_, name, platform, policy) as flattened:
                dropped = exports.export_tar(flattened, target, compression)
            _warn_of_dropped(with_, dropped)
            return
        path = _file(target, exporting)
        if exporting.form == "squashfs":
            program = find_tool("sqfstar", "squashfs-tools (4.5 or later)", with_.search_path)
            with _flattened(with_, name, platform, policy) as flattened:
                dropped = exports.export_squashfs(flattened, program, path)
            _warn_of_dropped(with_, dropped)
        else:
            _export_erofs(with_, name, path, platform, policy)


def _file(target: Target, exporting: Exporting) -> str:
    if isinstance(target, int):
        message = f"a file system ({exporting.form}) can't be written to a stream"
        raise UsageError(message, hint="name a file with -o")
    if exporting.compression not in {None, "none"}:
        message = f"{exporting.form} is compressed in its own way"
        raise UsageError(message)
    return target


def _export_erofs(
    with_: Collaborators, name: str, path: str, platform: str | None, policy: Policy
) -> None:
    from imgfetch.archive.output import output_errors
    from imgfetch.client.collaborators import LazyApplier
    from imgfetch.fs.atomic import make_directory
    from imgfetch.fs.beside import make_directory_beside
    from imgfetch.fs.removal import remove_tree
    from imgfetch.snapshot.unpacker import Unpacker
    from imgfetch.snapshot.userns import enter
    from imgfetch.workflow.export import export_erofs
    from imgfetch.workflow.unpack import unpack_rootfs

    program = find_tool("mkfs.erofs", "erofs-utils", with_.search_path)
    obtained, _ = obtain_named(with_, name, (with_.platform(platform),), policy)
    image = obtained.images[0]
    # From here on root of as many ids as there are: the tree has the image's owners.
    mapping = enter(search_path=with_.search_path, warn=with_.progress.warn)
    unpacker = Unpacker(with_.store, LazyApplier(mapping), with_.progress)
    with output_errors(path):
        staging, held = make_directory_beside(f"{_scratch(with_)}/erofs")
        tree = f"{staging}/rootfs"
        try:
            make_directory(tree, 0o755)
            unpack_rootfs(image, tree, unpacker)
            export_erofs(program, path, tree, image.descriptor.digest)
        finally:
            remove_tree(staging)
            os.close(held)


def extract(
    with_: Collaborators,
    name: str,
    paths: Sequence[str],
    target: Target,
    *,
    follow: bool,
    platform: str | None,
    policy: Policy,
) -> None:
    """See `Client.extract`."""
    from imgfetch.client.collaborators import LazyApplier
    from imgfetch.fs.idmap import IdMapping, IdRange
    from imgfetch.snapshot.unpacker import Unpacker
    from imgfetch.workflow.extract import extract_to_directory, extract_to_stream, select

    with with_.store.lease(), _flattened(with_, name, platform, policy) as flattened:
        named = select(flattened.tree, paths, follow=follow, where=name)
        if isinstance(target, int):
            _warn_of_dropped(with_, extract_to_stream(flattened, named, target))
            return
        own = IdMapping((IdRange(0, os.geteuid(), 1),), (IdRange(0, os.getegid(), 1),))
        applier = LazyApplier(IdMapping.current() if os.geteuid() == 0 else own)
        stats = extract_to_directory(flattened, named, target, applier)
        Unpacker(with_.store, applier, with_.progress).warn_of([stats])


def _flattened(with_: Collaborators, name: str, platform: str | None, policy: Policy) -> Flattened:
    from imgfetch.workflow.flatten import Flattened

    obtained, _ = obtain_named(with_, name, (with_.platform(platform),), policy)
    return Flattened(obtained.images[0].layers, with_.store, with_.progress, _scratch(with_))


def _scratch(with_: Collaborators) -> str:
    """Where temporary files go: a lease has made the store, unless that can't be written."""
    ingest = f"{with_.store.path}/ingest"
    if os.access(ingest, os.W_OK):
        return ingest
    import tempfile

    return tempfile.gettempdir()


def _warn_of_dropped(with_: Collaborators, dropped: int) -> None:
    if dropped:
        with_.progress.warn(
            f"{dropped} extended attributes were left out, which mean something to the host"
        )
