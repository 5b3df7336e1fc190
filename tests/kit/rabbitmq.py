"""A RabbitMQ of the tests' own: on loopback, in a folder of its own.

It finds its own name by a little server (epmd), which it would leave running: it has
one of its own too, on another port, which ends with it.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.kit.limits import LONG_S, POLL_S
from tests.kit.postgres import free_port

PROGRAMS = (Path("/usr/lib/rabbitmq/bin"), Path("/usr/local/lib/rabbitmq/bin"))
# A program that ends with whoever has the other end of its standard input. What is sent
# to a whole group must not end the one who is to end the server.
STARTS = """
trap '' TERM HUP
exec 3<&0
(
    "$@" < /dev/null >> output 2>&1 &
    echo $! > "$0"
    cat <&3
    kill -9 $!
    wait
    rm "$0"
) > /dev/null 2>&1 &
"""
START_S = 240.0  # it takes some 5 s of a CPU, which others may have
SETTINGS = """
loopback_users = none
default_user = test
default_pass = test
vm_memory_high_watermark.absolute = 1GB
disk_free_limit.absolute = 1MB
log.console = false
"""


def programs() -> Path | None:
    """Where its programs are; None if there is none."""
    found = [each for each in PROGRAMS if (each / "rabbitmq-server").exists()]
    has_all = all(map(shutil.which, ("epmd", "erl_call")))
    return found[0] if found and has_all else None


class RabbitServer:
    """One that runs between `start` and `stop`; it keeps what it has meanwhile."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.names_port, self.own_port = free_port(), free_port()
        self.url = f"amqp://test:test@127.0.0.1:{self.port}//"
        self.name = f"tests{self.port}@localhost"
        self.running: list[tuple[Path, int]] = []
        (folder / "rabbitmq.conf").write_text(SETTINGS, "ascii")
        (folder / "plugins").write_text("[].", "ascii")
        self.variables = {
            **os.environ,
            "HOME": f"{folder}",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": f"{self.names_port}",
            "RABBITMQ_NODENAME": self.name,
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": f"{self.port}",
            "RABBITMQ_DIST_PORT": f"{self.own_port}",
            "RABBITMQ_MNESIA_BASE": f"{folder / 'data'}",
            "RABBITMQ_LOG_BASE": f"{folder / 'log'}",
            "RABBITMQ_CONF_ENV_FILE": f"{folder / 'none'}",
            "RABBITMQ_CONFIG_FILE": f"{folder / 'rabbitmq'}",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder / 'plugins'}",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +SDcpu 1:1 +SDio 2",
            # It need not be told to end well by a shell: its process is the server.
            "RUNNING_UNDER_SYSTEMD": "true",
        }

    def start(self) -> None:
        """Begin, and wait until it takes connections."""
        self.run("epmd", "-port", f"{self.names_port}")
        self.wait_for(self.names_port)
        folder = programs()
        assert folder is not None
        self.run(f"{folder / 'rabbitmq-server'}")
        self.wait_for(self.port)

    def run(self, *command: str) -> None:
        """Have a shell start it, and end it when this process says so, or has ended.

        It is no child of the tests, which look whether they have left one.
        """
        reader, writer = os.pipe()
        mark = self.folder / f"{len(self.running)}.pid"
        mark.unlink(missing_ok=True)
        subprocess.run(
            ["sh", "-c", STARTS, f"{mark}", *command],
            env=self.variables,
            cwd=self.folder,
            stdin=reader,
            check=True,
        )
        os.close(reader)
        self.running.append((mark, writer))

    def wait_for(self, port: int) -> None:
        end = time.monotonic() + START_S
        while not is_open(port):
            assert time.monotonic() < end, self.output()
            time.sleep(0.05)

    def output(self) -> str:
        return (self.folder / "output").read_text("utf-8", "replace")

    def call(self, function: str) -> str:
        """Have it call a function of its own, such as ``erlang node []``."""
        # What rabbitmqctl does too; but that takes a second of a CPU to begin.
        done = subprocess.run(
            [
                *("erl_call", "-name", self.name, "-a", function),
                *("-c", (self.folder / ".erlang.cookie").read_text("ascii")),
            ],
            env=self.variables,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LONG_S,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def allow_memory(self, count: int) -> None:
        """So many bytes; with more than that it takes no messages."""
        limit = f"[{{absolute,{count}}}]"
        self.call(f"vm_memory_monitor set_vm_memory_high_watermark {limit}")

    def stop(self) -> None:
        """End at once, as by a power cut; what is on the disk stays."""
        end = time.monotonic() + LONG_S
        while self.running:
            mark, writer = self.running.pop()
            os.close(writer)
            while mark.exists():
                assert time.monotonic() < end, mark.read_text("ascii")
                time.sleep(POLL_S)

    def forget(self) -> None:
        """Lose the disk."""
        shutil.rmtree(self.folder / "data", ignore_errors=True)


def is_open(port: int) -> bool:
    with socket.socket() as asked:
        asked.settimeout(1.0)
        return asked.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def rabbit_server() -> Iterator[RabbitServer]:
    """A server that runs, and is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="cotality-rabbit-"))
    server = RabbitServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        # What it has started ends a moment later, and may still write.
        shutil.rmtree(folder, ignore_errors=True)


# One for all tests of a run, whichever process they are in: to start one takes longer
# than most tests. A program of its own has it, and ends it when all processes that have
# asked for it have ended. If it ended between two tests, the second would wait for a
# new one.

ROOT = Path(__file__).parents[2]
LOOK_S = 0.2


def shared_rabbit() -> str:
    """The URL of a server that all tests share, until this process ends."""
    digest = hashlib.sha256(f"{ROOT}".encode()).hexdigest()[:8]
    folder = Path(tempfile.gettempdir()) / f"cotality-rabbit-{os.getuid()}-{digest}"
    me = folder / "users" / f"{os.getpid()}"
    while not is_joined(folder, me):
        pass  # the last one has just put out the light
    return (folder / "url").read_text("ascii")


def is_joined(folder: Path, me: Path) -> bool:
    me.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        if not (folder / "lock").exists():
            return False
        me.touch()
        if not is_kept(folder):
            start_keeper(folder)
        return True


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    import fcntl

    with (folder / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def is_kept(folder: Path) -> bool:
    """Whether a keeper lives: it has a lock, which ends with it."""
    import fcntl

    with (folder / "kept").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def start_keeper(folder: Path) -> None:
    (folder / "url").unlink(missing_ok=True)
    command = shlex.join([sys.executable, "-m", __name__, f"{folder}"])
    log = shlex.quote(f"{folder / 'log'}")
    # No child of the tests, which look whether they have left one.
    subprocess.run(
        ["sh", "-c", f"setsid {command} > {log} 2>&1 < /dev/null &"],
        cwd=ROOT,
        check=True,
    )
    end = time.monotonic() + START_S
    while not (folder / "url").exists():
        assert time.monotonic() < end, (folder / "log").read_text()
        time.sleep(LOOK_S)


def keep(folder: Path) -> None:
    """Have a server as long as a process that has asked for it is there."""
    import fcntl

    with (folder / "kept").open("a") as file, rabbit_server() as server:
        fcntl.flock(file, fcntl.LOCK_EX)
        (folder / "new-url").write_text(server.url, "ascii")
        (folder / "new-url").rename(folder / "url")
        while True:
            time.sleep(LOOK_S)
            with locked(folder):
                if not any(map(is_user, (folder / "users").iterdir())):
                    shutil.rmtree(folder)
                    return


def is_user(mark: Path) -> bool:
    if Path(f"/proc/{mark.name}").exists():
        return True
    mark.unlink(missing_ok=True)
    return False


if __name__ == "__main__":
    keep(Path(sys.argv[1]))
