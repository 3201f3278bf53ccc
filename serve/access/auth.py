"""Who asks: a caller with a static token of the settings, or with a JSON web token of an issuer that they name."""

from base64 import b64decode
from hashlib import sha256
from hmac import compare_digest
from typing import Any, NamedTuple

import jwt

from serve.access.keys import IssuerKeys
from serve.problems import Refusal
from serve.settings import Settings

# A shared secret is none.
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "ES256K", "EdDSA"]
LONGEST_TOKEN = 8192
LEEWAY = 5  # Seconds by which the issuer's clock and ours may differ.
REQUIRED = ["exp", "iss", "aud", "sub"]
NAME_LENGTH = 100
REALM = 'Bearer realm="fraud"'
SENTENCES: list[tuple[type[jwt.PyJWTError], str]] = [
    (jwt.ExpiredSignatureError, "the token is expired; get a new one from its issuer"),
    (jwt.ImmatureSignatureError, "the token is not valid yet; look at the clocks of its issuer and of this server"),
    (jwt.InvalidAudienceError, "the token is for another audience than this server's (JWT_AUDIENCE)"),
    (jwt.InvalidIssuerError, "the token is from another issuer than this server's (JWT_ISSUER)"),
    (jwt.MissingRequiredClaimError, f"the token lacks a claim; it needs {', '.join(REQUIRED)}"),
    (jwt.InvalidAlgorithmError, "the token is not signed in the way of its key; 'none' and HS... are never accepted"),
    (jwt.InvalidSignatureError, "the token's signature does not fit the issuer's key"),
]
NO_ADMINS = "this server has none, as ADMIN_TOKEN is not set: set it and start again, or reload by SIGHUP"
UNREADABLE = "the token is neither one that this server knows nor a JSON web token that it can read"


class Caller(NamedTuple):
    """Who asks, by a name that is no secret, and whether they may change the server."""

    name: str
    admin: bool


class Auth:
    """Tells callers by the Authorization header of their requests."""

    def __init__(self, settings: Settings) -> None:
        """Keep hashes of the static tokens; an admin token that is also listed as an ordinary one stays admin."""
        tokens = [(token, False) for token in settings.api_tokens] + [(token, True) for token in settings.admin_tokens]
        digests = [(sha256(token.encode()), admin) for token, admin in tokens]
        self._static = [(one.digest(), Caller(f"token-{one.hexdigest()[:8]}", admin)) for one, admin in digests]
        self._issuer, self._audience = settings.jwt_issuer, settings.jwt_audience
        self._keys = IssuerKeys(settings.jwt_jwks) if settings.jwt_jwks else None
        self.knows_admins = bool(settings.admin_tokens or settings.jwt_jwks)

    @property
    def names(self) -> list[str]:
        """The names of the static tokens, which logs, metrics and batches may show."""
        return list(dict.fromkeys(caller.name for _, caller in self._static))

    def who(self, authorization: str | None) -> Caller:
        """Return the caller, or refuse with 401 and the reason."""
        if not authorization:
            raise Refusal(401, "the request has no token; send `Authorization: Bearer <token>`", _challenge())
        scheme, _, rest = authorization.partition(" ")
        token = rest.strip(" ")
        if scheme.lower() == "basic":  # From clients, such as MLflow's, that take no more than a user in their address.
            token = _password(token)
        if scheme.lower() not in ("bearer", "basic") or not token:
            detail = "the Authorization header holds no bearer token; send `Authorization: Bearer <token>`"
            raise Refusal(401, detail, _challenge())
        if len(token) > LONGEST_TOKEN or not token.isascii():
            raise _wrong(f"the token is longer than {LONGEST_TOKEN} characters, or not ASCII")
        return self._known(token) or self._signed(token)

    def admin(self, caller: Caller) -> None:
        """Refuse with 403 whoever may not change the server."""
        if not caller.admin:
            detail = "this takes an admin token: one of ADMIN_TOKEN, or one that its issuer gave the scope 'admin'"
            if not self.knows_admins:
                detail = f"this takes an admin token, and {NO_ADMINS}"
            raise Refusal(403, detail, {"WWW-Authenticate": f'{REALM}, error="insufficient_scope", scope="admin"'})

    def _known(self, token: str) -> Caller | None:
        """Return whose static token it is, in a time that does not depend on which, nor on how much of it is right."""
        digest, found = sha256(token.encode()).digest(), None
        for known, caller in self._static:
            if compare_digest(known, digest):
                found = caller
        return found

    def _signed(self, token: str) -> Caller:
        if self._keys is None:
            raise _wrong("the token is not one that this server knows")
        try:
            return _caller(self._claims(token, self._keys))
        except jwt.PyJWTError as error:
            detail = next((sentence for kind, sentence in SENTENCES if isinstance(error, kind)), UNREADABLE)
            raise _wrong(detail) from None

    def _claims(self, token: str, keys: IssuerKeys) -> dict[str, Any]:
        """Return what the issuer says; the key decides how it has to be signed, never the token."""
        header = jwt.get_unverified_header(token)
        if str(header.get("alg")) not in ALGORITHMS:
            raise jwt.InvalidAlgorithmError
        key = keys.find(header.get("kid"))
        if key is None:
            raise _wrong("the token is signed with a key that its issuer does not list (JWT_JWKS)")
        return jwt.decode(
            token,
            key,
            [key.algorithm_name],
            {"require": REQUIRED, "enforce_minimum_key_length": True},
            audience=self._audience,
            issuer=self._issuer,
            leeway=LEEWAY,
        )


def _password(encoded: str) -> str:
    """Return what stands after the colon in Basic credentials, or nothing."""
    try:
        return b64decode(encoded, validate=True).decode().partition(":")[2]
    except ValueError:  # Of base64, and of Unicode.
        return ""


def _caller(claims: dict[str, Any]) -> Caller:
    """Return the subject of a token; what does not print is left out of the name, as it goes into logs."""
    name = "".join(letter for letter in claims["sub"] if letter.isprintable()).strip()[:NAME_LENGTH]
    if not name:
        raise _wrong("the token's claim 'sub' is empty; it has to name the caller")
    scope, roles = claims.get("scope"), claims.get("roles")
    granted = (scope.split() if isinstance(scope, str) else []) + (roles if isinstance(roles, list) else [])
    return Caller(name, "admin" in granted)


def _wrong(detail: str) -> Refusal:
    return Refusal(401, detail, _challenge(f', error="invalid_token", error_description="{detail}"'))


def _challenge(more: str = "") -> dict[str, str]:
    return {"WWW-Authenticate": REALM + more}
