"""The names that images are kept under, wherever they came from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.archives import write_docker_archive, write_oci_archive
from tests.support.commandline import CommandLine
from tests.support.images import File, ImageBuilder, WrittenImage, name_entry

IMAGE = ImageBuilder().layer({"a": File("1")}, "none")


def write_directory(layout: Path, image: WrittenImage, directory: Path) -> None:
    """What ``skopeo copy … dir:`` writes."""
    directory.mkdir()
    (directory / "version").write_text("Directory Transport Version: 1.1\n")
    for descriptor in (image.config, *image.layers):
        blob = layout / "blobs" / "sha256" / descriptor.digest.encoded
        (directory / descriptor.digest.encoded).write_bytes(blob.read_bytes())
    manifest = layout / "blobs" / "sha256" / image.digest.encoded
    (directory / "manifest.json").write_bytes(manifest.read_bytes())


def stored(command_line: CommandLine) -> list[str]:
    return [image["name"] for image in command_line("images", "--format", "json").json]


@pytest.mark.parametrize(
    ("ref", "asked", "kept"),
    [
        ("registry.test/team/app:2", "", "registry.test/team/app:2"),
        ("registry.test/team/app:2", ":registry.test/team/app:2", "registry.test/team/app:2"),
        ("localhost:5000/app:2", "", "localhost:5000/app:2"),
        ("1.0", "", "localhost/my-layout:1.0"),
        ("1.0", ":1.0", "localhost/my-layout:1.0"),
        ("app:2", ":app:2", "localhost/app:2"),
        ("app:2", "", "localhost/app:2"),
        ("library/app:2", "", "docker.io/library/app:2"),
        (None, "", "localhost/my-layout:latest"),
    ],
)
def test_a_layouts_image_keeps_the_name_it_carries(
    command_line: CommandLine, tmp_path: Path, ref: str | None, asked: str, kept: str
) -> None:
    layout = tmp_path / "My_Layout.d"
    written = IMAGE.write(layout, ref)
    if ref is None:
        name_entry(layout, written.descriptor, "x")
        index = layout / "index.json"
        index.write_text(index.read_text().replace('"org.opencontainers.image.ref.name":"x"', ""))
    said = command_line("pull", f"oci:{layout}{asked}").succeeded()
    assert said.lines == [f"{kept.rpartition(':')[0]}@{written.digest}"]
    assert stored(command_line) == [kept]
    assert command_line("--offline", "resolve", kept).succeeded().lines == said.lines


def test_an_archives_image_keeps_the_name_it_carries(
    command_line: CommandLine, tmp_path: Path
) -> None:
    layout = tmp_path / "layout"
    IMAGE.write(layout, "registry.test/app:2")
    write_oci_archive(layout, tmp_path / "app.tar")
    command_line("pull", "oci-archive:app.tar").succeeded()
    assert stored(command_line) == ["registry.test/app:2"]


@pytest.mark.parametrize(
    ("tags", "asked", "kept"),
    [
        (["app:3"], "", "docker.io/library/app:3"),
        (["registry.test/app:3"], "", "registry.test/app:3"),
        (["registry.test/app:3", "app:4"], ":app:4", "docker.io/library/app:4"),
        ([], "", "localhost/saved:latest"),
    ],
)
def test_what_docker_saved_keeps_the_name_it_carries(
    command_line: CommandLine, tmp_path: Path, tags: list[str], asked: str, kept: str
) -> None:
    layout = tmp_path / "layout"
    written = IMAGE.write(layout, "x")
    write_docker_archive(layout, {written: tags}, tmp_path / "saved.tar")
    command_line("pull", f"docker-archive:saved.tar{asked}").succeeded()
    assert stored(command_line) == [kept]


def test_a_directorys_image_is_named_after_the_directory(
    command_line: CommandLine, tmp_path: Path
) -> None:
    layout = tmp_path / "layout"
    written = IMAGE.write(layout, "x")
    write_directory(layout, written, tmp_path / "copied")
    said = command_line("pull", "dir:copied/").succeeded()
    assert said.lines == [f"localhost/copied@{written.digest}"]
    assert stored(command_line) == ["localhost/copied:latest"]


def test_a_name_moves_to_the_image_that_was_pulled_last(
    command_line: CommandLine, tmp_path: Path
) -> None:
    layout = tmp_path / "layout"
    IMAGE.write(layout, "registry.test/app:1")
    command_line("pull", f"oci:{layout}").succeeded()
    second = IMAGE.layer({"b": File("2")}).write(layout, "registry.test/app:1")
    command_line("pull", f"oci:{layout}").succeeded()
    (image,) = command_line("images", "--format", "json").json
    assert (image["name"], image["digest"]) == ("registry.test/app:1", str(second.digest))


def test_a_path_with_nothing_to_name_an_image_after(
    command_line: CommandLine, tmp_path: Path
) -> None:
    layout = tmp_path / "___"
    IMAGE.write(layout, "1.0")
    command_line("pull", f"oci:{layout}").succeeded()
    assert stored(command_line) == ["localhost/image:1.0"]
