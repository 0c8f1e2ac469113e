"""Where an image may be asked for: its registry, and mirrors before it.

Pure: a reference and the user's configuration go in, places in their order come out.
A mirror is another registry with another name for the same image; it gets its own
credentials and never those for the registry that it stands in for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.errors import PolicyError
from imgfetch.lean.dataclasses import dataclass, field
from imgfetch.registry import address
from imgfetch.registry.url import DEFAULT_PORTS, Origin

if TYPE_CHECKING:
    from imgfetch.oci.reference import Reference, Repository
    from imgfetch.registry.hosts_toml import Host
    from imgfetch.registry.registries_conf import Location
    from imgfetch.registry.settings import RegistrySettings
    from imgfetch.registry.tls import TlsPolicy


@dataclass(frozen=True, slots=True)
class Place:
    """A registry or mirror as it is asked for one repository.

    Attributes:
        registry: its name, for credentials and for people.
        repository: the repository's path there.
        origins: where it may be, the first choice first.
        mirror: whether it stands in for another one.
        insecure: its certificates are not checked.
        by_tag: may be asked for tags.
        by_digest: may be asked for digests.
        api: where its API begins.
        namespace: the registry that a mirror stands in for, where it wants to be told.
        tls: what else its configuration says of TLS.
        headers: what its configuration wants to be sent along, to it alone.
    """

    registry: str
    repository: str
    origins: tuple[Origin, ...]
    mirror: bool = False
    insecure: bool = False
    by_tag: bool = True
    by_digest: bool = True
    api: str = "/v2"
    namespace: str = ""
    tls: TlsPolicy | None = field(default=None)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    def serves(self, reference: Reference) -> bool:
        """Whether it may be asked for this image."""
        return self.by_digest if reference.pinned else self.by_tag


def places(reference: Reference, settings: RegistrySettings) -> tuple[Place, ...]:
    """Where a repository may be asked for, the first choice first, its registry last.

    containers-registries.conf(5) is looked at first, then containerd's ``hosts.toml``;
    where neither knows the registry, it is asked itself.

    Raises:
        PolicyError: the registry is blocked by configuration.
    """
    repository = reference.repository
    rule = settings.registries.rule_for(repository, reference)
    if rule is not None:
        if rule.blocked:
            message = f"{repository} is blocked by {settings.registries.name}"
            raise PolicyError(message, hint=f"its rule there is for {rule.prefix}")
        found = [
            _located(mirror, rule.rewritten(repository, mirror.location), settings, mirror=True)
            for mirror in rule.mirrors
        ]
        own = rule.rewritten(repository, rule.own.location)
        return (*found, _located(rule.own, own, settings, mirror=False))
    hosts = settings.hosts.get(repository.registry) or settings.hosts.get("_default")
    if hosts is not None:
        found = [_hosted(host, repository) for host in hosts.hosts]
        if hosts.server is not None:
            return (*found, _hosted(hosts.server, repository))
        return (*found, _own(repository, settings))
    return (_own(repository, settings),)


def _own(repository: Repository, settings: RegistrySettings) -> Place:
    origins = address.origins(repository.registry, settings)
    return Place(repository.registry, repository.path, origins)


def _located(
    location: Location, repository: Repository, settings: RegistrySettings, *, mirror: bool
) -> Place:
    origins = address.origins(repository.registry, settings)
    if location.insecure and len(origins) == 1 and origins[0].scheme == "https":
        tls = origins[0]
        explicit = repository.registry.rpartition(":")[2].isdigit()
        port = tls.port if explicit else DEFAULT_PORTS["http"]
        origins = (tls, Origin("http", tls.host, port))
    return Place(
        repository.registry,
        repository.path,
        origins,
        mirror=mirror,
        insecure=location.insecure,
        by_tag=location.by_tag,
        by_digest=location.by_digest,
    )


def _hosted(host: Host, repository: Repository) -> Place:
    return Place(
        host.origin.netloc,
        repository.path,
        (host.origin,),
        mirror=host.mirror,
        insecure=not host.tls.verify,
        by_tag=host.resolves,
        by_digest=host.pulls,
        api=host.api,
        namespace=repository.registry if host.mirror else "",
        tls=host.tls,
        headers=host.headers,
    )
