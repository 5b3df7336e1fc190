"""A proxy that all connections to the outside go through."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from cotality._kit.safe_text import printable
from cotality.jobs._jobs.webhooks.deadline import TimedSocket
from cotality.jobs._jobs.webhooks.targets import Target

LONGEST_ANSWER = 16_384  # bytes
END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class EgressProxy:
    """Where it is, and what it wants to know."""

    address: tuple[str, int]
    authorization: str | None = field(default=None, repr=False)

    @classmethod
    def at(cls, url: object) -> EgressProxy:
        """What ``http://host:port`` names, maybe with ``user:password@``.

        Raises:
            ValueError: It is something else.
        """
        parts = urlsplit(url if isinstance(url, str) else "")
        if parts.scheme != "http" or not parts.hostname or not parts.port:
            raise ValueError("proxy must be a URL such as 'http://proxy.internal:3128'")
        if parts.username is None:
            return cls((parts.hostname, parts.port))
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        coded = base64.b64encode(pair.encode()).decode()
        return cls((parts.hostname, parts.port), f"Basic {coded}")

    def open_tunnel(self, stream: TimedSocket, target: Target) -> None:
        """Let all that follows on *stream* go to *target*.

        Raises:
            OSError: It does not want that.
        """
        host = f"[{target.host}]" if ":" in target.host else target.host
        lines = [
            f"CONNECT {host}:{target.port} HTTP/1.1",
            f"Host: {host}:{target.port}",
        ]
        if self.authorization is not None:
            lines.append(f"Proxy-Authorization: {self.authorization}")
        stream.sendall("\r\n".join([*lines, "", ""]).encode("ascii"))
        status = status_line(stream)
        if status.split()[1:2] != ["200"]:
            raise OSError(f"the proxy said {printable(status)[:200]!r}")


def status_line(stream: TimedSocket) -> str:
    """The first line of what is answered, which is read to its end, and no further."""
    answer = b""
    while not answer.endswith(END):
        piece = stream.receive(1)
        if not piece or len(answer) > LONGEST_ANSWER:
            raise OSError("the proxy has not answered in HTTP")
        answer += piece
    return answer.partition(b"\r\n")[0].decode("latin-1")
