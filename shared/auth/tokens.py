"""Tokens: who signed them, and whether they still hold. For API processes (asyncio)."""

import asyncio
import json
import time
from collections import OrderedDict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import aiohttp
import jwt

from shared.auth.access import Principal
from shared.auth.keys import Keys
from shared.problems import Unauthenticated, Unavailable
from shared.settings import Settings

ROLES = frozenset(
    {
        "student",
        "guardian",
        "counselor",
        "teacher",
        "case_manager",
        "partner",
        "integrator",
        "district_admin",
        "ops",
    }
)
ALGORITHMS = ["EdDSA", "RS256", "ES256"]
REFETCH_INTERVAL_S = 30.0
CLOCK_SKEW_S = 30
TOKENS_REMEMBERED = 10_000


class TokenMissing(Unauthenticated):
    """Sign in first: the request carries no bearer token."""

    code = "token-missing"


class TokenMalformed(Unauthenticated):
    """The bearer token cannot be read."""

    code = "token-malformed"


class TokenExpired(Unauthenticated):
    """The bearer token has expired; sign in again."""

    code = "token-expired"


class TokenForged(Unauthenticated):
    """The bearer token was not issued for this service by anybody it trusts."""

    code = "token-forged"


class TokenVerifier:
    """Checks bearer tokens against one or several JSON Web Key Sets."""

    def __init__(self, sources: list[str], *, local: Keys | None, issuer: str, audience: str) -> None:
        """`sources` are files or URLs of key sets; `local` is this deployment's own signing key."""
        self._sources = sources
        self._issuer = issuer
        self._audience = audience
        self._keys: dict[str, jwt.PyJWK] = _parse(local.jwks()) if local else {}
        self._fetched_at = -REFETCH_INTERVAL_S
        self._fetching = asyncio.Lock()
        # Phones send the same token many times; checking its signature costs more than answering 304.
        self._verified: OrderedDict[str, tuple[Principal, int]] = OrderedDict()

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        return cls(
            (settings.jwks or "").split(),
            local=None if settings.jwks else Keys.from_settings(settings),
            issuer=settings.token_issuer,
            audience=settings.token_audience,
        )

    async def verify(self, token: str) -> Principal:
        """
        The person a token speaks for.

        Raises:
            Unauthenticated: One of its kinds above, saying what is wrong with the token.
        """
        principal, expires_at = self._verified.get(token) or (None, 0)
        if principal is not None and time.time() < expires_at:
            return principal
        claims = await self._checked(token)
        principal = _principal(claims)
        self._verified[token] = principal, int(claims["exp"])
        if len(self._verified) > TOKENS_REMEMBERED:
            self._verified.popitem(last=False)
        return principal

    async def _checked(self, token: str) -> dict[str, Any]:
        try:
            key_id = jwt.get_unverified_header(token).get("kid", "")
        except jwt.InvalidTokenError:
            raise TokenMalformed("Send a JSON Web Token as `Authorization: Bearer <token>`.") from None
        key = self._keys.get(key_id) or await self._refetched(key_id)
        if key is None:
            raise TokenForged("Its signing key is not in the key set this service trusts.")
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                audience=self._audience,
                issuer=self._issuer,
                leeway=CLOCK_SKEW_S,
                options={"require": ["exp", "sub", "aud", "iss"]},
            )
        except jwt.InvalidTokenError as error:
            raise self._refusal(token, error) from None
        return claims

    def _refusal(self, token: str, error: jwt.InvalidTokenError) -> Unauthenticated:
        """What is wrong with a token whose key is known, and what would be right."""
        match error:
            case jwt.ExpiredSignatureError():  # found after the signature: its claims can be told
                ended = jwt.decode(token, options={"verify_signature": False})["exp"]
                return TokenExpired(f"It held until {datetime.fromtimestamp(ended, UTC).isoformat()}; get a new one.")
            case jwt.InvalidAlgorithmError():
                return TokenForged(f"It must be signed with {' or '.join(ALGORITHMS)}, by the key it names.")
            case jwt.InvalidSignatureError():
                return TokenForged("Its signature was not made by the key it names.")
            case jwt.InvalidAudienceError():
                return TokenForged(f"Its `aud` must be {self._audience!r}: get one for this service.")
            case jwt.InvalidIssuerError():
                return TokenForged(f"Its `iss` must be {self._issuer!r}.")
        return TokenMalformed(f"{error}.")

    async def _refetched(self, key_id: str) -> jwt.PyJWK | None:
        """Look again where keys are published, as one may have been rotated; at most every 30 s."""
        async with self._fetching:
            if self._sources and time.monotonic() - self._fetched_at >= REFETCH_INTERVAL_S:
                for source in self._sources:
                    self._keys |= _parse(await _read(source))
                self._fetched_at = time.monotonic()
        return self._keys.get(key_id)


async def _read(source: str) -> dict[str, Any]:
    if not source.startswith(("http://", "https://")):
        content: dict[str, Any] = json.loads(await asyncio.to_thread(Path(source).read_text))
        return content
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as client,
            client.get(source, raise_for_status=True) as response,
        ):
            content = await response.json(content_type=None)
            return content
    except (aiohttp.ClientError, TimeoutError) as error:
        raise Unavailable(f"The key set at {source} cannot be read: {type(error).__name__}.") from None


def _parse(key_set: dict[str, Any]) -> dict[str, jwt.PyJWK]:
    return {key.key_id: key for key in jwt.PyJWKSet.from_dict(key_set).keys if key.key_id}


def _principal(claims: dict[str, Any]) -> Principal:
    person, role = claims.get("person_id", claims["sub"]), claims.get("role", "")
    try:
        person_id = UUID(str(person))
    except ValueError:
        raise TokenMalformed("`person_id` (or `sub`) must be the person's Signpost id, a UUID.") from None
    if role not in ROLES:
        raise TokenMalformed(f"`role` must be one of {', '.join(sorted(ROLES))}.")
    return Principal(person_id, role, frozenset(str(claims.get("scope", "")).split()))


def issue_token(settings: Settings, *, role: str, person_id: UUID, lifetime_s: int = 3600, scope: str = "") -> str:
    """A token signed with this deployment's own key: for local use and for the gateway's own pages."""
    now = int(time.time())
    return Keys.from_settings(settings).sign(
        {
            "iss": settings.token_issuer,
            "aud": settings.token_audience,
            "sub": str(person_id),
            "role": role,
            "scope": scope,
            "iat": now,
            "exp": now + lifetime_s,
        }
    )
