"""A store belongs to one user, who needs no privileges for it."""

import os
import sys
from pathlib import Path

from imgfetch.oci.descriptor import Descriptor
from tests.support.incoming import LAYER
from tests.support.trees import snapshot_tree
from tests.support.users import CHECKOUT, User, run_as

USE = """
import sys
sys.path.insert(0, sys.argv[1])
from imgfetch.cas.directory import LayoutStore
from imgfetch.errors import ImgfetchError
from tests.support.incoming import Incoming
from tests.support.sources import RecordedProgress
incoming = Incoming.of(b"content")
store = LayoutStore(sys.argv[2])
try:
    with store.lease():
        store.ingest(incoming.content, RecordedProgress())
        store.tag("name", incoming.descriptor)
    print(store.read(store.lookup("name"), 100).decode())
except ImgfetchError as error:
    print(*error.lines(), sep="\\n")
"""


def use(user: User, store: Path) -> str:
    done = run_as(user, [sys.executable, "-c", USE, str(CHECKOUT), store])
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def test_a_user_has_a_store(plain_user: User) -> None:
    store = plain_user.directory() / "data" / "store"
    assert use(plain_user, store) == "content\n"
    tree = snapshot_tree(store)
    assert {(node.uid, node.mode & 0o077) for node in tree.values()} == {(plain_user.uid, 0)}


def test_a_store_of_root_is_refused_with_a_remedy(plain_user: User) -> None:
    """R107: left over from a sudo."""
    store = plain_user.directory()
    os.chown(store, 0, 0)
    store.chmod(0o755)
    said = use(plain_user, store)
    assert f"store {store} belongs to another user" in said
    assert f"chown -R {plain_user.uid} {store}" in said


def test_a_blob_of_root_is_fetched_again(plain_user: User) -> None:
    """R107: the directories are the user's, so the file can be replaced."""
    store = plain_user.directory() / "store"
    use(plain_user, store)
    blob = store / "blobs/sha256" / Descriptor.of(b"content", LAYER).digest.encoded
    os.chown(blob, 0, 0)
    assert use(plain_user, store) == "content\n"
    assert blob.stat().st_uid == plain_user.uid


def test_a_store_that_may_only_be_read_is_read(plain_user: User) -> None:
    """R105: 0555, as on an image of a machine."""
    store = plain_user.directory() / "store"
    use(plain_user, store)
    for directory in (store, *(path for path in store.rglob("*") if path.is_dir())):
        directory.chmod(0o555)
    said = use(plain_user, store)
    assert "can't write the store" in said
    assert "Permission denied" in said
    read = USE.replace('store.tag("name", incoming.descriptor)', "pass")
    done = run_as(plain_user, [sys.executable, "-c", read, str(CHECKOUT), store])
    assert done.stdout == b"content\n"
