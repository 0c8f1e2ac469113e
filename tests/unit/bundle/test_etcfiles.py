from __future__ import annotations

import pytest

from imgfetch.bundle.etcfiles import hostname_file, hosts_file, resolv_conf
from imgfetch.bundle.options import NetworkOptions
from imgfetch.errors import InvalidOptionError

HOST_RESOLV = """\
# comment
nameserver 127.0.0.53
nameserver 10.0.0.1
nameserver ::1
domain old.example
search a.example b.example
options edns0 trust-ad
"""


def test_hosts_of_a_private_network() -> None:
    options = NetworkOptions(add_hosts=(("db", "10.0.0.9"), ("host", "host-gateway")))
    text = hosts_file(options, hostname="web", address="10.0.2.100", gateway="10.0.2.2")
    assert text.splitlines() == [
        "127.0.0.1\tlocalhost",
        "::1\tlocalhost ip6-localhost ip6-loopback",
        "fe00::\tip6-localnet",
        "ff00::\tip6-mcastprefix",
        "ff02::1\tip6-allnodes",
        "ff02::2\tip6-allrouters",
        "10.0.2.100\tweb",
        "10.0.0.9\tdb",
        "10.0.2.2\thost",
    ]


def test_hosts_of_the_hosts_network_are_the_hosts_and_more() -> None:
    options = NetworkOptions(add_hosts=(("db", "10.0.0.9"),))
    text = hosts_file(options, hostname="web", host_file="127.0.0.1 localhost")
    assert text == "127.0.0.1 localhost\n10.0.0.9\tdb\n"


def test_a_name_resolves_to_itself_without_a_network() -> None:
    assert hosts_file(NetworkOptions(), hostname="web").endswith("127.0.1.1\tweb\n")


def test_a_gateway_that_is_not_there_is_an_error() -> None:
    options = NetworkOptions(add_hosts=(("host", "host-gateway"),))
    with pytest.raises(InvalidOptionError, match="host-gateway"):
        hosts_file(options, hostname="web")


def test_the_hostname_file() -> None:
    assert hostname_file("web") == "web\n"


def test_name_servers_of_the_host_are_kept_on_its_network() -> None:
    assert resolv_conf(NetworkOptions(), HOST_RESOLV, own_network=False) == (
        "search a.example b.example\n"
        "nameserver 127.0.0.53\nnameserver 10.0.0.1\nnameserver ::1\n"
        "options edns0 trust-ad\n"
    )


def test_name_servers_on_the_hosts_loopback_can_not_be_asked_from_another_network() -> None:
    text = resolv_conf(NetworkOptions(), HOST_RESOLV, own_network=True)
    assert text.splitlines()[1:2] == ["nameserver 10.0.0.1"]
    forwarded = resolv_conf(NetworkOptions(), HOST_RESOLV, own_network=True, forwarder="10.0.2.3")
    assert "nameserver 10.0.2.3\n" in forwarded
    assert "10.0.0.1" not in forwarded


def test_options_replace_what_the_host_has() -> None:
    options = NetworkOptions(
        dns=("127.0.0.1", "9.9.9.9"), dns_search=(".",), dns_options=("ndots:1",)
    )
    text = resolv_conf(options, HOST_RESOLV, own_network=True, forwarder="10.0.2.3")
    assert text == "nameserver 127.0.0.1\nnameserver 9.9.9.9\noptions ndots:1\n"


def test_a_host_without_a_resolver_gives_none() -> None:
    assert resolv_conf(NetworkOptions(), "", own_network=True) == ""
