"""A run's network of its own: what leads into it, and what is said about it in ``/etc``."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from imgfetch.bundle.addresses import parse_publish
from imgfetch.errors import DocumentError, InvalidOptionError
from imgfetch.runtime.network import Forward, PrivateNetwork

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import ExitStack

    from imgfetch.bundle.options import NetworkOptions, PublishedPort
    from imgfetch.oci.config import ImageConfig

_KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


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


def connect(
    program: str,
    directory: str,
    sysctls: Mapping[str, str],
    ports: Sequence[PublishedPort],
    stack: ExitStack,
) -> list[Forward]:
    """Move this process into a network of its own, and let ports lead into it.

    Args:
        program: see `imgfetch.runtime.network.find_helper`.
        directory: of the run.
        sysctls: ``net.*`` parameters.
        ports: to publish.
        stack: gets what ends the helper.

    Returns:
        The ports, with numbers in place of those left to us.

    Raises:
        RuntimeFailedError: the network could not be set up.
        InvalidOptionError: a port is taken, or a parameter refused.
    """
    # Before this process leaves the host's network, where the numbers have to be free.
    forwards = [
        Forward(
            port.address, port.host_port or _free_port(port), port.container_port, port.protocol
        )
        for port in ports
    ]
    network = PrivateNetwork.enter(program, directory, sysctls)
    stack.callback(network.close)
    network.forward(forwards)
    return forwards


def _free_port(port: PublishedPort) -> int:
    """A number that is free now, which is as much as can be known."""
    with socket.socket(socket.AF_INET, _KINDS[port.protocol]) as probe:
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
