"""The verbs of a client that are about registries and not about the store."""

from __future__ import annotations

from imgfetch.lean.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgfetch.client.collaborators import Collaborators
    from imgfetch.client.credentials import LoggedIn
    from imgfetch.client.image_verbs import PinnedImage
    from imgfetch.client.publishing import Publishing
    from imgfetch.oci.descriptor import Descriptor
    from imgfetch.registry.login import Explanation


class RegistryVerbs:
    """The part of `Client` that is about registries.

    Attributes:
        _collaborators: the client's.
    """

    _collaborators: Collaborators

    def push(
        self, name: str, destination: str, publishing: Publishing | None = None
    ) -> PinnedImage:
        """Send an image of the store, or of a file or directory, to a registry.

        What is there is not sent, and what another repository of that registry has is mounted.
        Documents go as they are: the digests stay.

        Args:
            name: an image name; one of a registry is looked for in the store.
            destination: a reference; without a tag, ``latest``.
            publishing: what goes with it.

        Returns:
            What was pushed, by its name there.
        """
        from imgfetch.client import publishing as verbs

        return verbs.push(self._collaborators, name, destination, publishing or verbs.Publishing())

    def copy(
        self, name: str, destination: str, publishing: Publishing | None = None
    ) -> PinnedImage:
        """Send an image to a registry from where it is, past the store: see `push`.

        Args:
            name: an image name; one of a registry is read from there.
            destination: a reference; without a tag, ``latest``.
            publishing: what goes with it.
        """
        from imgfetch.client import publishing as verbs

        return verbs.copy(self._collaborators, name, destination, publishing or verbs.Publishing())

    def tags(self, name: str) -> list[str]:
        """All tags of a repository; a tag or digest in the name says nothing."""
        from imgfetch.client import publishing as verbs

        return verbs.tags(self._collaborators, name)

    def referrers(
        self, name: str, *, platform: str | None = None, artifact_type: str = ""
    ) -> list[Descriptor]:
        """What refers to an image at its registry: signatures, bills of materials.

        Args:
            name: an image name of a registry.
            platform: for what refers to this platform's image; None for what refers to all
                that the name stands for.
            artifact_type: only those of this type.

        Returns:
            What the registry says; nothing of it was fetched.
        """
        from imgfetch.client import publishing as verbs

        return verbs.referrers(
            self._collaborators, name, platform=platform, artifact_type=artifact_type
        )

    def login(self, registry: str, username: str, password: str) -> LoggedIn:
        """Keep credentials for a registry, once it has taken them.

        Args:
            registry: its host, and port.
            username: ``<token>`` if the password is an identity token.
            password: the password.
        """
        from imgfetch.client import credentials

        return credentials.login(self._collaborators, registry, username, password)

    def logout(self, registry: str) -> list[str]:
        """Forget the credentials for a registry, wherever they are kept.

        Returns:
            The files that they were in.
        """
        from imgfetch.client import credentials

        return credentials.logout(self._collaborators, registry)

    def explain_credentials(self, registry: str) -> list[Explanation]:
        """Every source of credentials for ``HOST[/REPOSITORY]``, in the order of search."""
        from imgfetch.client import credentials

        return credentials.explain(self._collaborators, registry)
