"""The ports of a run: those asked for, those that an image exposes, and free ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.bundle.addresses import parse_publish
from imgfetch.errors import DocumentError, InvalidOptionError
from imgfetch.runtime.connectors import Forward

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgfetch.bundle.options import NetworkOptions, PublishedPort
    from imgfetch.oci.config import ImageConfig


def published(options: NetworkOptions, image: ImageConfig) -> tuple[PublishedPort, ...]:
    """The ports to publish: those asked for, and with ``-P`` all that the image exposes.

    Raises:
        DocumentError: the image exposes something that is no port.
    """
    ports = list(options.publish)
    if options.publish_all:
        named = {(port.container_port, port.protocol) for port in ports}
        for text in image.process.exposed_ports:
            ports += [
                port for port in _exposed(text) if (port.container_port, port.protocol) not in named
            ]
    return tuple(ports)


def numbered(ports: Sequence[PublishedPort]) -> list[Forward]:
    """The ports, with numbers that are free in place of those left to us.

    Has to be called in the network that they are published in.

    Raises:
        InvalidOptionError: an address that is not this machine's.
    """
    return [
        Forward(
            port.address, port.host_port or _free_port(port), port.container_port, port.protocol
        )
        for port in ports
    ]


def _free_port(port: PublishedPort) -> int:
    """A number that is free now, which is as much as can be known."""
    import socket  # takes milliseconds, and few runs publish a port

    kind = socket.SOCK_DGRAM if port.protocol == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            probe.bind((port.address or "0.0.0.0", 0))  # noqa: S104 - as docker's -p
        except OSError as error:
            message = f"can't publish a port on {port.address}: {error.strerror}"
            raise InvalidOptionError(message) from error
        number: int = probe.getsockname()[1]
        return number


def _exposed(text: str) -> tuple[PublishedPort, ...]:
    try:
        return parse_publish(text)
    except InvalidOptionError as error:
        message = f"image config: ExposedPorts: {text[:80]!r}"
        raise DocumentError(message, expected=error.expected) from error
