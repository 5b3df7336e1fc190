"""Headers for browsers on each answer, and what a client sees of a fault of ours."""

from __future__ import annotations

import logging
import secrets

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .problems import Problem

logger = logging.getLogger("cotality.web")

# Scripts and styles are files of ours, and nothing comes from elsewhere or goes there.
CONTENT_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        # No text ever becomes markup, or a script, whatever a page of ours does.
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    # Unless an answer says otherwise: how a task stands is true for a moment only.
    "Cache-Control": "no-store",
}


class Shield:
    """Adds what browsers have to know, and answers where the application fails.

    Args:
        app: The application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        has_begun = False

        async def shielded(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                add_headers(MutableHeaders(scope=message))
            await send(message)

        try:
            await self.app(scope, receive, shielded)
        except Exception:
            if has_begun:
                raise  # the server ends the connection, so that nobody takes it for all
            number = secrets.token_hex(4)
            logger.exception("fault %s: a request has failed", number)
            await fault(number).answer()(scope, receive, shielded)


def add_headers(headers: MutableHeaders) -> None:
    for name, value in HEADERS.items():
        headers.setdefault(name, value)


def fault(number: str) -> Problem:
    return Problem(
        500,
        "fault",
        f"this is a fault of the service; its log says more under {number}",
        more={"fault": number},
    )
