"""Public registries as tables: where their token servers and storages are, and how they answer.

The facts are those that clients have had to learn; a profile holds what its service does
differently from the specification or from the others, and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from imgfetch.registry.secret import Credential
from tests.support.registry_content import SmallImage, blob
from tests.support.registry_server import Answer, Responder, ScriptedServer, Seen
from tests.support.registry_world import World


def _error(code: str, message: str) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message}]}).encode()


@dataclass(frozen=True, slots=True)
class Profile:
    """One service.

    Attributes:
        reference: the registry as people write it.
        host: the host that is asked.
        realm: the token server's URL; "" where the registry takes passwords itself.
        service: the registry's name at the token server.
        scope: the scope in challenges, where it is not the one needed.
        silent: manifests are refused without a challenge.
        keys: under which a token comes.
        lifetime: what is said of it.
        post: how the token server answers POST.
        missing: status and body for a repository that isn't there.
        storage: the host that blobs are redirected to; "" for none.
        redirect: the status of that redirect.
        headers: sent with everything.
    """

    reference: str
    host: str
    realm: str = ""
    service: str = ""
    scope: str = ""
    silent: bool = False
    keys: tuple[str, ...] = ("token",)
    lifetime: object = 300
    post: int = 200
    missing: tuple[int, bytes] = (404, _error("NAME_UNKNOWN", "repository name not known"))
    storage: str = ""
    redirect: int = 307
    headers: Mapping[str, str] = field(default_factory=dict)


_UNAUTHORIZED = (401, _error("UNAUTHORIZED", "authentication required"))
_DENIED = (403, _error("DENIED", "requested access to the resource is denied"))
_ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"

PROFILES = {
    "Docker Hub": Profile(
        "docker.io",
        "registry-1.docker.io",
        "https://auth.docker.io/token",
        "registry.docker.io",
        keys=("token", "access_token"),
        missing=_UNAUTHORIZED,
        storage="production.cloudflare.docker.com",
        headers={"Docker-RateLimit-Source": "203.0.113.1", "RateLimit-Limit": "100;w=21600"},
    ),
    "GHCR": Profile(
        "ghcr.io",
        "ghcr.io",
        "https://ghcr.io/token",
        "ghcr.io",
        missing=_DENIED,
        storage="pkg-containers.githubusercontent.com",
    ),
    "Quay": Profile(
        "quay.io",
        "quay.io",
        "https://quay.io/v2/auth",
        "quay.io",
        missing=_UNAUTHORIZED,
        storage="cdn.quay.io",
        redirect=302,
    ),
    "ECR": Profile(
        _ECR, _ECR, storage="prod-eu-west-1-starport-layer-bucket.s3.eu-west-1.amazonaws.com"
    ),
    "ECR Public": Profile(
        "public.ecr.aws",
        "public.ecr.aws",
        "https://public.ecr.aws/token/",
        "public.ecr.aws",
        scope="aws",
        storage="d5l0dvt14r5h8.cloudfront.net",
    ),
    "GCR": Profile(
        "gcr.io",
        "gcr.io",
        "https://gcr.io/v2/token",
        "gcr.io",
        silent=True,
        post=404,
        storage="storage.googleapis.com",
        redirect=302,
    ),
    "ACR": Profile(
        "example.azurecr.io",
        "example.azurecr.io",
        "https://example.azurecr.io/oauth2/token",
        "example.azurecr.io",
        keys=("access_token",),
        lifetime="4500",
        post=400,
        storage="weumanaged.blob.core.windows.net",
    ),
    "Harbor": Profile(
        "harbor.example.test",
        "harbor.example.test",
        "https://harbor.example.test/service/token",
        "harbor-registry",
        lifetime=0,
        missing=(404, _error("UNKNOWN", "unknown error: artifact not found")),
        headers={"Set-Cookie": "sid=abc; Path=/; HttpOnly"},
    ),
    "GitLab": Profile(
        "registry.gitlab.com",
        "registry.gitlab.com",
        "https://gitlab.com/jwt/auth",
        "container_registry",
        missing=_DENIED,
        storage="cdn.registry.gitlab-static.net",
    ),
    "Artifactory": Profile(
        "example.jfrog.io",
        "example.jfrog.io",
        "https://example.jfrog.io/artifactory/api/docker/docker/v2/token",
        "example.jfrog.io",
        post=401,
        missing=(403, b"<html>Forbidden</html>"),
    ),
}


@dataclass(frozen=True, slots=True)
class Service:
    """A service that runs in a world.

    Attributes:
        registry: the registry.
        tokens: the token server; the registry itself where it is the same host.
        storage: the storage; the registry itself where there is none.
    """

    registry: ScriptedServer
    tokens: ScriptedServer
    storage: ScriptedServer


def serve(
    world: World, profile: Profile, image: SmallImage, repository: str, account: Credential | None
) -> Service:
    """Let a service serve one image.

    Args:
        world: where.
        profile: how.
        image: what; everything else is missing.
        repository: the image's repository.
        account: who may have it; None for everybody.
    """
    tokens, storage = _token_routes(profile, account), _storage_routes(image)
    routes: dict[str, Responder] = {}
    for route, responder in image.routes(repository).items():
        is_layer = route.endswith(str(image.layer_descriptor.digest))
        found = _redirect(profile) if is_layer and profile.storage else responder
        routes[route] = _guarded(profile, repository, account, found)
    routes["GET /v2/*"] = _guarded(
        profile, "none", account, Answer(profile.missing[0], profile.missing[1])
    )
    if profile.silent:
        routes["GET /v2/"] = Answer(401, b"", {"WWW-Authenticate": _challenge(profile, "")})
    token_host = urlsplit(profile.realm).hostname or profile.host
    if token_host == profile.host:
        routes = tokens | routes
    registry = world.host(profile.host, routes)
    return Service(
        registry,
        registry if token_host == profile.host else world.host(token_host, tokens),
        world.host(profile.storage, storage) if profile.storage else registry,
    )


def _challenge(profile: Profile, repository: str) -> str:
    if not profile.realm:
        return f'Basic realm="https://{profile.host}/",service="ecr.amazonaws.com"'
    scope = profile.scope or (f"repository:{repository}:pull" if repository else "")
    end = f',scope="{scope}"' if scope else ""
    return f'Bearer realm="{profile.realm}",service="{profile.service}"{end}'


def _guarded(
    profile: Profile, repository: str, account: Credential | None, responder: Responder
) -> Callable[[Seen], Answer]:
    """A route for those who may have it."""
    wanted = f"Bearer {repository}"
    if not profile.realm:
        wanted = (account or Credential("AWS", "anyone")).basic()

    def answer(seen: Seen) -> Answer:
        refused = seen.authorization != wanted and not (
            # Whoever has a token may find out that there is nothing.
            repository == "none" and seen.authorization is not None
        )
        if refused:
            headers = (
                {} if profile.silent else {"WWW-Authenticate": _challenge(profile, repository)}
            )
            return Answer(401, _UNAUTHORIZED[1], {**profile.headers, **headers})
        if isinstance(responder, Answer):
            return responder
        assert callable(responder)
        return responder(seen)

    return answer


def _redirect(profile: Profile) -> Answer:
    location = f"https://{profile.storage}/layer?X-Amz-Signature=secret"
    return Answer(profile.redirect, b"", {"Location": location})


def _storage_routes(image: SmallImage) -> dict[str, Responder]:
    def answer(seen: Seen) -> Answer:
        # Storages refuse a request that is signed in two ways.
        return Answer(400) if seen.authorization else blob(image.layer)(seen)

    return {"GET /layer": answer}


def _token_routes(profile: Profile, account: Credential | None) -> dict[str, Responder]:
    def answer(seen: Seen) -> Answer:
        if seen.method == "POST" and profile.post != 200:
            return Answer(profile.post, b"{}")
        text = seen.body.decode() if seen.method == "POST" else urlsplit(seen.target).query
        form = parse_qs(text)
        if form.get("service") != [profile.service]:
            return Answer(400, b'{"details":"invalid service"}')
        if account is not None and not _is(account, seen, form):
            return Answer(401, b'{"details":"incorrect username or password"}')
        granted = next(iter(form.get("scope", [""]))).split(":")
        value = granted[1] if len(granted) == 3 else ""
        token = dict.fromkeys(profile.keys, value or "nothing")
        return Answer(200, json.dumps({**token, "expires_in": profile.lifetime}).encode())

    path = urlsplit(profile.realm).path
    return {f"* {path}": answer} if path else {}


def _is(account: Credential, seen: Seen, form: Mapping[str, list[str]]) -> bool:
    if seen.method == "POST":
        return form.get("refresh_token") == [account.identity_token]
    return seen.authorization == account.basic()
