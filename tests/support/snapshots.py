"""A store's snapshots, of a few layers that whiteouts and replacements make interesting."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from imgfetch.fs.idmap import IdMapping
from imgfetch.interfaces import Snapshotter
from imgfetch.oci.image import Layer
from imgfetch.snapshot.automatic import snapshotter
from tests.support.contents import Dir, Executable, File, Hardlink, Opaque, Symlink, Whiteout
from tests.support.unpacking import MemoryContent, Notes, TarApplier
from tests.support.users import User

ODD = "a:b,c d\\e\\"

CONTENT = MemoryContent()
BASE = CONTENT.add(
    {
        "etc": Dir(mode=0o750),
        "etc/a": File("lower"),
        "etc/b": File("lower", mode=0o4755),
        "etc/c": Hardlink("etc/b", mode=0o4755),
        "opaque": Dir(),
        "opaque/old": File("hidden"),
        "gone": Dir(),
        "gone/deep": File("hidden"),
        "link": Symlink("/etc"),
        "closed": Dir(mode=0),
        "again": Dir(),
        "again/old": File("hidden"),
    }
)
MIDDLE = CONTENT.add(
    {
        "etc/a": Whiteout(),
        "opaque": Opaque(),
        "opaque/new": File("middle"),
        "gone": Whiteout(),
        "again": Whiteout(),
    }
)
TOP = CONTENT.add({"etc/a": Executable("top"), "again": Dir(), "again/new": File("top")})
EXPECTED = {
    ".", "again", "again/new", "closed", "etc", "etc/a", "etc/b", "etc/c", "link", "opaque",
    "opaque/new",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Store:
    """A store's directory and what unpacks into it."""

    path: Path
    content: MemoryContent = CONTENT
    applier: TarApplier = field(default_factory=TarApplier)
    notes: Notes = field(default_factory=Notes)
    search_path: str | None = None

    def snapshotter(self, mapping: IdMapping, mode: str = "auto") -> Snapshotter:
        (self.path / "locks").mkdir(parents=True, exist_ok=True)
        return snapshotter(
            str(self.path),
            mapping,
            mode=mode,
            # Snapshotters open blobs and nothing else.
            content=self.content,  # type: ignore[arg-type]
            applier=self.applier,
            progress=self.notes,
            search_path=self.search_path,
        )

    def run_directory(self, name: str = "run") -> Path:
        path = self.path / "runs" / name
        path.mkdir(parents=True)
        return path

    def snapshots(self) -> list[str]:
        return sorted(
            str(path.relative_to(self.path / "snapshots"))
            for path in (self.path / "snapshots").glob("*/*")
        )


def store_for(user: User | None, tmp_path: Path) -> Store:
    """A store with an odd path, which a user may write to."""
    return Store((user.directory("store") if user else tmp_path) / ODD)


def mounted(
    store: Store, layers: list[Layer], mapping: IdMapping, mode: str = "auto", name: str = "run"
) -> tuple[Snapshotter, Path]:
    made = store.snapshotter(mapping, mode)
    made.prepare(layers)
    return made, made.mount(layers, store.run_directory(name))
