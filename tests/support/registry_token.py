"""A token server whose tokens docker-registry believes.

The protocol is distribution's "Token Authentication Specification"; tokens are JWTs with the
signing certificate in their header (``x5c``), which the registry has as its root.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import jwt
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from tests.support.docker_registry import TokenAuth
from tests.support.registry_server import Answer, ScriptedServer, Seen

ISSUER = "a token server"
SERVICE = "a registry"


@dataclass(slots=True)
class TokenServer:
    """A running token server.

    Attributes:
        server: what was asked of it.
        auth: what a registry needs to know of it.
        passwords: who may have more than what is public.
        public: actions that anybody may have.
        lifetime: of the tokens, in seconds.
    """

    server: ScriptedServer
    auth: TokenAuth
    passwords: Mapping[str, str]
    public: frozenset[str] = frozenset()
    lifetime: int = 300


@contextmanager
def token_server(
    directory: Path,
    passwords: Mapping[str, str],
    *,
    public: frozenset[str] = frozenset(),
    refresh_tokens: Mapping[str, str] | None = None,
) -> Iterator[TokenServer]:
    """Run a token server until the block ends.

    Args:
        directory: for its certificate.
        passwords: by user; all of them may do everything.
        public: actions that anybody may have, e.g. ``pull``.
        refresh_tokens: users by identity token.
    """
    authority = trustme.CA()
    leaf = authority.issue_cert("token.test")
    bundle = directory / "token-authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    chain = [
        base64.b64encode(
            x509.load_pem_x509_certificate(pem.bytes()).public_bytes(Encoding.DER)
        ).decode()
        for pem in leaf.cert_chain_pems
    ]
    key = load_pem_private_key(leaf.private_key_pem.bytes(), None)
    accounts = dict(refresh_tokens or {})

    def account_of(seen: Seen, form: Mapping[str, list[str]]) -> str | None:
        """Who asks; "" for nobody, None for an impostor."""
        if seen.method == "POST":
            return accounts.get(form.get("refresh_token", [""])[0])
        if seen.authorization is None:
            return ""
        decoded = base64.b64decode(seen.authorization.removeprefix("Basic ")).decode()
        user, _, password = decoded.partition(":")
        return user if passwords.get(user) == password else None

    def answer(seen: Seen) -> Answer:
        text = seen.body.decode() if seen.method == "POST" else urlsplit(seen.target).query
        form = parse_qs(text)
        account = account_of(seen, form)
        if account is None:
            return Answer(401, b'{"details":"incorrect username or password"}')
        scopes = [scope for text in form.get("scope", []) for scope in text.split()]
        access = [_granted(scope, None if account else public) for scope in scopes]
        now = int(time.time())
        claims = {
            "iss": ISSUER, "sub": account, "aud": SERVICE, "jti": str(now),
            "iat": now, "nbf": now - 10, "exp": now + state.lifetime, "access": access,
        }  # fmt: skip
        signed = jwt.encode(claims, key, algorithm="ES256", headers={"x5c": chain})  # type: ignore[arg-type]  # trustme's keys are of this kind
        return Answer(200, json.dumps({"token": signed, "expires_in": state.lifetime}).encode())

    with ScriptedServer({"* /token": answer}) as server:
        auth = TokenAuth(f"http://{server.host}/token", SERVICE, ISSUER, bundle)
        state = TokenServer(server, auth, passwords, public)
        yield state


def _granted(scope: str, allowed: frozenset[str] | None) -> dict[str, object]:
    kind, _, rest = scope.partition(":")
    name, _, actions = rest.rpartition(":")
    wanted = actions.split(",")
    return {
        "type": kind,
        "name": name,
        "actions": [action for action in wanted if allowed is None or action in allowed],
    }
