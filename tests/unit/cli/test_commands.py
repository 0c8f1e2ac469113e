"""What each command prints, as a table and as JSON, and nothing else on standard output."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from imgfetch.cli.output import human_size
from imgfetch.cli.root import COMMANDS
from imgfetch.cli.settings import SETTINGS
from tests.support.commandline import CommandLine
from tests.support.images import (
    CREATED,
    File,
    ImageBuilder,
    WrittenImage,
    WrittenIndex,
    host_platform,
    write_index,
)
from tests.support.trees import snapshot_tree

HOST = str(host_platform())
FOREIGN = "linux/s390x" if host_platform().architecture != "s390x" else "linux/amd64"


@dataclass(frozen=True, slots=True)
class Images:
    """A layout with an image of one platform and one of two."""

    layout: Path
    single: WrittenImage
    multi: WrittenIndex

    @property
    def single_name(self) -> str:
        return f"oci:{self.layout}:registry.test/single:1"

    @property
    def multi_name(self) -> str:
        return f"oci:{self.layout}:registry.test/multi:1"

    @property
    def size(self) -> int:
        return sum(item.size for item in (self.single.config, *self.single.layers))


@pytest.fixture
def images(tmp_path: Path) -> Images:
    layout = tmp_path / "layout"
    builder = ImageBuilder().layer({"a": File("a" * 3000)}).layer({"b": File("b")}, "none")
    single = builder.config(
        entrypoint=["/bin/x", "a b"],
        cmd=["y"],
        env=["A=1", "B=2"],
        user="app",
        working_dir="/w",
        labels={"key": "value\x1b[2J"},
    ).write(layout, "registry.test/single:1")
    platforms = {
        HOST: ImageBuilder().layer({"a": File("1")}),
        FOREIGN: ImageBuilder().layer({"a": File("2")}),
    }
    return Images(layout, single, write_index(layout, platforms, "registry.test/multi:1"))


def test_pull_prints_name_and_digest_of_each_image(
    command_line: CommandLine, images: Images
) -> None:
    said = command_line("-q", "pull", images.single_name, images.multi_name).succeeded()
    assert said.lines == [
        f"registry.test/single@{images.single.digest}",
        f"registry.test/multi@{images.multi.images[0].digest}",
    ]
    assert said.err == ""


@pytest.mark.parametrize(
    ("words", "which"),
    [
        (["--all-platforms"], [0, 1]),
        (["--platform", FOREIGN], [1]),
        (["--platform", FOREIGN, "--platform", HOST], [1, 0]),
    ],
    ids=["all", "foreign", "both"],
)
def test_pull_prints_a_line_for_each_platform(
    command_line: CommandLine, images: Images, words: list[str], which: list[int]
) -> None:
    said = command_line("pull", *words, images.multi_name).succeeded()
    digests = [images.multi.images[number].digest for number in which]
    assert said.lines == [f"registry.test/multi@{digest}" for digest in digests]


def test_pull_refuses_options_that_contradict_each_other(
    command_line: CommandLine, images: Images
) -> None:
    words = ["--all-platforms", "--platform", HOST, images.multi_name]
    command_line("pull", *words).failed(2)
    assert not command_line.store.exists()


def test_resolve_prints_the_platforms_digest_or_the_indexs_and_stores_nothing(
    command_line: CommandLine, images: Images
) -> None:
    both = (images.single_name, images.multi_name)
    assert command_line("resolve", *both).succeeded().lines == [
        f"registry.test/single@{images.single.digest}",
        f"registry.test/multi@{images.multi.images[0].digest}",
    ]
    assert command_line("resolve", "--platform", FOREIGN, images.multi_name).lines == [
        f"registry.test/multi@{images.multi.images[1].digest}"
    ]
    assert command_line("resolve", "--index", *both).lines == [
        f"registry.test/single@{images.single.digest}",
        f"registry.test/multi@{images.multi.digest}",
    ]
    assert not command_line.store.exists()


def test_resolve_answers_from_the_store(command_line: CommandLine, images: Images) -> None:
    command_line("pull", images.multi_name).succeeded()
    before = snapshot_tree(command_line.store)
    expected = f"registry.test/multi@{images.multi.images[0].digest}"
    for words in (["--offline", "resolve"], ["resolve"]):
        name = "registry.test/multi:1" if "--offline" in words else "store:registry.test/multi:1"
        assert command_line(*words, name).succeeded().lines == [expected]
        assert command_line(*words, "--index", name).lines == [
            f"registry.test/multi@{images.multi.digest}"
        ]
    assert snapshot_tree(command_line.store) == before


def test_images_is_a_table(command_line: CommandLine, images: Images) -> None:
    command_line("pull", images.single_name).succeeded()
    command_line("pull", "--all-platforms", images.multi_name).succeeded()
    for name in ("images", "ls"):
        heading, single, multi = command_line(name).succeeded().lines
        assert heading.split()[:4] == ["NAME", "DIGEST", "PLATFORMS", "SIZE"]
        assert single.split()[:5] == [
            "registry.test/single:1",
            images.single.digest.short,
            HOST,
            *human_size(images.size).split(),
        ]
        assert multi.startswith("registry.test/multi:1   " + images.multi.digest.short)
        assert f"{HOST}, {FOREIGN}" in multi


def test_images_is_json(command_line: CommandLine, images: Images) -> None:
    command_line("pull", images.single_name, images.multi_name).succeeded()
    pulled = images.multi.images[0]
    pulled_size = pulled.config.size + pulled.layers[0].size
    expected = [
        {
            "name": "registry.test/single:1",
            "digest": str(images.single.digest),
            "mediaType": images.single.descriptor.media_type,
            "size": images.size,
            "platforms": [
                {"platform": HOST, "digest": str(images.single.digest), "size": images.size}
            ],
        },
        {
            "name": "registry.test/multi:1",
            "digest": str(images.multi.digest),
            "mediaType": images.multi.descriptor.media_type,
            "size": pulled_size,
            "platforms": [{"platform": HOST, "digest": str(pulled.digest), "size": pulled_size}],
        },
    ]
    listed = command_line("images", "--format", "json").succeeded().json
    assert [
        {name: image[name] for name in wanted}
        for image, wanted in zip(listed, expected, strict=True)
    ] == expected


def test_a_store_that_is_not_there_has_no_images(command_line: CommandLine) -> None:
    (heading,) = command_line("images").succeeded().lines
    assert heading.startswith("NAME  DIGEST  PLATFORMS  SIZE")
    assert command_line("images", "--format", "json").succeeded().json == []
    assert not command_line.store.exists()


def test_images_lists_what_has_no_name_and_what_is_no_image(
    command_line: CommandLine, images: Images
) -> None:
    """The store is a layout that other tools may write to."""
    command_line("pull", images.single_name).succeeded()
    index = command_line.store / "index.json"
    document = json.loads(index.read_bytes())
    (entry,) = document["manifests"]
    document["manifests"] = [
        {**entry, "annotations": {}},
        {**entry, "digest": f"sha256:{'0' * 64}", "annotations": {}},
        {**entry, "digest": str(images.single.config.digest), "size": images.single.config.size},
    ]
    index.write_text(json.dumps(document))
    rows = [line.split()[0:3] for line in command_line("images").succeeded().lines[1:]]
    assert rows == [
        ["<none>", images.single.digest.short, HOST],
        ["<none>", "0" * 12, "-"],
        ["registry.test/single:1", images.single.config.digest.short, "-"],
    ]


@pytest.mark.parametrize("stored", [True, False], ids=["stored", "remote"])
def test_inspect_is_json(command_line: CommandLine, images: Images, *, stored: bool) -> None:
    names = (images.single_name, images.multi_name)
    if stored:
        command_line("pull", *names).succeeded()
        names = ("store:registry.test/single:1", "store:registry.test/multi:1")
    single, multi = command_line("inspect", "--format", "json", *names).succeeded().json
    written = images.single
    manifest = json.loads((images.layout / "blobs/sha256" / written.digest.encoded).read_bytes())
    config = json.loads(
        (images.layout / "blobs/sha256" / written.config.digest.encoded).read_bytes()
    )
    assert single == {
        "name": names[0],
        "digest": str(written.digest),
        "mediaType": written.descriptor.media_type,
        "indexDigest": None,
        "platform": HOST,
        "created": CREATED,
        "size": images.size,
        "layers": [
            {
                "digest": str(layer.digest),
                "diffID": str(diff_id),
                "mediaType": layer.media_type,
                "size": layer.size,
            }
            for layer, diff_id in zip(written.layers, written.diff_ids, strict=True)
        ],
        "manifest": manifest,
        "config": config,
    }
    assert multi["indexDigest"] == str(images.multi.digest)
    assert multi["digest"] == str(images.multi.images[0].digest)
    assert command_line.store.exists() == stored


def test_inspect_is_for_people_too(command_line: CommandLine, images: Images) -> None:
    """S059: what the image says can't act on the terminal."""
    names = (images.single_name, images.multi_name)
    text = command_line("inspect", *names).succeeded().out
    single, multi = (part.splitlines() for part in text.split("\n\n"))
    assert single == [
        f"name       {images.single_name}",
        f"digest     {images.single.digest}",
        f"platform   {HOST}",
        f"created    {CREATED}",
        f"size       {human_size(images.size)}",
        "user       app",
        "entrypoint /bin/x 'a b'",
        "command    y",
        "directory  /w",
        "env        A=1",
        "env        B=2",
        "label      key=value\\x1b[2J",
        *(f"layer      {layer.digest} {human_size(layer.size)}" for layer in images.single.layers),
    ]
    assert f"index      {images.multi.digest}" in multi


def test_inspect_shows_another_platform(command_line: CommandLine, images: Images) -> None:
    words = ["inspect", "--platform", FOREIGN, "--format", "json", images.multi_name]
    (image,) = command_line(*words).succeeded().json
    assert image["platform"] == FOREIGN


def test_rmi_prints_the_names_that_are_gone(command_line: CommandLine, images: Images) -> None:
    command_line("pull", images.single_name, images.multi_name).succeeded()
    words = ["rmi", "registry.test/single:1", f"registry.test/multi@{images.multi.digest}"]
    assert command_line.forked(*words).succeeded().lines == [
        "registry.test/single:1",
        "registry.test/multi:1",
    ]


def test_config_shows_values_and_sources(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "c.toml"
    config.write_text(
        'store = "/from/file"\njobs = 2\nretries = 7\nplain_http = ["a:1", "b"]\n'
        'creds = "me:secret"\n'
    )
    monkeypatch.setenv("IMGFETCH_JOBS", "3")
    shown = command_line("--config", config, "-q", "config", "--format", "json").succeeded().json
    expected = {
        "store": (str(command_line.store), "flag"),
        "offline": (False, "default"),
        "platform": (None, "default"),
        "runtime": (None, "default"),
        "network": ("auto", "default"),
        "rootfs_mode": ("auto", "default"),
        "jobs": (3, "IMGFETCH_JOBS"),
        "authfile": (None, "default"),
        "creds": ("(set)", str(config)),
        "plain_http": (["a:1", "b"], str(config)),
        "insecure_skip_verify": ([], "default"),
        "ca": (None, "default"),
        "retries": (7, str(config)),
        "progress": ("auto", "default"),
        "quiet": (True, "flag"),
    }
    assert set(shown) == set(SETTINGS)
    assert {name: (shown[name]["value"], shown[name]["source"]) for name in expected} == expected


def test_config_is_a_table(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "c.toml"
    config.write_text('plain_http = ["a:1", "b"]\ncreds = "me:secret"\n')
    monkeypatch.setenv("IMGFETCH_CONFIG", str(config))
    said = command_line("--offline", "config").succeeded()
    rows = {line.split()[0]: line.split()[1:] for line in said.lines}
    assert rows["SETTING"] == ["VALUE", "SOURCE"]
    assert rows["offline"] == ["true", "flag"]
    assert rows["plain_http"] == ["a:1:b", str(config)]
    assert rows["insecure_skip_verify"] == ["-", "default"]
    assert rows["creds"] == ["(set)", str(config)]
    assert rows["ca"] == ["-", "default"]
    assert "secret" not in said.out


def test_help_lists_every_command(command_line: CommandLine) -> None:
    for word in ("-h", "--help"):
        said = command_line(word).succeeded()
        listed = {line.split()[0] for line in said.lines if line.startswith("  ") and line.strip()}
        assert set(COMMANDS) <= listed
        assert said.err == ""


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(command_line: CommandLine, name: str) -> None:
    said = command_line(name, "--help").succeeded()
    assert said.lines[0].startswith(f"Usage: imgfetch {name}")
    assert said.err == ""


@pytest.mark.parametrize("name", ["images", "inspect", "config", "version"])
def test_what_describes_has_two_forms(command_line: CommandLine, name: str) -> None:
    assert "--format [table|json]" in command_line(name, "--help").out


@pytest.mark.parametrize("name", ["resolve", "pull", "unpack", "bundle", "spec", "run", "inspect"])
def test_what_may_reach_a_registry_has_its_options(command_line: CommandLine, name: str) -> None:
    text = command_line(name, "--help").out
    for option in (
        *("--authfile FILE", "--creds USER:PASS", "--plain-http HOST"),
        *("--insecure-skip-verify HOST", "--ca FILE", "--retries N"),
    ):
        assert f"  {option}" in text
