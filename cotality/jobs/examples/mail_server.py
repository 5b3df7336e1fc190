"""A mail server on loopback that is busy at first; what it takes is kept in a list."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager

BUSY_MAILS = 2  # that are refused at first


class MailServer(socketserver.ThreadingTCPServer):
    """Speaks as much of SMTP (RFC 5321) as `smtplib` needs."""

    lock: threading.Lock
    refused: int

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        self.lock = threading.Lock()
        self.refused = 0
        self.taken: list[str] = []  # the text of each mail

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self.server_address[1]
        return port

    def answer(self, mail: str) -> str:
        """What is said to somebody who sends *mail*."""
        with self.lock:
            if self.refused < BUSY_MAILS:
                self.refused += 1
                return "451 busy, try again later"
            self.taken.append(mail)
            return "250 taken"


class Conversation(socketserver.StreamRequestHandler):
    """One client."""

    def handle(self) -> None:
        """Answer each line, and take the mail after ``DATA``."""
        self.say("220 the shop's mail server")
        for line in self.lines():
            match line.split(" ")[0].upper():
                case "DATA":
                    self.say("354 end with a dot")
                    self.say(self.taken_by.answer("\n".join(self.mail())))
                case "QUIT":
                    self.say("221 bye")
                    return
                case "EHLO" | "HELO" | "MAIL" | "RCPT" | "RSET" | "NOOP":
                    self.say("250 fine")
                case _:
                    self.say("502 not known here")

    @property
    def taken_by(self) -> MailServer:
        """The server that this is a part of."""
        assert isinstance(self.server, MailServer)
        return self.server

    def lines(self) -> Iterator[str]:
        """What the client says, until it hangs up."""
        while line := self.rfile.readline():
            yield line.decode("utf-8", "replace").rstrip("\r\n")

    def mail(self) -> Iterator[str]:
        """The lines of a mail, which ends with a dot."""
        for line in self.lines():
            if line == ".":
                return
            yield line.removeprefix(".") if line.startswith("..") else line

    def say(self, text: str) -> None:
        """Answer with a line."""
        self.wfile.write(f"{text}\r\n".encode())


@contextmanager
def mail_server() -> Generator[MailServer]:
    """A server that runs meanwhile."""
    with MailServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.05], daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
