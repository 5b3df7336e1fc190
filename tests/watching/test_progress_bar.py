"""What a person sees with ``progress=True``: in a terminal, a notebook, a log file."""

from __future__ import annotations

import io
import json
import re
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from cotality.core.utils._process.engine.observers import Start
from cotality.core.utils._process.progress.bar import Bar
from cotality.core.utils._process.progress.display_tqdm import TqdmFace
from cotality.core.utils._process.progress.sentence import duration, pace
from cotality.core.utils._process.tasks.outcome import Settled
from cotality.core.utils.process import Progress, Task, execute_tasks_in_parallel
from tests.kit.helpers import Gate, Marks, echo, run_script, wait_until
from tests.kit.limits import LONG_S, POLL_S
from tests.kit.programs import Program

# What a terminal shows is the same on every Python.
pytestmark = pytest.mark.one_python

needs_a_terminal = pytest.mark.skipif(
    sys.platform == "win32", reason="no pseudo-terminal to open"
)

# A program in a terminal of 100 columns, where some libraries are not installed. Its
# tasks wait for the gate, so that a bar has time to appear.
BEGIN = """
import importlib.abc, logging
class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing!r}: raise ImportError(name)
sys.meta_path.insert(0, Missing())
os.environ.pop("CI", None)
os.environ.update({{"TERM": "xterm", "COLUMNS": "100"}} | {environment!r})
def waiting(gate, count=1): return [Task(gate.wait)] * count
def run(tasks, **options):
    return execute_tasks_in_parallel(tasks, 1, progress=True, **options)
"""
FACES = {"rich": [], "tqdm": ["rich"], "plain": ["rich", "tqdm"]}
CURSOR = re.compile(r"\x1b\[\?25([hl])")
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture(params=FACES)
def missing(request: pytest.FixtureRequest) -> list[str]:
    """The libraries that are not there."""
    return FACES[request.param]


def program(
    source: str, folder: Path, missing: list[str], *, terminal: bool = True, **more: str
) -> Program:
    begin = BEGIN.format(missing=missing, environment=more)
    return Program(begin + source, folder, terminal=terminal)


def wait_for(program: Program, text: str) -> None:
    """Return once *program* has printed *text*."""
    end = time.monotonic() + LONG_S
    while text not in plain(program.output.decode(errors="replace")):
        assert time.monotonic() < end, f"no {text!r} in {program.output!r}"
        time.sleep(POLL_S)


def times_in(program: Program) -> set[str]:
    """The times so far that the bar of *program* has shown."""
    shown = plain(program.output.decode(errors="replace"))
    return set(re.findall(r"([\d.]+ m?s) so far", shown))


def plain(text: str) -> str:
    return ESCAPES.sub("", text)


def last_line(text: str) -> str:
    """What is to be read in the last line of *text*, which has to be complete."""
    shown = plain(text)
    assert shown.endswith("\n")
    return shown.rstrip("\n").rpartition("\n")[2].rpartition("\r")[2].rstrip()


def cursor_is_shown(text: str) -> bool:
    return (CURSOR.findall(text) or ["h"])[-1] == "h"


# In a terminal.


@needs_a_terminal
def test_a_bar_stands_while_tasks_run(
    missing: list[str], gate: Gate, tmp_path: Path
) -> None:
    """It says how many are done; in the end the last state stays to be read."""
    with program("run(waiting(gate, 3))", tmp_path, missing) as running:
        wait_for(running, "0/3 tasks")
        gate.open()
        assert running.exit_code() == 0
        printed = running.printed()

    assert "3 tasks in" in last_line(printed)
    assert cursor_is_shown(printed)


@needs_a_terminal
def test_the_clock_of_a_bar_goes_on_while_nothing_comes_back(
    missing: list[str], gate: Gate, tmp_path: Path
) -> None:
    """A bar never stands still for long: otherwise people think that it hangs."""
    with program("run(waiting(gate))", tmp_path, missing) as running:
        wait_until(lambda: len(times_in(running)) >= 3)
        gate.open()
        assert running.exit_code() == 0


@needs_a_terminal
def test_a_bar_of_an_input_without_a_length_says_what_is_done(
    missing: list[str], gate: Gate, tmp_path: Path
) -> None:
    """It has no share to show until the end."""
    with program("run(task for task in waiting(gate, 3))", tmp_path, missing) as it:
        wait_for(it, "0 tasks")
        gate.open()
        assert it.exit_code() == 0
        assert "3 tasks in" in last_line(it.printed())


@needs_a_terminal
def test_a_failure_leaves_the_bar_above_its_traceback(
    missing: list[str], gate: Gate, tmp_path: Path
) -> None:
    """The last state is shown, and the traceback begins in a line of its own."""
    source = "run([*waiting(gate), Task(fail_freshly), Task(pid)])"
    with program(source, tmp_path, missing) as running:
        wait_for(running, "0/3 tasks")
        gate.open()
        assert running.exit_code() == 1
        bar, found, _ = running.printed().partition("Traceback (most")

    assert found
    assert "1 failed" in last_line(bar)
    assert "stopped early" in last_line(bar)
    assert cursor_is_shown(bar)


@needs_a_terminal
def test_ctrl_c_leaves_the_terminal_as_it_was(
    missing: list[str], tmp_path: Path
) -> None:
    """The last state is shown, the cursor too, and the traceback comes below."""
    source = "execute_tasks_in_parallel(waiting(gate, 3), 1, True, progress=True)"
    with program(source, tmp_path, missing) as running:
        wait_for(running, "0/3 tasks")
        running.look()
        running.press_ctrl_c()
        assert running.exit_code() == -signal.SIGINT
        assert running.left_over() == []
        bar, found, _ = running.printed().partition("Traceback (most")

    assert found
    assert "stopped early" in last_line(bar)
    assert cursor_is_shown(bar)


@needs_a_terminal
def test_leaving_a_stream_takes_its_bar_down(
    missing: list[str], gate: Gate, tmp_path: Path
) -> None:
    """What is printed after a break comes below the bar."""
    source = (
        "tasks = [Task(pid), *waiting(gate, 50)]\n"
        "for _ in execute_tasks_in_parallel_streaming(tasks, 1, progress=True):\n"
        "    if _[0] == 1: break\n"
        "print('after')\n"
        "print(type(sys.stdout).__name__, threading.active_count())"
    )
    with program(source, tmp_path, missing) as running:
        wait_for(running, "1/51 tasks")
        gate.open()
        assert running.exit_code() == 0
        bar, _, after = running.printed().partition("after\n")

    assert "stopped early" in last_line(bar)
    assert after == "TextIOWrapper 1\n"


@needs_a_terminal
def test_a_short_call_has_a_line_and_no_bar(tmp_path: Path) -> None:
    """What draws bars is not even imported for it."""
    source = "run([Task(pid)] * 3)\nprint({'rich', 'tqdm'} & sys.modules.keys())"
    with program(source, tmp_path, []) as running:
        assert running.exit_code() == 0
        line, rest = running.printed().splitlines()

    assert line.startswith("progress: 3 tasks in")
    assert rest == "set()"


@needs_a_terminal
def test_two_calls_at_once_can_both_be_followed(
    missing: list[str], gate: Gate, tmp_path: Path
) -> None:
    """None of them fails for the other; the last to end is the last to be seen."""
    source = (
        "first = Gate(Path('first.gate'))\n"
        "calls = [threading.Thread(target=run, args=(waiting(which, count),))\n"
        "         for which, count in ((first, 4), (gate, 5))]\n"
        "for call in calls: call.start()\n"
        "for call in calls: call.join()\n"
        "print('both', type(sys.stdout).__name__, threading.active_count())"
    )
    with program(source, tmp_path, missing) as running:
        wait_for(running, "/4 tasks" if missing != FACES["plain"] else "tasks")
        wait_for(running, "/5 tasks" if missing != FACES["plain"] else "tasks")
        Gate(tmp_path / "first.gate").open()
        gate.open()
        assert running.exit_code() == 0
        bars, _, rest = running.printed().rpartition("both")

    assert " tasks in" in last_line(bars)
    assert cursor_is_shown(bars)
    assert rest == " TextIOWrapper 1\n"


@needs_a_terminal
def test_a_call_within_a_call_leaves_the_outer_bar(
    missing: list[str], gate: Gate, tmp_path: Path
) -> None:
    """Many short calls within one that has a bar do not each leave a line."""
    source = (
        "def inner(): run([Task(pid)] * 7)\nrun([*waiting(gate), *[Task(inner)] * 20])"
    )
    with program(source, tmp_path, missing) as running:
        wait_for(running, "0/21 tasks")
        gate.open()
        assert running.exit_code() == 0
        printed = plain(running.printed())

    assert "7 tasks" not in printed
    assert "21 tasks in" in last_line(printed)


@needs_a_terminal
def test_prints_stand_above_a_bar_of_rich(gate: Gate, tmp_path: Path) -> None:
    """A line that is printed meanwhile is a line of its own."""
    source = (
        "def say(): print('hello from a task'); gate.wait()\n"
        "run([*waiting(Gate(Path('first.gate'))), Task(say)])"
    )
    with program(source, tmp_path, []) as running:
        wait_for(running, "0/2 tasks")
        Gate(tmp_path / "first.gate").open()
        wait_for(running, "1/2 tasks")
        gate.open()
        assert running.exit_code() == 0
        printed = plain(running.printed())

    assert re.search(r"[\r\n]hello from a task\n", printed)


@needs_a_terminal
def test_what_goes_to_a_file_is_not_caught_by_a_bar(gate: Gate, tmp_path: Path) -> None:
    """With ``program > file`` prints are in the file, and the bar in the terminal."""
    source = (
        "sys.stdout = open('out.txt', 'w')\n"
        "def say(): print('for the file', flush=True); gate.wait()\n"
        "run([*waiting(Gate(Path('first.gate'))), Task(say)])"
    )
    with program(source, tmp_path, []) as running:
        wait_for(running, "0/2 tasks")
        Gate(tmp_path / "first.gate").open()
        wait_for(running, "1/2 tasks")
        gate.open()
        assert running.exit_code() == 0
        assert "for the file" not in running.printed()

    assert (tmp_path / "out.txt").read_text() == "for the file\n"


@needs_a_terminal
def test_a_display_of_rich_that_stands_already_is_left_alone(
    gate: Gate, tmp_path: Path
) -> None:
    """The user's own has the terminal; our line is printed above it."""
    source = (
        "from rich.progress import track\n"
        "for _ in track(range(1), 'outer'): run(waiting(gate, 3))"
    )
    with program(source, tmp_path, []) as running:
        wait_for(running, "outer")
        gate.open()
        assert running.exit_code() == 0
        printed = plain(running.printed())

    assert re.search(r"[\r\n]progress: 3 tasks in [^\r\n]*\n", printed)


@needs_a_terminal
def test_a_bar_stands_below_one_of_tqdm(gate: Gate, tmp_path: Path) -> None:
    """In a loop over a bar of tqdm ours is one of tqdm too, though rich is there."""
    source = (
        "from tqdm import tqdm\n"
        "tqdm.monitor_interval = 0\n"
        "for _ in tqdm(range(1)): run(waiting(gate, 3))\n"
        "print('rich' in sys.modules)"
    )
    with program(source, tmp_path, []) as running:
        wait_for(running, "0/3 tasks")
        gate.open()
        assert running.exit_code() == 0
        assert running.printed().endswith("False\n")


# Where nothing can be rewritten.


@needs_a_terminal
@pytest.mark.parametrize(
    "environment", [{"TERM": "dumb"}, {"CI": "true"}], ids=["dumb", "ci"]
)
def test_a_terminal_that_cannot_rewrite_lines_gets_whole_ones(
    environment: dict[str, str], missing: list[str], tmp_path: Path
) -> None:
    """No carriage return and no escape code, in a simple terminal and in CI."""
    source = "run([Task(pid)] * 3)"
    with program(source, tmp_path, missing, **environment) as running:
        assert running.exit_code() == 0
        check_is_one_line(running.printed())


def test_a_pipe_gets_whole_lines(missing: list[str], tmp_path: Path) -> None:
    """No carriage return and no escape code, also if colours are asked for."""
    source = "run([Task(pid)] * 3)"
    with program(source, tmp_path, missing, terminal=False, FORCE_COLOR="1") as running:
        assert running.exit_code() == 0
        check_is_one_line(running.printed())


def check_is_one_line(printed: str) -> None:
    assert printed.count("\n") == 1
    assert printed.startswith("progress: 3 tasks in")
    assert re.search(r"[\r\x1b]", printed) is None


class Clock:
    """A clock that stands still until it is set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_log_gets_a_line_every_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """And one at the end."""
    log, clock = io.StringIO(), Clock()
    monkeypatch.setattr(sys, "stderr", log)
    bar = Bar(clock)
    bar.began(Start(4200, 2, "threads", 0.0))
    for tenth in range(1, 421):
        clock.now = tenth / 10
        bar.settled(Settled(0, [None] * 10, {}))
    bar.ended(None)

    assert log.getvalue().splitlines() == [
        "progress: 1,000/4,200 tasks, 100/s, 10 s so far, 32 s left",
        "progress: 2,000/4,200 tasks, 100/s, 20 s so far, 22 s left",
        "progress: 3,000/4,200 tasks, 100/s, 30 s so far, 12 s left",
        "progress: 4,000/4,200 tasks, 100/s, 40 s so far, 2.0 s left",
        "progress: 4,200 tasks in 42 s, 100/s",
    ]


def test_a_bar_that_cannot_be_written_ends_nothing(
    use_processes: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """When standard error is closed, the tasks go on, and a record says why."""
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    tasks = [Task(echo, {"value": value}) for value in range(3)]

    assert execute_tasks_in_parallel(tasks, 2, use_processes, progress=True) == [
        0,
        1,
        2,
    ]
    assert "the bar of progress=True has failed" in caplog.text


def test_without_standard_error_there_is_no_bar(
    use_processes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a program with windows and no console."""
    monkeypatch.setattr(sys, "stderr", None)
    tasks = [Task(echo, {"value": value}) for value in range(3)]

    assert execute_tasks_in_parallel(tasks, 2, use_processes, progress=True) == [
        0,
        1,
        2,
    ]


def call_inside(marks: Marks) -> list[int]:
    """A call in a worker: with a bar, and with a callback that leaves a mark."""
    tasks = [Task(echo, {"value": value}) for value in range(3)]
    execute_tasks_in_parallel(
        tasks, 1, progress=lambda progress: marks.leave(progress.done)
    )
    return execute_tasks_in_parallel(tasks, 1, progress=True)


def test_a_worker_process_shows_no_bar(
    marks: Marks, capfd: pytest.CaptureFixture[str]
) -> None:
    """Several would write over each other there; a callback works as anywhere."""
    task = Task(call_inside, {"marks": marks})
    assert execute_tasks_in_parallel([task], 1, use_processes=True) == [[0, 1, 2]]

    assert marks.names() >= {"0", "3"}
    assert "tasks in" not in capfd.readouterr().err


# In a notebook.


# The shell of a kernel, with what it would send to the browser put on a list.
NOTEBOOK = """
import io, json, sys
from types import SimpleNamespace
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from cotality.core.utils._process.engine.observers import Start
from cotality.core.utils._process.tasks.outcome import Settled
from cotality.core.utils._process.progress.bar import Bar
from cotality.core.utils._process.progress.display_tqdm import TqdmFace

shell = InteractiveShell.instance()
shell.kernel, shell.display_pub = SimpleNamespace(), CapturingDisplayPublisher()
OutStream = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})
sys.stderr, stderr = OutStream(), sys.stderr
now = 0.0
bar = Bar(lambda: now)
bar.began(Start(40, 2, "threads", now))
for now in 1.0, 2.0, 3.0, 4.0:
    bar.settled(Settled(0, [None] * 10, {}))
bar.ended(None)
sys.stderr, written = stderr, sys.stderr.getvalue()
print(json.dumps([shell.display_pub.outputs, written]))
"""


def test_a_notebook_has_one_output_that_is_replaced(tmp_path: Path) -> None:
    """As text for those who show text and as the browser's own bar; no escape code."""
    pytest.importorskip("IPython")
    outputs, written = json.loads(run_script(NOTEBOOK, tmp_path))
    texts = [output["data"]["text/plain"] for output in outputs]

    assert texts[0] == "10/40 tasks, 10/s, 1.0 s so far, 3.0 s left"
    assert texts[-1] == "40 tasks in 4.0 s, 10/s"
    assert [output["update"] for output in outputs] == [False, True, True, True, True]
    assert len({output["transient"]["display_id"] for output in outputs}) == 1
    html = '<progress value="10" max="40"></progress>'
    assert outputs[0]["data"]["text/html"].startswith(html)
    assert written == ""


# In words.


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0 s"),
        (0.0004, "0 s"),
        (0.042, "42.0 ms"),
        (3.14, "3.1 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "60 s"),
        (128.2, "2 min 8 s"),
        (3599.6, "1 h 0 min"),
        (90061, "25 h 1 min"),
    ],
)
def test_durations_have_the_figures_that_matter(seconds: float, words: str) -> None:
    """Two or three of them, and the unit."""
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("rate", "words"),
    [
        (12345.6, "12,346/s"),
        (9.96, "10/s"),
        (2.5, "2.5/s"),
        (0.5, "30/min"),
        (1e-3, "3.6/h"),
    ],
)
def test_a_pace_has_a_unit_that_suits_it(rate: float, words: str) -> None:
    """Slow work is counted by the minute or by the hour."""
    assert pace(rate) == words


def test_a_snapshot_cannot_be_changed() -> None:
    """It says what was, to whomever it is handed on."""
    seen: list[Progress] = []
    execute_tasks_in_parallel([Task(threading.get_ident)], progress=seen.append)

    with pytest.raises(AttributeError):
        seen[0].done = 5  # type: ignore[misc]


def test_two_bars_of_tqdm_that_end_at_once_leave_one_to_be_read() -> None:
    """However their ends mix, the last line is whole and says what was done."""
    end = Progress(5, 5, 0, 0, 0, 9.6, 0.52, None, True)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(300):
            stream, together = io.StringIO(), threading.Barrier(2)
            faces = [TqdmFace(stream), TqdmFace(stream)]
            for face in faces:
                face.show(end)

            def close(face: TqdmFace, together: threading.Barrier = together) -> None:
                together.wait(LONG_S)
                face.close(end)

            closers = [threading.Thread(target=close, args=(face,)) for face in faces]
            for closer in closers:
                closer.start()
            for closer in closers:
                closer.join(LONG_S)
            assert "5 tasks in" in last_line(stream.getvalue())
    finally:
        sys.setswitchinterval(interval)
