"""Ctrl-C ends the tour of examples with one line and status 130, whenever it comes."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cotality.core.utils.process_examples import server
from cotality.core.utils.process_examples.server import fetch, web_server
from tests.kit.helpers import environment_of_scripts
from tests.kit.limits import LONG_S

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="no program can press Ctrl-C there"
)

# A program with a tour of its own, which presses Ctrl-C at one moment.
PROGRAM = """
import atexit, os, signal, sys, threading, time, weakref
from cotality.core.utils.process_examples.ctrl_c import run_as_program

def press():
    os.kill(os.getpid(), signal.SIGINT)

class Thing:
    pass

def load():
    {load}
    return tour

def tour():
    {tour}
    return 0

sys.exit(run_as_program(load))
"""
IDLE = f"time.sleep({LONG_S})"


def ended(source: str, folder: Path) -> tuple[int, str, str]:
    """What becomes of a program: its status, what it prints and its complaints."""
    (folder / "program.py").write_text(source, "utf-8")
    done = subprocess.run(
        # Not as a script, which hides that Python may end by the signal after all.
        [sys.executable, "-W", "error", "-m", "program"],
        cwd=folder,
        env=environment_of_scripts(),
        capture_output=True,
        encoding="utf-8",
        timeout=2 * LONG_S,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("load", "tour"),
    [
        pytest.param("press()", "", id="while modules are imported"),
        pytest.param("", "press()", id="in the tour"),
        pytest.param("", "exec('press()')", id="in a text that is executed"),
        pytest.param(
            "",
            f"thing = Thing(); seen = weakref.ref(thing, lambda _: press());"
            f" del thing; {IDLE}",
            id="where Python loses it",
        ),
        pytest.param("", "atexit.register(press)", id="while the interpreter ends"),
        pytest.param(
            "",
            "threading._register_atexit(press)",
            id="while the interpreter waits for threads",
        ),
        pytest.param(
            "",
            f"try: press(); {IDLE}\n    finally: press(); {IDLE}",
            id="again while all is ended",
        ),
        pytest.param(
            "", "atexit.register(press); press()", id="again after the one line"
        ),
    ],
)
def test_one_line_is_printed_and_the_status_is_130(
    load: str, tour: str, tmp_path: Path
) -> None:
    """Whatever the program is just doing; there is no traceback."""
    source = PROGRAM.format(load=load or "pass", tour=tour or "pass")

    assert ended(source, tmp_path) == (130, "", "\nInterrupted.\n")


def test_what_was_begun_is_ended_before_the_line_is_printed(
    tmp_path: Path,
) -> None:
    """Ctrl-C is raised in the tour, so that it leaves its blocks as it should."""
    tour = f"try: press(); {IDLE}\n    finally: os.write(2, b'ended')"

    assert ended(PROGRAM.format(load="pass", tour=tour), tmp_path) == (
        *(130, ""),
        "ended\nInterrupted.\n",
    )


def test_where_ctrl_c_is_ignored_it_stays_so(tmp_path: Path) -> None:
    """As behind ``nohup``: the tour goes on to its end."""
    source = PROGRAM.format(load="press()", tour="press()")
    ignored = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"

    assert ended(ignored + source, tmp_path) == (0, "", "")


def test_another_lost_exception_is_shown_as_always(tmp_path: Path) -> None:
    """Only Ctrl-C is raised again."""
    lose = "thing = Thing(); seen = weakref.ref(thing, lambda _: 1 / 0); del thing"
    status, printed, complaints = ended(
        PROGRAM.format(load="pass", tour=lose), tmp_path
    )

    assert (status, printed) == (0, "")
    assert "ZeroDivisionError" in complaints


# The server of two examples. What it leaves behind a fixture would see.


def test_a_client_that_says_nothing_does_not_keep_the_server(tmp_path: Path) -> None:
    """As one that Ctrl-C has struck between its connection and its request."""
    (tmp_path / "page").write_text("text", "utf-8")
    with web_server(tmp_path) as port:
        silent = socket.create_connection(("127.0.0.1", port), LONG_S)
        assert fetch(port, "page") == 4  # so the silent one, before it, is served

    with silent:
        assert silent.recv(1) == b""


@pytest.mark.parametrize("is_alive", [True, False], ids=["running", "not seen to run"])
def test_ctrl_c_while_the_server_starts_leaves_no_server(
    is_alive: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is over, whether its thread is known to run already or not."""
    may_run = threading.Event()

    class Struck(threading.Thread):
        def start(self) -> None:
            super().start()
            raise KeyboardInterrupt

        def run(self) -> None:
            if not is_alive:
                may_run.wait(LONG_S)
            super().run()

        def is_alive(self) -> bool:
            return is_alive and super().is_alive()

    monkeypatch.setattr(server.threading, "Thread", Struck)
    with pytest.raises(KeyboardInterrupt), web_server(tmp_path):
        pass
    may_run.set()


def test_a_tour_within_a_program_says_so_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """``main`` returns 130 after Ctrl-C, and changes no handler of the program."""
    from cotality.core.utils.process_examples import command

    def struck(scale: float) -> None:
        signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setitem(command.EXAMPLES, "io", struck)

    assert command.main(["--only", "io", "--only", "helpers"]) == 130
    assert signal.getsignal(signal.SIGINT) is before
    seen = capsys.readouterr()
    assert seen.err == "\nInterrupted.\n"
    assert "helpers: " not in seen.out
