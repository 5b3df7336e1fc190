"""A server on this machine that takes its time: ``python server.py SECONDS``.

It runs in a process of its own, so that its work is not that of the clients' threads.
Prints the port it listens to, and ends when its input does.
"""

import asyncio
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

HOST = "127.0.0.1"


@contextmanager
def slow_server(seconds: float) -> Iterator[int]:
    """The port of a server that answers each request after *seconds*."""
    with subprocess.Popen(
        [sys.executable, __file__, f"{seconds}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield int(process.stdout.readline())
        process.stdin.close()


def request(port):
    """Ask, and wait for the whole answer."""
    with socket.create_connection((HOST, port)) as connection:
        connection.sendall(b"work\n")
        return connection.makefile("rb").read()


async def serve(seconds: float) -> None:
    async def answer(reader, writer):
        await reader.readline()
        await asyncio.sleep(seconds)
        writer.write(b"done")
        writer.close()

    server = await asyncio.start_server(answer, HOST, 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1])))
