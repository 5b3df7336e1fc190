"""The door of the service: each request, before anything is done for it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from .keys import Keys
from .peers import Peers
from .problems import Problem, wait_header
from .rates import Rates

NOBODY = "local"  # who asks where there are no keys
OWNER = "cotality.web.owner"  # where an ASGI scope says who asks
BEARER = b"bearer "
VISITS = ("GET", "HEAD")


class Door:
    """Lets requests in that come from the right place, with a key, and not too often.

    Args:
        app: What is behind it.
        peers: Who may ask from where.
        keys: What is asked for; none are asked for if there are none.
        rates: How often the owner of a key may ask. Without keys nobody is counted:
            what this machine asks itself is its own affair.
        open_paths: What is answered without a key, and not counted: pages that say
            nothing of anybody, and what a load balancer asks. One that ends with a
            slash stands for all that is below it as well.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        peers: Peers,
        keys: Keys,
        rates: Rates,
        open_paths: Collection[str],
    ) -> None:
        self.app = app
        self.peers, self.keys, self.rates = peers, keys, rates
        self.open_paths = frozenset(open_paths)
        self.open_below = tuple(path for path in open_paths if path[-1] == "/" != path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refused = await self.refused(scope)
        if refused is not None:
            await refused.answer()(scope, receive, send)
            return
        await self.app(scope, receive, send)

    async def refused(self, scope: Scope) -> Problem | None:
        """Why not; None if it is let in."""
        headers = Headers(scope=scope)
        client: tuple[str, int] | None = scope.get("client")
        fault = self.peers.fault(client, headers, is_visit=scope["method"] in VISITS)
        if fault is not None:
            return Problem(403, "not-from-there", fault)
        scope[OWNER] = NOBODY
        if not self.keys or self.is_open(path_of(scope)):
            return None
        secret = secret_in(headers)
        name = None if secret is None else self.keys.name_of(secret)
        if name is None:
            return no_key(secret)
        scope[OWNER] = name
        again = await self.rates.hit(name)
        return None if again is None else too_often(self.rates, again)

    def is_open(self, path: str) -> bool:
        return path in self.open_paths or path.startswith(self.open_below)


def owner_of(request: Request) -> str:
    """Who asks."""
    return str(request.scope.get(OWNER, NOBODY))


def path_of(scope: Scope) -> str:
    """The path below where the application is mounted."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path.removeprefix(root) if root else path


def secret_in(headers: Headers) -> bytes | None:
    """What is sent as a key; None for nothing."""
    raw: dict[str, Any] = {}  # Any: bytes
    for name, value in headers.raw:
        raw.setdefault(name.decode("latin-1").lower(), value)
    if "x-api-key" in raw:
        return bytes(raw["x-api-key"])
    given = bytes(raw.get("authorization", b""))
    if given[: len(BEARER)].lower() == BEARER:
        return given[len(BEARER) :].strip()
    return None


def no_key(secret: bytes | None) -> Problem:
    fault = "no API key was sent" if secret is None else "the API key is none of ours"
    return Problem(
        401,
        "no-key",
        f"{fault}: send one in the header X-API-Key, or as Authorization: Bearer",
        headers={"WWW-Authenticate": 'Bearer realm="cotality"'},
    )


def too_often(rates: Rates, again: float) -> Problem:
    most = rates.item.amount
    return Problem(
        429,
        "too-often",
        f"more than {most} requests in a minute: come again in {again:.0f} s",
        headers=wait_header(again),
        more={"limit": most, "per_s": 60},
    )
