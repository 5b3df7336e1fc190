"""Flows in whole programs: scripts, a Ctrl-C, what handlers print, the command line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

from cotality.flow import FlowClient
from tests.kit.helpers import environment_of_scripts, output_of, run_script, wait_until
from tests.kit.limits import LONG_S

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="Unix sockets"),
    pytest.mark.one_python,
]

SCRIPT = """
import asyncio, logging, sys
from dataclasses import dataclass
from cotality.flow import Flow, Step

logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
FACTOR = 3

@dataclass
class Item:
    number: int

@dataclass
class Result:
    item: Item
    value: int

class OwnError(Exception):
    pass

class Handler:
    def start(self):
        print("started")

    def handle(self, items):
        logging.info("handling %s", items)
        return [Result(item, item.number * FACTOR) for item in items]

def check(result):
    if result.value == 9:
        raise OwnError("nine")
    assert type(result) is Result
    return result

def say(what):
    # In one piece: print writes several, between which a worker's line may come.
    sys.stdout.write(f"{what}\\n")

with Flow(Step(Handler, batch_size=4), Step(check), Step(lambda it: it)) as flow:
    result = flow.call(Item(2))
    assert type(result) is Result and type(result.item) is Item
    try:
        flow.call(Item(3))
    except OwnError as error:
        say(f"raised {error}")

async def main():
    async with flow:
        say(await flow(Item(5)))

asyncio.run(main())
"""


def test_a_script_needs_no_guard(tmp_path: Path) -> None:
    """What it defines works in all steps, and is the same class when it comes back."""
    printed = run_script(SCRIPT, tmp_path)

    assert sorted(printed.splitlines()) == [
        "Result(item=Item(number=5), value=15)",
        "handling [Item(number=2)]",
        "handling [Item(number=3)]",
        "handling [Item(number=5)]",
        "raised nine",
        "started",
        "started",
    ]


WAITS = """
import signal, sys, time
from cotality.flow import Flow, Step

signal.signal(signal.SIGINT, signal.default_int_handler)

def wait(item):
    time.sleep(item)

with Flow(Step(wait)) as flow:
    status = flow.status()
    print(status.pid, *status.steps[0].pids, flush=True)
    flow.call(1000, timeout=None)
"""


def test_a_ctrl_c_ends_a_script_at_once(tmp_path: Path) -> None:
    """Though a handler still runs; nothing of it is left."""
    script = tmp_path / "script.py"
    script.write_text(WAITS, "utf-8")
    process = subprocess.Popen(
        [sys.executable, "-W", "error", str(script)],
        env=environment_of_scripts(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    family = [psutil.Process(int(pid)) for pid in process.stdout.readline().split()]
    process.send_signal(signal.SIGINT)
    _, complaint = process.communicate(timeout=LONG_S)

    assert process.returncode == -signal.SIGINT
    assert complaint.rstrip().endswith("KeyboardInterrupt")
    wait_until(lambda: not any(each.is_running() for each in family))


@pytest.fixture
def folder() -> Iterator[Path]:
    with TemporaryDirectory(prefix="flow-") as made:
        yield Path(made)


def test_the_command_line_serves_and_looks_after_a_flow(folder: Path) -> None:
    """All commands find the same one."""
    (folder / "shop.py").write_text(
        "from cotality.flow import Flow, Step\n"
        "from tests.flow.handlers import double\n"
        "def make():\n    return Flow(Step(double, workers=2))\n",
        "utf-8",
    )
    runtime = folder / "run"
    runtime.mkdir(mode=0o700)
    environment = environment_of_scripts() | {"XDG_RUNTIME_DIR": str(runtime)}
    command = [sys.executable, "-m", "cotality.flow"]
    server = subprocess.Popen(
        [*command, "serve", "shop:make"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )

    def run(*arguments: str) -> str:
        ended = subprocess.run(
            [*command, *arguments, "shop:make"],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=LONG_S,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    try:
        assert server.stdout is not None
        path = server.stdout.readline().removeprefix("serving at ").strip()
        client: FlowClient[int, int] = FlowClient(path)
        assert client.call(4) == 8
        before = client.status().steps[0].pids
        client.close()
        assert ["double", "2/2"] in [
            line.split()[:2] for line in run("status").split("\n")
        ]
        run("reload")
        assert not set(before) & set(client.status().steps[0].pids)
        client.close()
        assert 'cotality_flow_calls_total{outcome="value"} 1' in run("metrics")
        run("drain")
        assert server.wait(LONG_S) == 0
        assert not Path(path).exists()
        assert not Path(path).parent.exists()
    finally:
        server.kill()
        server.communicate()


def test_the_command_line_says_what_is_wrong(folder: Path) -> None:
    """In one line, and with another exit code."""
    environment = environment_of_scripts() | {"XDG_RUNTIME_DIR": str(folder)}
    for arguments, complaint in (
        (["serve", "os:sep"], "os:sep is not a Flow, and makes none: '/'"),
        (["serve", "os"], "a flow is given as module:name, such as"),
        (["serve", "no_such_module:flow"], "No module named 'no_such_module'"),
    ):
        ended = subprocess.run(
            [sys.executable, "-m", "cotality.flow", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=LONG_S,
        )
        assert ended.returncode == 1
        assert complaint in ended.stderr
        assert "Traceback" not in ended.stderr


def test_nothing_is_started_by_an_import() -> None:
    """And what is public can be had."""
    printed = output_of(
        [
            sys.executable,
            "-c",
            "import cotality.flow, sys, threading\n"
            "print(threading.active_count(), 'asyncio' in sys.modules)\n"
            "for name in cotality.flow.__all__: getattr(cotality.flow, name)\n"
            "print(threading.active_count())",
        ],
        Path(os.curdir),
    )
    assert printed.split() == ["1", "False", "1"]


def test_the_example_says_what_a_killed_worker_costs() -> None:
    """Every photo gets its label, but for those that the worker was at."""
    pytest.importorskip("numpy")
    program = (
        "from cotality.flow import examples\n"
        "examples.PHOTOS, examples.ROUNDS = 40, 4\n"
        "examples.main()\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env=environment_of_scripts(),
        capture_output=True,
        text=True,
        timeout=2 * LONG_S,
    )
    assert ended.returncode == 0, ended.stderr
    printed = ended.stdout.splitlines()
    assert [line.split()[0] for line in (printed[0], printed[2])] == ["160", "160"]
    assert printed[1] == "0 failed"
    words = printed[3].split()
    assert int(words[5]) <= 1
    assert words[6:] in (["failed"], ["failed", "WorkerCrashedError"])
    assert ["Classify", "1/1"] in [line.split()[:2] for line in printed]
