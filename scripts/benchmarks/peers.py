"""The tools that people would use instead, as contenders.

Whatever a tool makes ends up below a directory of its own, and is gone before its next turn.
A tool that is not installed, or can't read a compression, is left out.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from scripts.benchmarks.contender import Contender
from scripts.benchmarks.places import IMGFETCH, unmount_all
from scripts.benchmarks.sample_images import IMAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from scripts.benchmarks.sample_images import Sample

    Commands = Sequence[Sequence[str | Path]]

_PROGRAMS = {"gzip": "gzip", "zstd": "zstd"}


@dataclass(frozen=True, slots=True)
class Stage:
    """Where contenders find an image and leave what they make.

    Attributes:
        sample: the image.
        host: of a registry that has it.
        tls_host: of a registry that has it and speaks nothing but TLS.
        repository: its repository there; it is tagged ``image``, its twin ``twin``.
        directory: for what contenders make.
        env: of contenders.
    """

    sample: Sample
    host: str
    tls_host: str
    repository: str
    directory: Path
    env: Mapping[str, str]

    @property
    def reference(self) -> str:
        """The image's name at the registry."""
        return f"{self.host}/{self.repository}:{IMAGE}"

    def own(self, name: str) -> Path:
        """A directory for one contender."""
        path = self.directory / name.replace(" ", "-")
        path.mkdir(exist_ok=True)
        return path


def remove(path: Path) -> None:
    """Empties a contender's directory."""
    unmount_all(f"{path}")
    subprocess.run(["rm", "-rf", "--one-file-system", path], check=True)
    path.mkdir()


def imgfetch(
    stage: Stage,
    name: str,
    commands: Callable[[Path], Commands],
    prepare: Callable[[dict[str, str]], None] = lambda _: None,
    *,
    clear: Callable[[Path], None] = remove,
) -> Contender:
    """This project's command, with a store of its own."""
    own = stage.own(name)
    env = {**stage.env, "IMGFETCH_STORE": f"{own}/store"}
    lines = [[IMGFETCH, *line] for line in commands(own)]
    return Contender(name, lambda _: lines, env, partial(prepare, env), partial(clear, own))


def skopeo_and_umoci(stage: Stage) -> Contender | None:
    """Copy to a layout, unpack to a bundle."""
    if stage.sample.compression != "gzip":  # umoci 0.4 knows nothing else
        return None
    own = stage.own("skopeo + umoci")
    layout = f"{own}/layout:image"
    copy = ["skopeo", "copy", "--src-tls-verify=false", f"docker://{stage.reference}"]
    unpack = ["umoci", "unpack", "--image", layout, f"{own}/bundle"]
    return _contender("skopeo + umoci", stage, [[*copy, f"oci:{layout}"], unpack])


def umoci(stage: Stage) -> Contender | None:
    """Unpack what is in a layout."""
    if stage.sample.compression != "gzip":
        return None
    image = f"{stage.sample.layout}:{IMAGE}"
    own = stage.own("umoci unpack")
    return _contender("umoci unpack", stage, [["umoci", "unpack", "--image", image, f"{own}/b"]])


def podman(stage: Stage) -> Contender | None:
    """A pull with overlay storage."""
    own = stage.own("podman pull")
    storage = [f"--root={own}/root", f"--runroot={own}/run", f"--tmpdir={own}/libpod"]
    options = ["--storage-driver=overlay", "--runtime=runc", "--events-backend=none"]
    pull = ["pull", "--quiet", "--tls-verify=false", stage.reference]
    return _contender("podman pull", stage, [["podman", *storage, *options, *pull]])


def udocker(stage: Stage) -> Contender | None:
    """Pull, and create a container, which unpacks it."""
    if stage.sample.compression != "gzip":
        return None
    own = stage.own("udocker pull + create")
    command = ["udocker", "--allow-root", "--insecure"]
    image = f"{stage.repository}:{IMAGE}"
    pull = [*command, "pull", f"--registry=http://{stage.host}", image]
    create = [*command, "create", "--name=bench", image]
    env = {"UDOCKER_DIR": f"{own}/repo"}
    return _contender("udocker pull + create", stage, [pull, create], env=env)


def ch_image(stage: Stage) -> Contender | None:
    """A pull of Charliecloud's, which speaks TLS to every registry."""
    if stage.sample.compression != "gzip":
        return None
    own = stage.own("ch-image pull")
    options = ["--tls-no-verify", "--no-cache", f"--storage={own}/storage"]
    reference = f"{stage.tls_host}/{stage.repository}:{IMAGE}"
    return _contender("ch-image pull", stage, [["ch-image", "pull", *options, reference]])


def decompressor_and_tar(stage: Stage) -> Contender | None:
    """The layers one over the other, with nothing checked and no whiteouts."""
    program = _PROGRAMS[stage.sample.compression]
    name = f"{program} -dc, tar x"
    own = stage.own("tar")
    lines = [
        ["sh", "-c", f'{program} -dc "$0" | tar x -C "$1"', f"{blob}", f"{own}"]
        for blob in stage.sample.layers
    ]
    return _contender(name, stage, lines, own)


def _contender(
    name: str,
    stage: Stage,
    commands: Commands,
    own: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Contender | None:
    if not all(shutil.which(f"{line[0]}", path=stage.env["PATH"]) for line in commands):
        return None
    return Contender(
        name,
        lambda _: commands,
        {**stage.env, **(env or {})},
        clear=partial(remove, own or stage.own(name)),
    )
