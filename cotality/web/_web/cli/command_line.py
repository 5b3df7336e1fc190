"""The command ``python -m cotality.web``."""

from __future__ import annotations

import argparse
import errno
import os
import socket
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from cotality._kit.command_line import CannotDoError, exit_code
from cotality._kit.safe_text import printable

if TYPE_CHECKING:
    from pydantic import ValidationError

    from cotality.web._web.settings.settings import Settings

DESCRIPTION = """\
Serve heavy work over HTTP, with a page.

Everything can be set by the environment: COTALITY_WEB_ and the name of a setting in
capitals, such as COTALITY_WEB_API_KEYS. Without API keys this machine alone is served.
"""
EXTRA = "pip install cotality[web]"
# How long answers may take to leave after SIGTERM. All waiting requests are answered at
# once then, so only a client that reads nothing takes this long.
GRACE_S = 5
BACKLOG = 2048
# Each is an open file, of which most systems allow a process 1024.
MOST_CONNECTIONS = 800


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what was asked for; the exit code."""
    given = parser().parse_args(arguments)
    do = print_new_key if given.new_key else lambda: serve(given.host, given.port)
    return exit_code(do)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m cotality.web",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--host", help="the address to listen to; 127.0.0.1 by default")
    made.add_argument(
        "--port", type=int, help="the port; 8001 by default, 0 for a free one"
    )
    made.add_argument(
        "--new-key", action="store_true", help="make an API key, and say how to use it"
    )
    return made


def print_new_key() -> int:
    """Make a key that nobody has."""
    from cotality.web._web.guard.keys import new_key

    secret, digest = new_key()
    print(f"The key, which is shown only here:\n\n  {secret}\n")
    print("Where the service runs, under a name of yours:\n")
    print(f"  COTALITY_WEB_API_KEYS=somebody:{digest}\n")
    print("Who asks sends it:\n")
    print(f'  curl -H "X-API-Key: {secret}" http://...')
    return 0


def serve(host: str | None, port: int | None) -> int:
    """Serve until somebody ends it."""
    check_installed()
    settings = settings_with(host, port)
    check_host(settings)

    import uvicorn

    from cotality.web._web.app.create import create_app

    app = create_app(settings)
    with listening(settings.host, settings.port) as listener:
        say_where(settings, listener)
        config = uvicorn.Config(
            app,
            # What a proxy says about its client is believed by nobody here.
            proxy_headers=False,
            server_header=False,
            log_level="warning",
            timeout_graceful_shutdown=GRACE_S,
            limit_concurrency=MOST_CONNECTIONS,
        )
        server = uvicorn.Server(config)
        server.run(sockets=[listener])
    return 0 if server.started else 1


def check_installed() -> None:
    """See that there is what the service is made of."""
    for name in ("fastapi", "limits", "pydantic_settings", "sqlalchemy", "uvicorn"):
        try:
            import_module(name)
        except ImportError as error:
            raise CannotDoError(f"{error.name or name} is missing: {EXTRA}") from error


def settings_with(host: str | None, port: int | None) -> Settings:
    """What the environment says, and what was given on the command line instead."""
    from pydantic import ValidationError

    from cotality.web._web.settings.settings import Settings

    given: dict[str, object] = {"host": host, "port": port}
    said = {name: value for name, value in given.items() if value is not None}
    try:
        return Settings.model_validate(said)
    except ValidationError as error:
        raise CannotDoError("\n".join(faults_in(error, said))) from None


def faults_in(error: ValidationError, said: dict[str, object]) -> list[str]:
    """One line for each setting that cannot be."""
    lines: list[str] = []
    for fault in error.errors(include_url=False, include_input=False):
        name = ".".join(f"{part}" for part in fault["loc"])
        of_line = name in said
        called = f"--{name}" if of_line else f"COTALITY_WEB_{name.upper()}"
        text = fault["msg"].removeprefix("Value error, ")
        lines.append(printable(f"{called}: {text}" if name else text))
    return lines


def check_host(settings: Settings) -> None:
    """See that nobody is promised what he would not get."""
    from cotality.web._web.guard.peers import is_loopback

    host = settings.host
    if settings.api_keys or host == "localhost" or is_loopback(host):
        return
    raise CannotDoError(
        f"without API keys this machine alone is served, and {printable(host)} is an "
        f"address that others reach.\n"
        f"Either leave out --host, or make a key by python -m cotality.web --new-key "
        f"and put it into COTALITY_WEB_API_KEYS."
    )


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens there.

    Raises:
        CannotDoError: That is not possible; the text says why, and what to do.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        text = f"{printable(host)} is not an address of this machine: {error.strerror}"
        raise CannotDoError(text) from error
    made = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(BACKLOG)
    except OSError as error:
        made.close()
        raise CannotDoError(why_not(host, port, error)) from error
    return made


def why_not(host: str, port: int, error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return (
                f"port {port} of {printable(host)} is in use: another program listens "
                f"there, perhaps a service like this one. Take another port by --port, "
                f"or a free one by --port 0"
            )
        case errno.EACCES:
            return f"port {port} is not for everybody: take one above 1023 by --port"
        case errno.EADDRNOTAVAIL:
            return f"{printable(host)} is not an address of this machine"
        case _:
            return f"cannot listen to {printable(host)}, port {port}: {error.strerror}"


def say_where(settings: Settings, listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    whom = "for whoever has a key" if settings.api_keys else "for this machine alone"
    print(f"http://{shown}:{port}/ {whom}; Ctrl-C ends it", flush=True)
