"""Who asks: keys, of which no more than their digests is kept."""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Iterable
from hashlib import sha256

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
HASHED = "sha256="
SHORTEST = 16  # characters: what people think of themselves can be guessed
NEW_BYTES = 32


class Keys:
    """The keys that are known, and whose they are.

    A digest of SHA-256 is enough: keys are random, and nobody tries all of them.

    Args:
        texts: ``name:secret`` each, or ``name:sha256=`` and the digest of the secret in
            hexadecimal. Without a name, the begin of the digest is it.

    Raises:
        ValueError: One cannot be a key. The text says which, and never what it is.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self.digests: dict[str, bytes] = {}
        for number, text in enumerate(texts, 1):
            name, digest = parsed(text, number)
            if name in self.digests:
                raise ValueError(f"two API keys are called {name!r}")
            self.digests[name] = digest

    def __bool__(self) -> bool:
        return bool(self.digests)

    def name_of(self, secret: bytes) -> str | None:
        """Whose key *secret* is; None for nobody's.

        All keys are compared, each in a time that says nothing about it.
        """
        digest = sha256(secret).digest()
        found = None
        for name, known in self.digests.items():
            if hmac.compare_digest(digest, known):
                found = name
        return found


def parsed(text: str, number: int) -> tuple[str, bytes]:
    """The name and the digest in one text."""
    name, is_named, secret = text.strip().partition(":")
    if not is_named:
        name, secret = "", name
    if is_named and not NAME.fullmatch(name):
        raise ValueError(
            f"API key {number} has no proper name before its colon: letters, digits, "
            f"and . _ - between them, 64 at most"
        )
    called = repr(name) if name else f"{number}"
    digest = digest_in(secret, called)
    return name or digest.hex()[:8], digest


def digest_in(secret: str, called: str) -> bytes:
    if secret.startswith(HASHED):
        hexadecimal = secret.removeprefix(HASHED)
        if not re.fullmatch(r"[0-9a-fA-F]{64}", hexadecimal):
            raise ValueError(
                f"the digest of API key {called} must have 64 hexadecimal digits, and "
                f"has {len(hexadecimal)} characters"
            )
        return bytes.fromhex(hexadecimal)
    if not (secret.isascii() and secret.isprintable()) or " " in secret:
        raise ValueError(
            f"API key {called} has characters that no header can carry: take letters, "
            f"digits and signs of ASCII"
        )
    if len(secret) < SHORTEST:
        raise ValueError(
            f"API key {called} is too short to be secret: {len(secret)} characters, at "
            f"least {SHORTEST} are needed. python -m cotality.web --new-key makes one"
        )
    return sha256(secret.encode()).digest()


def new_key() -> tuple[str, str]:
    """A new secret, and what stands for it where others may read."""
    secret = secrets.token_urlsafe(NEW_BYTES)
    return secret, HASHED + sha256(secret.encode()).hexdigest()
