"""The commands of ``python -m cotality.flow``."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from shutil import get_terminal_size
from types import FrameType
from typing import Any, cast

from cotality._kit.command_line import CannotDoError, exit_code
from cotality._kit.named_thing import thing_named
from cotality._kit.safe_text import class_and_text
from cotality.core.hosting import LinkEnd
from cotality.core.utils.process import WorkerStartError
from cotality.flow._flow.errors.errors import FlowError
from cotality.flow._flow.flows.client import VARIABLE, FlowClient
from cotality.flow._flow.flows.flow import Flow
from cotality.flow._flow.keeping.keeper import Keeper
from cotality.flow._flow.router.hall import Doors

from .listener import Listener, default_path

DESCRIPTION = """\
Serve a flow to other programs of this user, and look after it.

  serve     serve the flow `name` of the module `module`, until SIGTERM or Ctrl-C
  status    how it is; with --watch again and again
  reload    replace its workers, each only when a new one is ready
  drain     take nothing more, do what was taken, and end
  stop      end; what waits fails
  metrics   its figures, as Prometheus reads them

`name` is a Flow, or a function that makes one. All commands find the socket by
the same module:name, or by --socket.
"""

CLEAR = "\x1b[H\x1b[2J\x1b[3J"  # a terminal


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what was asked for; the exit code."""
    given = parser().parse_args(arguments)
    return exit_code(lambda: given.do(given), FlowError, WorkerStartError)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m cotality.flow",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = made.add_subparsers(required=True, metavar="COMMAND")
    for name, do in COMMANDS.items():
        command = commands.add_parser(name, help=do.__doc__)
        command.set_defaults(do=do)
        command.add_argument(
            "flow", nargs=None if name == "serve" else "?", help="module:name"
        )
        command.add_argument("--socket", help="where it is served")
        if name in ("serve", "drain", "stop"):
            command.add_argument(
                "--grace", type=float, default=5.0, help="seconds (default 5)"
            )
        if name == "serve":
            command.add_argument(
                "--allow-uid",
                type=int,
                action="append",
                help="a user that may connect; may be given several times",
            )
        if name == "status":
            command.add_argument("--watch", action="store_true", help="do not end")
            command.add_argument(
                "--interval", type=float, default=1.0, help="seconds between two looks"
            )
        if name == "reload":
            command.add_argument("--step", help="the only one whose workers to replace")
    return made


Given = argparse.Namespace
Client = FlowClient[Any, Any]  # Any: nothing is sent
Order = Callable[[Client], Awaitable[object]]


def serve(given: Given) -> int:
    """Serve a flow."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    flow = flow_named(given.flow)
    listener = Listener(path_of(given).absolute())
    try:
        assert listener.end is not None
        uids = tuple(given.allow_uid or ()) or (os.getuid(),)
        keeper = Keeper(flow.plan(), Doors(LinkEnd(listener.end), None, uids))
        stop_on_signals(keeper, given.grace)
        threading.Thread(
            target=say_when_up, args=(keeper, listener.path), daemon=True
        ).start()
        keeper.run()
    finally:
        listener.remove()
    if keeper.failure is not None:
        raise CannotDoError(class_and_text(keeper.failure))
    return 0


def stop_on_signals(keeper: Keeper, grace: float) -> None:
    def stop(number: int, frame: FrameType | None) -> None:
        # Whoever asks a second time does not want to wait.
        keeper.stop(0.0 if keeper.is_stopping else grace)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


def say_when_up(keeper: Keeper, path: Path) -> None:
    try:
        keeper.wait_until_up(None)
    except Exception:
        return  # `serve` says it
    print(f"serving at {path}", flush=True)


def status(given: Given) -> int:
    """Say how it is."""
    client = client_of(given)
    while True:
        found = client.status()
        is_terminal = sys.stdout.isatty()
        text = found.text(get_terminal_size().columns if is_terminal else None)
        if not found.live:
            text += f" at {client.path}"
        if not given.watch:
            print(text)
            return 0 if found.ready else 1
        print(f"{CLEAR if is_terminal else ''}{text}", flush=True)
        time.sleep(given.interval)


def reload(given: Given) -> int:
    """Replace its workers."""
    return asked(given, lambda client: client.reload(given.step))


def drain(given: Given) -> int:
    """Let it end when all is done."""
    return asked(given, lambda client: client.drain(given.grace))


def stop(given: Given) -> int:
    """End it."""
    return asked(given, lambda client: client.stop(given.grace))


def metrics(given: Given) -> int:
    """Print its figures for Prometheus."""
    print(asyncio.run(with_client(given, lambda client: client.metrics())), end="")
    return 0


def asked(given: Given, order: Order) -> int:
    asyncio.run(with_client(given, order))
    return 0


async def with_client(given: Given, order: Order) -> object:
    async with client_of(given) as client:
        return await order(client)


COMMANDS = {
    "serve": serve,
    "status": status,
    "reload": reload,
    "drain": drain,
    "stop": stop,
    "metrics": metrics,
}


def client_of(given: Given) -> Client:
    return FlowClient(path_of(given))


def path_of(given: Given) -> Path:
    """Where the flow is served that is meant."""
    if given.socket:
        return Path(given.socket)
    if given.flow:
        return default_path(given.flow)
    if os.environ.get(VARIABLE):
        return Path(os.environ[VARIABLE])
    raise CannotDoError(
        f"say which flow: module:name, --socket PATH, or {VARIABLE} in the environment"
    )


def flow_named(text: str) -> Flow[Any, Any]:  # Any: of any type
    """The flow that ``module:name`` is, or makes."""
    thing = thing_named(text, "a flow", "service:flow")
    flow: Flow[Any, Any] | None = as_flow(thing)
    if flow is None and callable(thing):
        flow = as_flow(thing())
    if flow is None:
        raise CannotDoError(f"{text} is not a Flow, and makes none: {thing!r}")
    return flow


def as_flow(thing: object) -> Flow[Any, Any] | None:
    if not isinstance(thing, Flow):
        return None
    # pyright takes its types for unknown, and mypy for Any.
    return cast("Flow[Any, Any]", thing)  # type: ignore[redundant-cast]
