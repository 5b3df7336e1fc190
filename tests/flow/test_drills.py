"""What happens to a flow behind a socket, and to its clients, when something dies.

Two web workers are two processes with 32 callers each.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import pytest

from cotality.flow import (
    ConnectionLostError,
    Flow,
    FlowClient,
    FlowError,
    FlowServer,
    QueueFullError,
    Step,
)
from cotality.flow._flow.wire.frames import HEAD, VERSION, Kind, frame
from tests.flow import handlers
from tests.flow.handlers import notes, wait_for_notes
from tests.flow.limits import patient as patient  # for all tests of this file
from tests.kit.helpers import environment_of_scripts, wait_until
from tests.kit.limits import LONG_S, POLL_S

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="Unix sockets"),
    pytest.mark.one_python,
]

CALLERS = 32


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where sockets are; their paths have to be short."""
    with TemporaryDirectory(prefix="flow-") as made:
        yield Path(made)


@pytest.fixture
def obeying(tmp_path: Path, folder: Path) -> Iterator[FlowServer[Any, Any]]:
    """A server whose handler does as it is told, on two workers."""
    flow = Flow(Step(handlers.Obeys(str(tmp_path)), workers=2))
    with FlowServer.serve(flow, folder / "own" / "s") as server:
        yield server


class WebWorker:
    """A process that sends items."""

    def __init__(self, server: FlowServer[Any, Any], orders: Any, callers: int) -> None:
        command = [sys.executable, "-m", "tests.flow.web_worker", str(server.path)]
        self.process = subprocess.Popen(
            [*command, str(callers), json.dumps(orders)],
            env=environment_of_scripts(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def results(self) -> Any:
        """What came of its items, once it has all."""
        output, _ = self.process.communicate(timeout=2 * LONG_S)
        assert self.process.returncode == 0
        return json.loads(output)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@contextmanager
def web_workers(
    server: FlowServer[Any, Any], *orders: Any, callers: int = CALLERS
) -> Iterator[list[WebWorker]]:
    with ExitStack() as stack:
        workers = [WebWorker(server, each, callers) for each in orders]
        for worker in workers:
            stack.callback(worker.kill)
        yield workers


def of_two(server: FlowServer[Any, Any], orders: list[Any]) -> list[Any]:
    """The results of *orders*, of which two web workers send half each."""
    half = len(orders) // 2
    with web_workers(server, orders[:half], orders[half:]) as workers:
        return [result for worker in workers for result in worker.results()]


def kinds_of(results: list[Any]) -> Counter[str]:
    return Counter(
        result.partition(":")[0] if isinstance(result, str) else "value"
        for result in results
    )


# Handlers that fail, and workers that die.


def test_one_item_of_a_hundred_raises(obeying: FlowServer[Any, Any]) -> None:
    """99 results and one error of the handler's own; the service goes on."""
    orders: list[Any] = [["return", number] for number in range(100)]
    orders[37] = ["raise", "broken"]
    results = of_two(obeying, orders)

    assert results.pop(37) == "ValueError: broken"
    assert results == [number for number in range(100) if number != 37]
    assert obeying.client().status().steps[0].restarts == 0


def test_ten_items_of_a_thousand_end_their_worker(
    obeying: FlowServer[Any, Any], tmp_path: Path
) -> None:
    """10 errors, 990 results, 10 new workers, and no item is handled twice."""
    orders: list[Any] = [["return", number] for number in range(1000)]
    for number in range(50, 1000, 100):
        orders[number] = ["exit", number % 256]
    results = of_two(obeying, orders)

    assert kinds_of(results) == {"value": 990, "WorkerCrashedError": 10}
    assert "WorkerCrashedError" in results[150]
    assert "exit code 150" in results[150]
    handled = Counter(notes(tmp_path))
    assert len(handled) <= 1000
    assert sum(handled.values()) == 1000
    wait_until(lambda: obeying.client().status().steps[0].restarts == 10)
    wait_until(lambda: obeying.client().status().steps[0].ready == 2)


def test_a_worker_is_killed_under_load(tmp_path: Path, folder: Path) -> None:
    """At most one batch fails, and all that comes later is answered."""
    flow = Flow(Step(handlers.Obeys(str(tmp_path)), batch_size=8, workers=2))
    with FlowServer.serve(flow, folder / "own" / "s") as server:
        with web_workers(server, 0, 0) as workers:
            for _ in range(3):
                wait_for_notes(tmp_path, len(notes(tmp_path)) + 200)
                found = server.client().status().steps[0]
                os.kill(found.pids[0], signal.SIGKILL)
                wait_until(
                    lambda pid=found.pids[0]: (  # type: ignore[misc]
                        pid not in server.client().status().steps[0].pids
                    )
                )
            counts = Counter[str]()
            for worker in workers:
                counts += Counter(worker.results())
        assert counts["1"] > 600
        assert counts.keys() <= {"1", "WorkerCrashedError"}
        assert counts["WorkerCrashedError"] <= 3 * 8
        results = of_two(server, [["return", number] for number in range(1000)])
        assert results == list(range(1000))


def test_the_router_is_killed(obeying: FlowServer[Any, Any], tmp_path: Path) -> None:
    """All that is on its way fails at once; clients find the next router themselves."""
    client = obeying.client()
    orders: list[Any] = [["wait", str(tmp_path / "gate")]] * 2
    orders += [["return", "never"]] * (CALLERS - 2)
    with web_workers(obeying, orders, [["return", "never"]] * CALLERS) as workers:
        wait_for_notes(tmp_path, 2)
        wait_until(lambda: client.status().in_flight == 2 * CALLERS)
        router = client.status().pid
        os.kill(router, signal.SIGKILL)
        results = [result for worker in workers for result in worker.results()]
        assert kinds_of(results) == {"ConnectionLostError": 2 * CALLERS}
    assert client.call(("return", 5), timeout=LONG_S) == 5
    assert client.status().pid != router
    numbers: list[Any] = [["return", number] for number in range(1000)]
    assert of_two(obeying, numbers) == list(range(1000))
    assert not [note for note in notes(tmp_path) if "never" in note]
    client.close()


def test_a_handler_that_hangs_is_ended(tmp_path: Path, folder: Path) -> None:
    """Its item fails with the limit; others go on, on a new worker too."""
    flow = Flow(Step(handlers.Obeys(str(tmp_path)), timeout=0.5, workers=2))
    with FlowServer.serve(flow, folder / "own" / "s") as server:
        orders: list[Any] = [["return", number] for number in range(100)]
        orders[20] = orders[70] = ["sleep", 3 * LONG_S]
        results = of_two(server, orders)
    assert kinds_of(results) == {"value": 98, "TaskTimeoutError": 2}


# What nobody waits for any more.


def test_items_whose_time_is_up_are_not_handled(
    obeying: FlowServer[Any, Any], tmp_path: Path
) -> None:
    """Behind one that takes long they fail while that goes on."""
    gate = tmp_path / "gate"
    long: list[Any] = [["wait", str(gate)]] * 2
    late = {"items": [["return", "never"]] * CALLERS, "timeout": 0.3}
    with web_workers(obeying, long, late, late) as (slow, *workers):
        wait_for_notes(tmp_path, 2)
        client = obeying.client()
        wait_until(
            lambda: client.status().outcomes["deadline"] == 2 * CALLERS  # not yet over
        )
        assert client.status().in_flight == 2
        assert kinds_of([each for worker in workers for each in worker.results()]) == {
            "DeadlineError": 2 * CALLERS
        }
        gate.touch()
        assert slow.results() == [str(gate)] * 2
        assert client.call(("return", 1)) == 1
        client.close()
    assert not [note for note in notes(tmp_path) if "never" in note]


def test_half_of_what_waits_is_cancelled(
    obeying: FlowServer[Any, Any], tmp_path: Path
) -> None:
    """Handlers see just the other half."""
    gate = tmp_path / "gate"
    names = [f"{number}" for number in range(100)]
    items = [["return", name] for name in names]
    client = obeying.client()
    with (
        web_workers(
            obeying,
            [["wait", str(gate)]] * 2,
            {"items": items[:50]},
            {"items": items[50:]},
        ) as (slow, *workers),
        ThreadPoolExecutor() as threads,
    ):
        wait_for_notes(tmp_path, 2)
        wait_until(lambda: client.status().in_flight == 102)
        ended = [threads.submit(worker.results) for worker in workers]
        wait_until(lambda: client.status().in_flight == 52)
        assert client.status().outcomes["cancelled"] == 50
        gate.touch()
        results = [each for one in ended for each in one.result(LONG_S)]
        assert slow.results() == [str(gate)] * 2
    client.close()
    assert results[::2] == ["CancelledError"] * 50
    assert results[1::2] == names[1::2]
    handled = [note.removeprefix("return:") for note in notes(tmp_path)[2:]]
    assert sorted(handled) == sorted(names[1::2])


# Clients that die or do not keep to the format.


def test_a_web_worker_is_killed(obeying: FlowServer[Any, Any], tmp_path: Path) -> None:
    """Its items leave; another web worker does not notice."""
    gate = tmp_path / "gate"
    waiting: list[Any] = [["wait", str(gate)]] * 2 + [["return", "never"]] * 98
    client = obeying.client()
    with web_workers(obeying, waiting, callers=100) as (dying,):
        wait_for_notes(tmp_path, 2)
        wait_until(lambda: client.status().in_flight == 100)
        dying.kill()
        wait_until(lambda: client.status().in_flight == 0)
        assert client.status().outcomes["cancelled"] == 100
        gate.touch()
        results = of_two(obeying, [["return", number] for number in range(100)])
    assert results == list(range(100))
    assert not [note for note in notes(tmp_path) if "never" in note]
    client.close()


def test_what_is_no_frame_closes_its_connection_alone(
    obeying: FlowServer[Any, Any],
) -> None:
    """Garbage, a wrong version, a length without bounds, a call before a greeting."""
    hello = frame(Kind.HELLO)
    bad = [
        b"GET / HTTP/1.1\r\n\r\n        ",
        bytes([VERSION + 1]) + hello[1:],
        HEAD.pack(VERSION, Kind.HELLO, 0, 0, 2**31, 0, 0.0, 0),
        hello + HEAD.pack(VERSION, Kind.CALL, 0, 0, 2**31, 1, 0.0, 256),
        hello + HEAD.pack(VERSION, 99, 0, 0, 0, 1, 0.0, 0),
        hello + frame(Kind.CALL, b"x", serial=1, number=256 + 77),
        frame(Kind.CALL, b"x", serial=1, number=256),
    ]
    client = obeying.client()
    router = psutil.Process(client.status().pid)
    before = router.memory_info().rss
    for data in bad:
        with socket.socket(socket.AF_UNIX) as end:
            end.settimeout(LONG_S)
            end.connect(str(obeying.path))
            end.sendall(data)
            while end.recv(4096):
                pass  # until it is closed
    with socket.socket(socket.AF_UNIX) as half:
        half.connect(str(obeying.path))
        half.sendall(hello[:10])
        assert client.status().live
        assert client.call(("return", 1)) == 1
    assert router.memory_info().rss < before + 50_000_000
    assert client.status().pid == router.pid
    client.close()


def test_nobody_else_may_connect(obeying: FlowServer[Any, Any], folder: Path) -> None:
    """The socket is its user's alone; the router asks for the user id besides."""
    found = obeying.path.stat()
    assert stat.S_IMODE(found.st_mode) == 0o600
    assert stat.S_IMODE(obeying.path.parent.stat().st_mode) == 0o700

    flow = Flow(Step(handlers.same))
    others = FlowServer.serve(
        flow, folder / "others" / "s", allow_uids=(os.getuid() + 1,)
    )
    with others, pytest.raises(ConnectionLostError):
        others.client().call(1, timeout=0.5)


def test_a_socket_is_not_taken_from_another_server(
    obeying: FlowServer[Any, Any], folder: Path
) -> None:
    """Nor is one made where others could put theirs; what is left behind is."""
    with pytest.raises(FlowError, match="is served at"):
        FlowServer.serve(Flow(Step(handlers.same)), obeying.path)
    open_folder = folder / "open"
    open_folder.mkdir()
    open_folder.chmod(0o755)
    with pytest.raises(PermissionError, match="nobody else may enter"):
        FlowServer.serve(Flow(Step(handlers.same)), open_folder / "s")
    left = folder / "left"
    left.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(str(left / "s"))
    with FlowServer.serve(Flow(Step(handlers.same)), left / "s") as server:
        assert server.client().call(1) == 1


# Too much at once.


def test_twenty_thousand_calls_at_once(folder: Path) -> None:
    """Each has one answer, a result or a refusal, and the router stays small."""

    async def run(client: FlowClient[int, int]) -> Counter[str]:
        async with client:
            await client(0)
            router = psutil.Process((await client.status_async()).pid)
            before = router.memory_info().rss
            calls = [client(number, timeout=LONG_S) for number in range(20_000)]
            results = await asyncio.gather(*calls, return_exceptions=True)
            assert router.memory_info().rss < before + 50_000_000
            kinds = Counter[str]()
            for number, result in enumerate(results):
                if isinstance(result, BaseException):
                    assert type(result) is QueueFullError
                    kinds["full"] += 1
                else:
                    assert result == 2 * number
                    kinds["value"] += 1
            return kinds

    flow = Flow(Step(handlers.double), queue_size=1024)
    with FlowServer.serve(flow, folder / "own" / "s") as server:
        kinds = asyncio.run(run(server.client()))
        outcomes = server.client().status().outcomes
    assert sum(kinds.values()) == 20_000
    assert kinds["value"] >= 512
    assert outcomes["full"] == kinds["full"]


def test_one_connection_leaves_half_of_the_room_to_others(
    tmp_path: Path, folder: Path
) -> None:
    """However much it sends; and each has its answers in the end."""

    async def fill(client: FlowClient[Any, Any]) -> list[asyncio.Future[Any]]:
        calls = [
            asyncio.ensure_future(client(("return", number), timeout=LONG_S))
            for number in range(30)
        ]
        end = time.monotonic() + LONG_S
        while sum(call.done() for call in calls) < 20:
            assert time.monotonic() < end
            await asyncio.sleep(POLL_S)
        return calls

    async def run(server: FlowServer[Any, Any]) -> None:
        gate = tmp_path / "gate"
        async with server.client() as first, server.client() as second:
            blocked = asyncio.ensure_future(first(("wait", str(gate)), timeout=None))
            await asyncio.to_thread(wait_for_notes, tmp_path, 1)
            calls = [*await fill(first), *await fill(second)]
            assert (await first.status_async()).waiting == 20
            gate.touch()
            await blocked
            results = await asyncio.gather(*calls, return_exceptions=True)
            assert Counter(map(type, results)) == {int: 20, QueueFullError: 40}

    flow = Flow(Step(handlers.Obeys(str(tmp_path))), queue_size=20)
    with FlowServer.serve(flow, folder / "own" / "s") as server:
        asyncio.run(run(server))


# Drain and reload.


def test_reload_and_drain_under_load(obeying: FlowServer[Any, Any]) -> None:
    """Neither costs one that was accepted an error."""

    async def control(drain: bool) -> None:
        async with obeying.client() as client:
            if drain:
                await client.drain(grace=LONG_S)
            else:
                await client.reload()

    client = obeying.client()
    with web_workers(obeying, 0, 0) as workers:
        wait_until(lambda: client.status().outcomes["value"] > 200)
        pids = set(client.status().steps[0].pids)
        asyncio.run(control(drain=False))
        assert not pids & set(client.status().steps[0].pids)
        asyncio.run(control(drain=True))
        counts = Counter[str]()
        for worker in workers:
            counts += Counter(worker.results())
    client.close()
    assert counts["1"] > 200
    assert counts.keys() <= {"1", "FlowStoppedError", "ConnectionLostError"}
    wait_until(lambda: not psutil.pid_exists(obeying.pid) or is_zombie(obeying.pid))


def is_zombie(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


# The end of all.


@pytest.mark.parametrize("which", ["program", "supervisor", "router"])
def test_nothing_is_left_when_one_of_them_is_killed(
    which: str, folder: Path, tmp_path: Path
) -> None:
    """Workers end with the router, the router with the server, and that with us."""
    script = tmp_path / "serves.py"
    script.write_text(SERVES, "utf-8")
    process = subprocess.Popen(
        [sys.executable, str(script), str(folder / "own" / "s"), str(tmp_path)],
        env=environment_of_scripts(),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        supervisor = int(process.stdout.readline())
        client: FlowClient[Any, Any] = FlowClient(folder / "own" / "s")
        status = client.status()
        family = psutil.Process(process.pid).children(recursive=True)
        workers = [psutil.Process(pid) for pid in status.steps[0].pids]
        victim = {"program": process.pid, "supervisor": supervisor}.get(
            which, status.pid
        )
        os.kill(victim, signal.SIGKILL)
        gone = workers if which == "router" else [*family, *workers]
        if which == "supervisor":
            gone = [each for each in gone if supervisor in pids_above(each)]
        wait_until(lambda: not any(is_there(each) for each in gone))
        if which == "router":
            wait_until(lambda: client.status().ready)
        client.close()
    finally:
        process.kill()
        process.communicate()
    wait_until(lambda: not any(is_there(each) for each in family))


def test_a_server_whose_keeper_is_killed_is_over_until_it_is_served_again(
    folder: Path, tmp_path: Path
) -> None:
    """Nobody starts it again, and its clients are told; they find the next one."""
    path = folder / "own" / "s"
    server = FlowServer.serve(Flow(Step(handlers.Obeys(str(tmp_path)))), path)
    client = server.client()
    orders: list[Any] = [["wait", str(tmp_path / "gate")]] + [["return", 1]] * 31
    try:
        with web_workers(server, orders) as (worker,):
            wait_until(lambda: client.status().in_flight == CALLERS)
            os.kill(server.pid, signal.SIGKILL)
            assert kinds_of(worker.results()) == {"ConnectionLostError": CALLERS}
        with pytest.raises(ConnectionLostError, match="nobody serves a flow"):
            client.call(("return", 1), timeout=0.1)
        assert not client.status().live
    finally:
        server.stop()
    assert not path.exists()
    with FlowServer.serve(Flow(Step(handlers.same)), path):
        assert client.call(("return", 2)) == ("return", 2)
    client.close()


SERVES = """
import sys, time
from cotality.flow import Flow, FlowServer, Step
from tests.flow.handlers import Obeys

server = FlowServer.serve(Flow(Step(Obeys(sys.argv[2]), workers=2)), sys.argv[1])
print(server.pid, flush=True)
time.sleep(1000)
"""


def pids_above(process: psutil.Process) -> set[int]:
    try:
        return {process.pid, *(each.pid for each in process.parents())}
    except psutil.NoSuchProcess:
        return set()


def is_there(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_forks_have_connections_of_their_own(obeying: FlowServer[Any, Any]) -> None:
    """A client that was used before a fork works after it, on both sides."""
    client = obeying.client()
    assert client.call(("return", 1)) == 1
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.write(writer, struct.pack("=i", client.call(("return", 2))))
        finally:
            os._exit(0)
    assert client.call(("return", 3)) == 3
    assert struct.unpack("=i", os.read(reader, 4)) == (2,)
    os.waitpid(pid, 0)
    os.close(reader)
    os.close(writer)
    client.close()


def test_a_web_client_that_hangs_up_takes_its_item_with_it(tmp_path: Path) -> None:
    """With the middleware, what a request waits for is cancelled."""
    from cotality.flow.asgi import CancelOnDisconnect

    async def run() -> None:
        gate = tmp_path / "gate"
        async with Flow(Step(handlers.Obeys(str(tmp_path)))) as flow:
            blocked = asyncio.ensure_future(flow(("wait", str(gate)), timeout=None))
            await asyncio.to_thread(wait_for_notes, tmp_path, 1)
            hung_up = asyncio.Event()
            sent: list[Any] = []

            async def app(scope: Any, receive: Any, send: Any) -> None:
                assert (await receive())["type"] == "http.request"
                await send({"result": await flow(("return", "never"))})

            async def receive() -> dict[str, Any]:
                if not sent_request:
                    sent_request.append(True)
                    return {"type": "http.request", "body": b""}
                await hung_up.wait()
                return {"type": "http.disconnect"}

            async def send(message: Any) -> None:
                sent.append(message)

            sent_request: list[bool] = []
            request = asyncio.ensure_future(
                CancelOnDisconnect(app)({"type": "http"}, receive, send)
            )
            end = time.monotonic() + LONG_S
            while (await flow.status_async()).in_flight < 2:
                assert time.monotonic() < end
                await asyncio.sleep(POLL_S)
            hung_up.set()
            await request
            assert not sent
            while (await flow.status_async()).in_flight > 1:
                assert time.monotonic() < end
                await asyncio.sleep(POLL_S)
            gate.touch()
            await blocked
        assert not [note for note in notes(tmp_path) if "never" in note]

    asyncio.run(run())
