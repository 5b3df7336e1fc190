"""The examples run on this machine, and what they print is true."""

import inspect
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from cotality.core.utils.process_examples import (
    failures,
    main,
    memory,
    resume,
    sources,
    unordered,
)
from cotality.core.utils.process_examples.command import EXAMPLES
from tests.kit.helpers import environment_of_scripts
from tests.kit.limits import GONE_S, LONG_S, POLL_S

ROOT = Path(__file__).parents[2]
MODULE = ["-m", "cotality.core.utils.process_examples"]
NAMES = [
    *("ordered", "io", "unordered", "streaming", "outcomes", "progress", "retries"),
    *("failures", "group", "report", "resume", "helpers"),
]
COLUMNS = 80  # of a plain terminal
# They show tracebacks, a report and paths as they are.
UNWRAPPED = ("failures", "outcomes", "report")
SCALE = 0.02  # of the usual input: every example then takes about a second


@pytest.fixture
def folder() -> Iterator[Path]:
    """A place for temporary files of examples; they leave it empty."""
    # Not tmp_path, which is too long for the name of a socket.
    with tempfile.TemporaryDirectory(prefix="ex") as name:
        yield Path(name)
        assert list(Path(name).iterdir()) == []


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    """An interpreter that runs *words*, in a session of its own."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", *words],
        cwd=folder,
        env={**environment_of_scripts(), "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    )


def ended(running: subprocess.Popen[str], folder: Path) -> tuple[int, str, str]:
    """The status of *running* and what it has printed; it leaves no process behind."""
    with running:
        try:
            printed, complaints = running.communicate(timeout=2 * LONG_S)
        finally:
            running.kill()
    wait_until_gone(folder)
    return running.returncode, printed, complaints


def wait_until_gone(folder: Path) -> None:
    """Fail unless all processes that were started with *folder* end by themselves."""
    end = time.monotonic() + GONE_S
    while left := processes_of(folder):
        assert time.monotonic() < end, left
        time.sleep(POLL_S)


def processes_of(folder: Path) -> list[str]:
    """The processes whose place for temporary files is *folder*."""
    found: list[str] = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("TMPDIR") == str(folder):
                found.append(f"{process}")
        except (psutil.Error, OSError):
            continue  # it has just ended, or is somebody else's
    return found


def output_of(folder: Path, name: str) -> str:
    """What the example *name* prints, on little input."""
    words = [*MODULE, "--only", name, "--scale", f"{SCALE}"]
    status, printed, complaints = ended(start(folder, *words), folder)
    assert (status, complaints) == (0, ""), printed + complaints
    assert "1 of 1 examples" in printed
    if name not in UNWRAPPED:
        assert [line for line in printed.splitlines() if len(line) > COLUMNS] == []
    assert re.search(r"^   Took [\d.]+ s\.$", printed, re.MULTILINE)
    return printed


def rows_of(printed: str) -> dict[str, tuple[int, bool]]:
    """How much each way did, and whether the line says how fast it was."""
    row = r"^   (\w[\w ,]*?) {2,}([\d,]+) \w+ +[\d.]+ s +[\d,]+/s( .*times as fast)?$"
    found = re.findall(row, printed, re.MULTILINE)
    return {way: (int(n.replace(",", "")), bool(fast)) for way, n, fast in found}


# What each example prints.


@pytest.mark.parametrize("name", NAMES)
def test_what_is_said_of_an_example_fits_a_terminal(name: str) -> None:
    """It is printed three columns from the left."""
    doc = inspect.getdoc(EXAMPLES[name]) or ""
    assert [line for line in doc.splitlines() if len(line) + 3 > COLUMNS] == []


def test_ordered_compares_processes_with_the_loop(folder: Path) -> None:
    """The results of the processes equal those of the loop, and both are timed."""
    printed = output_of(folder, "ordered")

    count = len(some_sources())
    assert rows_of(printed) == {
        "plain loop": (count, False),
        "processes": (count, True),
    }
    assert "Checked: the results equal those of the loop, in the same order." in printed


def test_io_compares_threads_with_the_loop(folder: Path) -> None:
    """The pages are as large as the loop found them, and both ways are timed."""
    printed = output_of(folder, "io")

    assert rows_of(printed) == {"plain loop": (10, False), "32 threads": (10, True)}
    assert "Checked: every page has the size that the loop found." in printed


def test_unordered_reports_ever_larger_modules(folder: Path) -> None:
    """The last module it reports is the largest of all."""
    printed = output_of(folder, "unordered")

    reported = re.findall(r" s +([\d,]+) nodes  (\S+)$", printed, re.MULTILINE)
    sizes = [int(size.replace(",", "")) for size, _ in reported]
    count = unordered.count_nodes
    largest = max(some_sources(), key=lambda source: count(source.content))
    assert sizes == sorted(sizes)
    assert (sizes[-1], reported[-1][1]) == (count(largest.content), largest.name)
    assert "Checked: every module came exactly once." in printed


def test_streaming_shows_the_memory_along_the_way(folder: Path) -> None:
    """It says how much memory is in use at each eighth, and how that changed."""
    printed = output_of(folder, "streaming")

    seen = re.findall(r"^ +([\d,]+) records stored", printed, re.MULTILINE)
    assert [int(n.replace(",", "")) for n in seen] == list(range(500, 4001, 500))
    if memory.memory_in_use() is not None:
        assert printed.count(" MB of memory in use ") == len(seen)
        assert re.search(r"to the last: [+-][\d.]+ MB; lists of all", printed)
    assert rows_of(printed) == {
        "plain loop, a tenth": (400, False),
        "processes": (4000, True),
    }
    assert "Checked: every record was in the file exactly once." in printed


def test_outcomes_names_the_slowest_and_the_one_that_fails(folder: Path) -> None:
    """Each outcome came, in order; the file that is no Python has its error."""
    printed = output_of(folder, "outcomes")

    assert re.search(r"^   not a module failed: Missing parentheses", printed, re.M)
    row = r"^ +[\d,]+ nodes +([\d.]+) ms, of which +[\d.]+ ms computing  \S+$"
    took = [float(ms) for ms in re.findall(row, printed, re.MULTILINE)]
    assert len(took) == 3
    assert took == sorted(took, reverse=True)
    assert "Checked: the outcomes came in the order of the tasks." in printed


def test_progress_ends_with_all_done(folder: Path) -> None:
    """Each line has more done than the one before, and the last has all."""
    printed = output_of(folder, "progress")

    seen = re.findall(r"^ +([\d,]+) of ([\d,]+), +[\d,]+/s$", printed, re.MULTILINE)
    done = [int(n.replace(",", "")) for n, _ in seen]
    assert 1 <= len(seen) <= 4
    assert done == sorted(set(done))
    assert seen[-1][0] == seen[-1][1]
    assert "with all tasks done, none in flight." in printed


def test_retries_shows_three_attempts(folder: Path) -> None:
    """Two are refused, and the third has the page."""
    printed = output_of(folder, "retries")

    refused = re.findall(
        r"^   attempt (\d): \S+: the server answered 503$", printed, re.M
    )
    assert refused == ["1", "2"]
    assert re.search(r"^   attempt 3: [\d,]+ bytes$", printed, re.MULTILINE)
    assert "Checked: every page was there at the third attempt." in printed


def test_group_names_every_failure(folder: Path) -> None:
    """Its message counts them, and each says which task it was."""
    printed = output_of(folder, "group")

    assert "3 of 5 tasks failed:" in printed
    assert re.findall(r"Raised by task (\d)", printed) == ["1", "3", "4"]


def test_report_writes_a_page_and_names_it(folder: Path) -> None:
    """It stays when the tour is over, and it is a whole page."""
    printed = output_of(folder, "report")

    (address,) = re.findall(r"^   The page: file://(\S+)$", printed, re.MULTILINE)
    page = Path(address)
    assert page.parent.samefile(folder)
    text = page.read_text("utf-8")
    page.unlink()
    assert text.startswith("<!doctype html>")
    assert text.rstrip().endswith("</html>")
    assert "nodes_in(" in printed
    assert "Checked: each task is in it once." in printed


def test_failures_shows_where_the_worker_was(folder: Path) -> None:
    """The traceback names the line of the worker, and one task fails at a time."""
    printed = output_of(folder, "failures")

    lines, first = inspect.getsourcelines(failures.port_number)
    (number,) = (first + i for i, line in enumerate(lines) if "int(text)" in line)
    traceback, _, after = printed.partition("Traceback")[2].partition("(c)")
    assert f'failures.py", line {number}, in port_number' in traceback
    assert "Raised by task 1: port_number('https')" in traceback
    assert printed.count("ValueError: invalid literal for int()") == 2
    assert "exit code 3" in after
    assert "WorkerCrashedError: " in after
    assert "TaskTimeoutError: " in after
    assert after.count("Checked: only that task failed.") == 2


def test_resume_runs_the_other_half(folder: Path) -> None:
    """What the first run has finished the second one does not run."""
    printed = output_of(folder, "resume")

    numbers = re.search(r"had finished (\d+) tasks, the second one ran (\d+)", printed)
    assert numbers is not None
    first, second = map(int, numbers.groups())
    assert first >= len(some_sources()) // 2
    assert first + second == len(some_sources())
    assert "Checked: no task ran twice." in printed
    assert "Checked: half of the results came from the journal." in printed


def test_helpers_explains_what_cannot_travel(folder: Path) -> None:
    """The place of the lock inside the settings is named."""
    printed = output_of(folder, "helpers")

    assert re.search(r"^   a lambda +yes +no$", printed, re.MULTILINE)
    assert re.search(r" no +no +\['config'\]\.lock is a _thread\.lock$", printed, re.M)


def some_sources() -> list[sources.Source]:
    return sources.some_of(sources.standard_library(), SCALE)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs_the_lines_it_shows(name: str) -> None:
    """Every line of code in the text of an example is a line of the example."""
    doc = inspect.getdoc(EXAMPLES[name]) or ""
    shown = [line.strip() for line in doc.splitlines() if line.startswith("    ")]
    source = inspect.getsource(EXAMPLES[name])
    if name == "failures":
        source += inspect.getsource(failures.show_outcomes)
    if name == "resume":
        source += inspect.getsource(resume.take)

    assert shown
    for line in shown:
        assert source.count(line) > doc.count(line), line


# The command.


def test_the_list_has_all_examples_in_the_order_of_the_tour(folder: Path) -> None:
    """``--list`` prints each name with what the example does."""
    status, printed, complaints = ended(start(folder, *MODULE, "--list"), folder)

    assert (status, complaints) == (0, "")
    assert [line.split()[0] for line in printed.splitlines()] == NAMES
    assert all(len(line.split()) > 3 for line in printed.splitlines())


def test_the_help_tells_all_there_is(folder: Path) -> None:
    """``--help`` names each option and each example."""
    status, printed, complaints = ended(start(folder, *MODULE, "--help"), folder)

    assert (status, complaints) == (0, "")
    for word in ["--only", "--list", "--scale", *NAMES]:
        assert word in printed


def test_a_wrong_name_is_refused_with_the_known_ones(folder: Path) -> None:
    """The message names the wrong one, one that is close, and all; the status is 2."""
    words = [*MODULE, "--only", "helpers", "--only", "orderd"]
    status, printed, complaints = ended(start(folder, *words), folder)

    assert (status, printed) == (2, "")
    assert "there is no example 'orderd'. Did you mean 'ordered'?" in complaints
    assert f"The examples are: {', '.join(NAMES)}." in complaints


@pytest.mark.parametrize("scale", ["0", "-1", "nan", "inf", "much"])
def test_a_scale_that_is_no_size_is_refused(
    scale: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message says what a scale is; the status is 2."""
    with pytest.raises(SystemExit) as ending:
        main([f"--scale={scale}"])

    assert ending.value.code == 2
    assert f"must be a number above 0, got '{scale}'" in capsys.readouterr().err


def test_examples_run_once_each_and_in_the_order_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """``--only`` may be given several times."""
    words = ["--only", "helpers", "--only", "io", "--only", "helpers"]
    status = main([*words, "--scale", f"{SCALE}"])

    titles = re.findall(r"^(\w+): .*\n-+$", capsys.readouterr().out, re.MULTILINE)
    assert (status, titles) == (0, ["helpers", "io"])


@pytest.mark.skipif(
    not (ROOT / "process_examples.py").is_file(), reason="only in a checkout"
)
def test_the_script_of_the_checkout_runs_the_same_examples(folder: Path) -> None:
    """``python process_examples.py`` is the same command."""
    script = str(ROOT / "process_examples.py")
    words = [script, "--only", "ordered", "--scale", f"{SCALE}"]
    status, printed, complaints = ended(start(folder, *words), folder)

    assert (status, complaints) == (0, "")
    assert "Checked: the results equal those of the loop" in printed


# What can go wrong.


def folder_is(folder: Path) -> Callable[[str], str]:
    """What `sysconfig.get_path` would be if *folder* held the standard library."""

    def get_path(name: str) -> str:
        return str(folder)

    return get_path


def test_a_machine_without_sources_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Examples without their input are left out, the others run, the status is 1."""
    zipped = tmp_path / "python.zip"
    monkeypatch.setattr(sources, "get_path", folder_is(zipped))
    status = main(["--only", "ordered", "--only", "helpers"])

    printed = " ".join(capsys.readouterr().out.split())
    assert status == 1
    assert "Left out: it needs the source files of the standard library" in printed
    assert repr(str(zipped)) in printed
    assert "1 of 2 examples" in printed


def test_tests_packages_and_unreadable_files_are_no_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left are the modules of the library that can be read."""
    for name in ("a.py", "p/b.py", "p/test/c.py", "site-packages/d.py", "e.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("pass", "utf-8")
    try:
        (tmp_path / "gone.py").symlink_to(tmp_path / "nowhere")
    except OSError:  # Windows wants a privilege for it
        pass
    monkeypatch.setattr(sources, "get_path", folder_is(tmp_path))

    names = [source.name for source in sources.standard_library()]
    assert names == ["a.py", "p/b.py"]


def test_a_module_of_another_python_spoils_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that cannot be parsed is counted, and hashed as it is."""
    (tmp_path / "good.py").write_text("pass", "utf-8")
    (tmp_path / "old.py").write_text("print 'hello'", "utf-8")
    monkeypatch.setattr(sources, "get_path", folder_is(tmp_path))
    status = main(["--only", "ordered", "--only", "unordered"])

    printed = capsys.readouterr().out
    assert status == 0
    assert "This Python could not parse 1 of them." in printed


def test_a_system_that_hides_its_memory_is_no_obstacle(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The records are stored all the same, and it says that it cannot tell."""
    monkeypatch.setattr(memory, "memory_in_use", lambda: None)
    status = main(["--only", "streaming", "--scale", "0.005"])

    printed = capsys.readouterr().out
    assert status == 0
    assert "This system does not tell how much memory is in use" in printed
    assert "Checked: every record was in the file exactly once." in printed


@pytest.mark.skipif(sys.platform == "win32", reason="has nothing like it")
def test_without_proc_the_peak_memory_is_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the system tells only the most memory there ever was, that is said."""

    def hidden(self: Path, encoding: str) -> str:
        raise FileNotFoundError(self)

    now = memory.memory_in_use()
    monkeypatch.setattr(Path, "read_text", hidden)
    peak = memory.memory_in_use()

    assert now is not None
    assert peak is not None
    assert peak[1] == "at most so far"
    assert peak[0] > 1e6


@pytest.mark.one_python  # what Ctrl-C does to calls is tested on each
@pytest.mark.skipif(sys.platform == "win32", reason="has no process groups")
@pytest.mark.parametrize(
    ("name", "sign"),
    [
        ("ordered", "execute_tasks"),
        ("io", "execute_tasks"),
        ("unordered", "nodes  "),
        ("streaming", "records stored"),
        ("outcomes", "iter_outcomes"),
        ("retries", "iter_outcomes"),
        ("failures", "(d)"),
    ],
)
def test_ctrl_c_ends_the_tour_at_once(folder: Path, name: str, sign: str) -> None:
    """One line is printed, the status is 130, and nothing is left running."""
    # The signal may fall into a walk through folders, which Python then leaves open.
    quiet = ["-W", "ignore::ResourceWarning"]
    words = [*quiet, *MODULE, "--only", name, "--only", "helpers"]
    running = start(folder, *words)
    assert running.stdout is not None
    for line in running.stdout:
        if sign in line:
            break
    os.killpg(running.pid, signal.SIGINT)
    status, printed, complaints = ended(running, folder)

    assert (status, complaints) == (130, "\nInterrupted.\n")
    assert "helpers: " not in printed


@pytest.mark.skipif(sys.platform == "win32", reason="closed pipes differ")
def test_a_reader_that_has_seen_enough_ends_the_tour(folder: Path) -> None:
    """Nothing is said about the pipe that was closed."""
    running = start(folder, *MODULE, "--only", "unordered", "--only", "failures")
    assert running.stdout is not None
    assert running.stderr is not None
    with running.stderr:
        with running.stdout:
            running.stdout.readline()
        complaints = running.stderr.read()

    assert (running.wait(LONG_S), complaints) == (0, "")
    wait_until_gone(folder)
