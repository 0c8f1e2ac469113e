"""Whiteouts carried out: what is of the layers below goes, what this layer made stays.

image-spec layer.md "Whiteouts": they apply to the layers below only, and it does not
matter where in the archive they stand. So a whiteout of a directory in which this layer
has made something leaves that, in a directory that is otherwise as good as new.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.layer.directory import IMPLICIT

if TYPE_CHECKING:
    from imgfetch.layer.directory import Directory
    from imgfetch.layer.tree import Tree


def hide(tree: Tree, directory: Directory, name: bytes) -> None:
    """A whiteout: remove what the layers below have of this name."""
    if directory.made is not None:
        _hide(tree, directory, name)


def hide_all(tree: Tree, directory: Directory) -> None:
    """An opaque whiteout: remove what the layers below have in a directory."""
    waiting = [directory]
    while waiting:
        here = waiting.pop()
        if here.made is not None:
            inner = [_reduce(tree, here, name) for name in tree.names(here)]
            waiting += [child for child in inner if child is not None]
            here.made = None


def _hide(tree: Tree, directory: Directory, name: bytes) -> None:
    left = _reduce(tree, directory, name)
    if left is not None:
        hide_all(tree, left)


def _reduce(tree: Tree, directory: Directory, name: bytes) -> Directory | None:
    """Remove a name unless it is of this layer.

    Returns:
        A directory that stays and may have more to be removed in it.
    """
    child = directory.children.get(name)
    if directory.made is None or name in directory.made:
        return child
    if child is None or not child.has_made():
        tree.remove(directory, name)
        return None
    # This layer has something in it, and says nothing of the directory itself.
    child.entry = child.entry or IMPLICIT
    directory.note(name)
    return child
