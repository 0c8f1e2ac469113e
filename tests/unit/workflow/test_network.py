"""Which ports of a run are published, and where."""

from __future__ import annotations

import socket

import pytest

from imgfetch.bundle.options import NetworkOptions, PublishedPort
from imgfetch.errors import DocumentError, InvalidOptionError
from imgfetch.workflow.network import numbered, published
from tests.support.specs import image_config

EXPOSED = image_config({"ExposedPorts": {"80/tcp": {}, "53/udp": {}, "90": {}}})


def test_only_ports_asked_for_are_published() -> None:
    port = PublishedPort("", 8080, 80)
    assert published(NetworkOptions(publish=(port,)), EXPOSED) == (port,)


def test_all_that_an_image_exposes_is_published_once() -> None:
    given = PublishedPort("127.0.0.1", 8080, 80)
    ports = published(NetworkOptions(publish=(given,), publish_all=True), EXPOSED)
    assert set(ports) == {
        given,
        PublishedPort("", 0, 53, "udp"),
        PublishedPort("", 0, 90),
    }


def test_what_is_no_port_is_the_images_fault() -> None:
    image = image_config({"ExposedPorts": {"80/sctp": {}}})
    with pytest.raises(DocumentError, match="ExposedPorts"):
        published(NetworkOptions(publish_all=True), image)


def test_numbers_left_to_us_are_free() -> None:
    asked = [PublishedPort("127.0.0.1", 0, 80), PublishedPort("", 0, 53, "udp")]
    chosen = numbered([*asked, PublishedPort("", 9, 9)])
    assert chosen[2] == ("", 9, 9, "tcp")
    for forward, kind in zip(chosen, (socket.SOCK_STREAM, socket.SOCK_DGRAM), strict=False):
        with socket.socket(socket.AF_INET, kind) as probe:
            probe.bind(("127.0.0.1", forward.host_port))


def test_an_address_that_is_not_this_machines_is_named() -> None:
    with pytest.raises(InvalidOptionError, match=r"192\.0\.2\.1"):
        numbered([PublishedPort("192.0.2.1", 0, 80)])
