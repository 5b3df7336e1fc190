"""A connection to the broker: everything that is waited for has a limit.

The package `amqp` speaks the protocol; it is what Celery's messages go by. It would
wait for an answer for ever, and a broker that is just starting may give none while it
gives signs of life. So the socket has a limit, and so has each call: whatever does not
come in that time ends the connection.
"""

from __future__ import annotations

import math
import selectors
import socket
import ssl
import time
from collections.abc import Iterable
from importlib import import_module
from typing import Any

from cotality._kit.struck import is_of_a_signal
from cotality.jobs._jobs.errors.errors import StoreError

from .broker import Broker

CONNECT_S = 2.0  # until the broker has to have answered
ANSWER_S = 5.0
PART_S = 1.0  # until the rest of a frame has to have come
MOST_FRAMES = 1000  # that are read before something else is done
FAR = 2**31 - 1
# Copied to all nodes, and on the disk before it counts. How often a turn was given back
# says nothing: without a limit of this kind RabbitMQ 4 drops it after 20 times.
ARGUMENTS = {"x-queue-type": "quorum", "x-delivery-limit": FAR}


class Link:
    """A connection with one channel, of one thread at a time.

    Args:
        broker: To whom.
        heartbeat_s: Seconds between two signs of life; 0 for none.
        on_blocked: Called with whether the broker takes no messages now.

    Raises:
        OSError: Nobody is there, or not in time.
        amqp.exceptions.AMQPError: The broker refuses.
        StoreError: The package is missing that speaks to it.
    """

    def __init__(
        self, broker: Broker, *, heartbeat_s: int = 0, on_blocked: Any = None
    ) -> None:  # Any: a function of a bool
        amqp = speaks_amqp()

        def blocked(reason: str) -> None:
            if on_blocked is not None:
                on_blocked(True)

        def unblocked() -> None:
            if on_blocked is not None:
                on_blocked(False)

        self.connection: Any = amqp.Connection(  # Any: the package has no types
            f"{bracketed(broker.host)}:{broker.port}",
            userid=broker.user,
            password=broker.password,
            login_method="PLAIN",
            virtual_host=broker.vhost,
            ssl=tls_of(broker) if broker.is_tls else False,
            connect_timeout=CONNECT_S,
            heartbeat=heartbeat_s,
            on_blocked=blocked,
            on_unblocked=unblocked,
            client_properties={"connection_name": "cotality.jobs"},
        )
        self.until = math.inf  # until when something may be waited for
        self.read_frame: Any = self.connection.blocking_read  # Any: likewise
        self.connection.blocking_read = self.read_in_time
        try:
            self.ask(self.connection.connect)
            self.connection.sock.settimeout(ANSWER_S)
            # With this, each message that is published begins with a look for one from
            # the broker, which turns round and round while half a frame is there.
            told = self.connection.client_properties.get("capabilities", {})
            told.pop("connection.blocked", None)
            self.channel: Any = self.ask(self.connection.channel)  # Any: likewise
        except BaseException:
            self.cut()
            raise
        self.sock: socket.socket = self.connection.sock

    def ask(self, call: Any, *args: Any, **kwargs: Any) -> Any:  # Any: of the package
        """Make a *call* that waits for an answer.

        Raises:
            TimeoutError: None has come in time.
        """
        self.until = time.monotonic() + ANSWER_S
        try:
            return call(*args, **kwargs)
        finally:
            self.until = math.inf

    def read_in_time(self, timeout: float | None = None) -> Any:  # Any: likewise
        if time.monotonic() > self.until:
            raise TimeoutError(f"the broker has not answered for {ANSWER_S:g} s")
        return self.read_frame(timeout)

    def declare(self, name: str) -> None:
        """Make the queue *name*, unless it is there."""
        declare = self.channel.queue_declare
        try:
            self.ask(
                *(declare, name), durable=True, auto_delete=False, arguments=ARGUMENTS
            )
        except speaks_amqp().PreconditionFailed:
            # Somebody has made it anew, of another kind: it will do.
            self.ask(declare, name, passive=True)

    def wait(self, others: Iterable[socket.socket], seconds: float) -> bool:
        """Whether something has come before one of *others* had something to say."""
        if isinstance(self.sock, ssl.SSLSocket) and self.sock.pending():
            return True
        return wait_for(self.sock, others, seconds)

    def read(self) -> None:
        """Do what the messages say that have come, and not all of them at once."""
        for _ in range(MOST_FRAMES):
            if not self.wait((), 0.0):
                return
            try:
                self.read_frame(PART_S)
            except TimeoutError:
                return  # a part of something

    def beat(self) -> None:
        """Give a sign of life when it is time.

        Raises:
            amqp.exceptions.ConnectionForced: The broker gives none.
        """
        self.connection.heartbeat_tick()

    def close(self) -> None:
        """Say goodbye; whatever was not acknowledged goes back."""
        try:
            self.ask(self.connection.close)
        except Exception as error:
            self.cut()
            if is_of_a_signal(error):
                raise
            # Otherwise the broker is not there to hear it.

    def cut(self) -> None:
        """End it without a word."""
        self.connection.collect()


def wait_for(
    mine: socket.socket | None, others: Iterable[socket.socket], seconds: float
) -> bool:
    """Whether *mine* can be read; returns earlier if one of *others* can."""
    with selectors.DefaultSelector() as selector:
        for each in (*others, *(() if mine is None else (mine,))):
            selector.register(each, selectors.EVENT_READ)
        return any(key.fileobj is mine for key, _ in selector.select(seconds))


def speaks_amqp() -> Any:  # Any: a module without types
    try:
        return import_module("amqp")
    except ModuleNotFoundError as error:
        if error.name not in ("amqp", "vine"):
            raise
        raise StoreError(
            "engine='rabbitmq' speaks to the broker with amqp: "
            "pip install 'cotality[jobs-rabbitmq]'"
        ) from error


def bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def tls_of(broker: Broker) -> dict[str, object]:
    return {
        "cert_reqs": ssl.CERT_REQUIRED,
        "server_hostname": broker.host,
        "ca_certs": broker.files.get("cacertfile"),
        "certfile": broker.files.get("certfile"),
        "keyfile": broker.files.get("keyfile"),
    }
