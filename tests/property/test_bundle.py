"""Whatever the options and whatever the image: what a specification never is."""

from __future__ import annotations

import contextlib
import json

from hypothesis import event, given
from hypothesis import strategies as st

from imgfetch.bundle.capabilities import CAPABILITIES
from imgfetch.bundle.directory import encode_spec
from imgfetch.bundle.environment import parse_env_file
from imgfetch.bundle.etcfiles import hosts_file, resolv_conf
from imgfetch.bundle.grammar import parse_size
from imgfetch.bundle.host import DeviceNode, HostFacts, Place
from imgfetch.bundle.mounts import parse_mount, parse_tmpfs, parse_volume
from imgfetch.bundle.options import (
    BindMount,
    Device,
    FileOptions,
    Limits,
    NetworkOptions,
    ProcessOptions,
    RunOptions,
    SecurityOptions,
    TmpfsMount,
    Ulimit,
)
from imgfetch.bundle.patch import merge_patch
from imgfetch.bundle.process import leads_through_proc
from imgfetch.bundle.spec import RuntimeSpec, runtime_spec
from imgfetch.bundle.users import ResolvedUser, lookup
from imgfetch.errors import ImgfetchError, InvalidMountError, InvalidOptionError, InvalidUserError
from imgfetch.oci.config import ImageConfig
from tests.support.runtime_schema import check_spec
from tests.support.specs import ALL_IDS, ONE_ID, SUBIDS, image_config

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
NAMES = st.text("ABCDEFHMOPT_", min_size=1, max_size=4) | st.sampled_from(["PATH", "HOME", "TERM"])
PATHS = st.lists(st.sampled_from(["a", "b", "dev", "proc", "etc", "..", ""]), max_size=4).map(
    lambda names: "/" + "/".join(names)
)
NODE = DeviceNode("/dev/fuse", "c", 10, 229)

# Mostly what is accepted, so that most examples are specifications.
ENTRIES = st.tuples(NAMES, WORDS).map("=".join)
COMMANDS = st.lists(WORDS.filter(bool), min_size=1, max_size=3)
DIRECTORIES = st.sampled_from(["/", "/srv", "/a/../b", "/a//b/", "/procedure", "/proc/self/fd/7"])
IMAGES = st.fixed_dictionaries(
    {},
    optional={
        "Env": st.lists(ENTRIES, max_size=4),
        "Cmd": COMMANDS,
        "Entrypoint": COMMANDS,
        "WorkingDir": DIRECTORIES,
        "StopSignal": WORDS,
        "Labels": st.dictionaries(WORDS | st.just("org.systemd.property.X"), WORDS, max_size=3),
        "Volumes": st.dictionaries(DIRECTORIES.filter("/".__ne__), st.just({}), max_size=2),
        "ExposedPorts": st.dictionaries(st.just("80/tcp"), st.just({}), max_size=1),
        "User": st.just("app"),
    },
).map(image_config)

SCOPES = st.sampled_from(["private", "host"])
BINDS = st.builds(
    BindMount,
    st.just("/src"),
    PATHS,
    st.booleans(),
    st.booleans(),
    st.sampled_from(["private", "rprivate", "slave", "rslave"]),
)
OPTIONS = st.builds(
    RunOptions,
    process=st.builds(
        ProcessOptions,
        args=st.just(()) | COMMANDS.map(tuple),
        entrypoint=st.none() | COMMANDS.map(tuple),
        env=st.lists(st.tuples(NAMES, st.none() | WORDS), max_size=4).map(tuple),
        workdir=st.none() | DIRECTORIES,
        tty=st.booleans(),
        console_size=st.none() | st.just((24, 80)),
        init=st.booleans(),
        umask=st.none() | st.integers(0, 0o777),
        oom_score_adj=st.none() | st.integers(-1000, 1000),
        ulimits=st.just(()) | st.just((Ulimit("RLIMIT_NOFILE", 10, -1),)),
    ),
    files=st.builds(
        FileOptions,
        mounts=st.lists(
            BINDS | st.builds(TmpfsMount, PATHS, st.just(("nosuid", "mode=755"))), max_size=3
        ).map(tuple),
        read_only=st.booleans(),
        devices=st.just(()) | st.just((Device("/dev/fuse", "/dev/fuse", "rw"),)),
    ),
    network=st.builds(NetworkOptions),
    security=st.builds(
        SecurityOptions,
        cap_add=st.lists(st.sampled_from([*CAPABILITIES, "ALL"]), max_size=3).map(tuple),
        cap_drop=st.lists(st.sampled_from([*CAPABILITIES, "ALL"]), max_size=3).map(tuple),
        privileged=st.booleans(),
        no_new_privileges=st.booleans(),
        unmask=st.just(()) | st.just(("ALL",)),
        sysctls=st.just({}) | st.just({"kernel.domainname": "x"}),
        pid=SCOPES,
        ipc=SCOPES,
        cgroupns=st.none() | SCOPES,
    ),
    limits=st.builds(
        Limits,
        memory=st.none() | st.integers(1, 2**40),
        cpus=st.none() | st.just(1.5),
        pids=st.none() | st.integers(1, 100) | st.just(-1),
        strict=st.just(False),
    ),
    annotations=st.dictionaries(WORDS, WORDS, max_size=2),
    labels=st.dictionaries(WORDS, WORDS, max_size=2),
)
HOSTS = st.builds(
    HostFacts,
    kernel=st.just("6.1.0"),
    architecture=st.just("amd64"),
    capabilities=st.frozensets(st.sampled_from(CAPABILITIES)),
    ids=st.sampled_from([ALL_IDS, SUBIDS, ONE_ID]),
    rootless=st.booleans(),
    user_namespace=st.sampled_from([None, ONE_ID, SUBIDS]),
    proc_mountable=st.booleans(),
    sysfs_mountable=st.booleans(),
    cgroup_version=st.sampled_from([None, 1, 2]),
    controllers=st.frozensets(st.sampled_from(["memory", "cpu", "cpuset", "pids"])),
    rlimits=st.just({"RLIMIT_NOFILE": (10, 20)}),
    may_raise_limits=st.booleans(),
    recursive_read_only=st.booleans(),
    host_devices=st.just((NODE,)),
    find_device=st.just(lambda _path: NODE),
    locked_flags=st.just(lambda _path: ("nosuid", "ro")),
)
PLACES = st.builds(
    Place,
    container_id=st.just("0123456789abcdef"),
    network=st.sampled_from(["private", "host", "none"]),
    inherit_network=st.booleans(),
    etc_files=st.just({}) | st.just({"/etc/hosts": "/run/hosts"}),
    init=st.just("/usr/bin/tini-static"),
    cgroup_path=st.sampled_from([None, "", "/imgfetch/x"]),
)
USERS = st.builds(
    ResolvedUser,
    st.sampled_from([0, 1, 1000]),
    st.sampled_from([0, 5, 1000]),
    st.lists(st.integers(0, 70000), max_size=3).map(tuple),
    st.sampled_from(["/", "/root"]),
)


def attempt(
    image: ImageConfig, options: RunOptions, host: HostFacts, user: ResolvedUser, place: Place
) -> RuntimeSpec | None:
    """A specification, or None where the options are refused, which is fine too."""
    try:
        return runtime_spec(image, options, host, user, place, seccomp=None)
    except ImgfetchError:
        return None


@given(IMAGES, OPTIONS, HOSTS, USERS, PLACES)
def test_a_specification_is_safe_and_whole_whatever_is_asked(
    image: ImageConfig,
    options: RunOptions,
    host: HostFacts,
    user: ResolvedUser,
    place: Place,
) -> None:
    """P05, S048, S054, S057, S150, S154 and what is said of ``cgroupsPath``."""
    spec = attempt(image, options, host, user, place)
    event("refused" if spec is None else "made")
    if spec is None:
        return
    document = json.loads(encode_spec(spec.document))
    check_spec(document)
    process, linux = document["process"], document["linux"]
    names = [entry.partition("=")[0] for entry in process["env"]]
    assert {"PATH", "HOME"} <= set(names)
    assert len(names) == len(set(names))
    assert "HOME=" not in process["env"]
    assert document["ociVersion"] == "1.0.2"
    assert linux.get("cgroupsPath") != ""
    sets = process["capabilities"]
    assert sets["inheritable"] == sets["ambient"] == []
    assert sets["bounding"] == sets["effective"] == sets["permitted"]
    assert host.capabilities.issuperset(sets["bounding"])
    assert not leads_through_proc(process["cwd"])
    assert not {"org.systemd.property.X"} & set(document["annotations"]) - set(options.annotations)
    places = [mount["destination"] for mount in document["mounts"]]
    assert len(places) == len(set(places))
    if host.in_user_namespace:
        assert "devices" not in linux
        assert "devices" not in linux.get("resources", {})
    if "sysctl" in linux and place.network == "host":
        assert not any(name.startswith("net.") for name in linux["sysctl"])


@given(IMAGES, OPTIONS, HOSTS, USERS, PLACES)
def test_the_same_question_has_the_same_answer(
    image: ImageConfig,
    options: RunOptions,
    host: HostFacts,
    user: ResolvedUser,
    place: Place,
) -> None:
    first = attempt(image, options, host, user, place)
    assert first == attempt(image, options, host, user, place)


@given(st.text(max_size=30), st.binary(max_size=60), st.binary(max_size=60))
def test_user_lookup_gives_ids_or_an_error(text: str, passwd: bytes, group: bytes) -> None:
    """S051."""
    try:
        user = lookup(text, passwd, group)
    except InvalidUserError:
        return
    ids = (user.uid, user.gid, *user.additional_gids)
    assert all(0 <= number < 2**31 for number in ids)
    assert user.home


@given(st.text('ab:/,=.ro\n"x', max_size=20))
def test_mounts_are_on_clean_places_or_refused(text: str) -> None:
    """S152."""
    for parse in (parse_volume, parse_mount, parse_tmpfs):
        try:
            mount = parse(text)
        except (InvalidMountError, InvalidOptionError):
            continue
        place = mount.destination
        assert place.startswith("/")
        assert place != "/"
        assert not {"", ".", ".."}.intersection(place.split("/")[1:])
        assert not leads_through_proc(place)
        assert place.isprintable()


@given(st.text(max_size=12))
def test_sizes_are_numbers_or_refused(text: str) -> None:
    with contextlib.suppress(InvalidOptionError):
        assert 0 <= parse_size(text) < 2**63


@given(st.binary(max_size=60))
def test_env_files_are_variables_or_refused(raw: bytes) -> None:
    try:
        variables = parse_env_file(raw, "file", {})
    except InvalidOptionError:
        return
    for name, value in variables:
        assert name
        assert "=" not in name
        assert "\n" not in name + value


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=1), inner),
    max_leaves=8,
)


@given(JSON, JSON)
def test_a_merge_patch_applied_twice_is_applied_once(target: object, patch: object) -> None:
    """RFC 7396 patches are idempotent."""
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once


@given(st.text(max_size=60), st.booleans())
def test_files_for_etc_end_with_a_line_end(host_file: str, own_network: bool) -> None:
    options = NetworkOptions()
    for text in (
        hosts_file(options, hostname="h", host_file=host_file),
        resolv_conf(options, host_file, own_network=own_network),
    ):
        assert not text or text.endswith("\n")
