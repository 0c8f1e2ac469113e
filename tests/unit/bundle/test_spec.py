from __future__ import annotations

import dataclasses

from imgfetch.bundle import defaults
from imgfetch.bundle.options import (
    RunOptions,
)
from imgfetch.bundle.users import ResolvedUser
from tests.support.runtime_schema import check_spec
from tests.support.specs import (
    PLACE,
    image_config,
    make_spec,
)

PRIVATE = dataclasses.replace(PLACE, network="private")


def test_the_default_specification_as_a_whole() -> None:
    """S148, S149 and S054, in one look: what a run without any option gives runc."""
    spec = make_spec(
        image=image_config({"Env": ["A=1"], "WorkingDir": "/srv", "User": "app"}),
        user=ResolvedUser(1000, 1000, (1000, 50), "/home/app"),
        place=PRIVATE,
    )
    check_spec(spec.document)
    capabilities = [
        *("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID"),
        *("CAP_SETUID", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_SETFCAP"),
    ]
    assert spec.document == {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False,
            "user": {"uid": 1000, "gid": 1000, "umask": 18, "additionalGids": [1000, 50]},
            "args": ["sh"],
            "env": [
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "HOSTNAME=0123456789ab",
                "A=1",
                "HOME=/home/app",
            ],
            "cwd": "/srv",
            "capabilities": {
                "bounding": capabilities,
                "effective": capabilities,
                "permitted": capabilities,
                "inheritable": [],
                "ambient": [],
            },
            "noNewPrivileges": False,
        },
        "root": {"path": "rootfs", "readonly": False},
        "mounts": [
            defaults.proc(),
            defaults.dev(),
            defaults.devpts(tty_group=True),
            defaults.shm(64 << 20),
            defaults.mqueue(),
            defaults.sysfs("ro"),
            defaults.cgroup("ro"),
        ],
        "annotations": {
            "org.opencontainers.image.os": "linux",
            "org.opencontainers.image.architecture": "amd64",
        },
        "hostname": "0123456789ab",
        "linux": {
            "namespaces": [{"type": kind} for kind in ("mount", "pid", "ipc", "uts", "network")],
            "maskedPaths": list(defaults.MASKED_PATHS),
            "readonlyPaths": list(defaults.READONLY_PATHS),
            "resources": {
                "pids": {"limit": 2048},
                "devices": [{"allow": False, "access": "rwm"}],
            },
            "sysctl": {
                "net.ipv4.ip_unprivileged_port_start": "0",
                "net.ipv4.ping_group_range": "0 2147483647",
            },
        },
    }
    assert (spec.warnings, spec.omitted_labels, spec.network_sysctls) == ((), (), {})


def test_two_specifications_share_nothing_that_can_change() -> None:
    """S050: what one run does to its specification must not reach the next one's."""
    first = make_spec().document
    first["mounts"][0]["options"].append("changed")
    first["linux"]["maskedPaths"].clear()
    first["process"]["capabilities"]["bounding"].append("CAP_SYS_ADMIN")
    second = make_spec().document
    assert "changed" not in second["mounts"][0]["options"]
    assert second["linux"]["maskedPaths"] == list(defaults.MASKED_PATHS)
    assert "CAP_SYS_ADMIN" not in second["process"]["capabilities"]["effective"]


def test_labels_never_configure_the_runtime() -> None:
    """S048 and S154: CVE-2024-3154, CVE-2026-53488."""
    dangerous = [
        *("org.systemd.property.ExecStartPre", "run.oci.handler", "run.oci.hooks.stdout"),
        *("io.katacontainers.config.hypervisor.path", "containerd.io/restart.status"),
        *("cdi.k8s.io/x", "org.criu.config", "io.podman.annotations.privileged"),
        *("org.opencontainers.runc.x", "maintainer"),
    ]
    labels = {**dict.fromkeys(dangerous, "x"), "org.opencontainers.image.title": "Title"}
    spec = make_spec(image=image_config({"Labels": labels}))
    assert spec.document["annotations"] == {
        "org.opencontainers.image.os": "linux",
        "org.opencontainers.image.architecture": "amd64",
        "org.opencontainers.image.title": "Title",
    }
    assert spec.omitted_labels == tuple(dangerous)


def test_annotations_say_what_the_config_says() -> None:
    """image-spec conversion.md "Annotation Fields": a label of the same name wins."""
    config = {
        "StopSignal": "SIGINT",
        "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
        "Labels": {"org.opencontainers.image.author": "label"},
    }
    image = image_config(
        config, author="field", created="2024-01-01T00:00:00Z", variant="v2", **{"os.version": "1"}
    )
    spec = make_spec(RunOptions(annotations={"run.oci.keep_original_groups": "1"}), image=image)
    prefix = "org.opencontainers.image."
    assert spec.document["annotations"] == {
        f"{prefix}os": "linux",
        f"{prefix}architecture": "amd64",
        f"{prefix}variant": "v2",
        f"{prefix}os.version": "1",
        f"{prefix}author": "label",
        f"{prefix}created": "2024-01-01T00:00:00Z",
        f"{prefix}stopSignal": "SIGINT",
        f"{prefix}exposedPorts": "80/tcp,53/udp",
        "run.oci.keep_original_groups": "1",
    }


def test_own_labels_are_not_for_the_runtime() -> None:
    document = make_spec(RunOptions(labels={"a": "b"})).document
    assert "a" not in document["annotations"]
