"""``python -m cotality.tuning``: what a person types and reads."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from cotality.tuning import Plan
from tests.kit.helpers import environment_of_scripts
from tests.kit.limits import LONG_S

# It starts a program for each case.
pytestmark = pytest.mark.one_python

WORK = """
def double(number):
    return 2 * number

def add(a, b=1):
    return a + b

def pick(number):
    if number == 3:
        raise ValueError("three")
    return {1} if number == 4 else number

class Group:
    @staticmethod
    def half(number):
        return number / 2
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Path:
    (tmp_path / "work.py").write_text(WORK)
    (tmp_path / "data.jsonl").write_text("".join(f"{n}\n" for n in range(1, 21)))
    return tmp_path


def command(
    folder: Path, *arguments: str, given: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cotality.tuning", *arguments],
        cwd=folder,
        env=environment_of_scripts(),
        input=given,
        capture_output=True,
        text=True,
        timeout=LONG_S,
        check=False,
    )


def test_explain_says_how_and_why(folder: Path) -> None:
    """As text."""
    done = command(folder, "explain", "work:double", "--data", "data.jsonl")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Run 20 items in a plain loop")
    assert "Why: " in done.stdout


def test_explain_prints_and_keeps_a_plan(folder: Path) -> None:
    """As JSON, and in a file that run takes."""
    options = ("work:double", "--data", "data.jsonl")

    done = command(folder, "explain", *options, "--json", "--save", "plan.json")
    again = command(folder, "run", *options, "--plan", "plan.json")

    plan = Plan.load(folder / "plan.json")
    assert json.loads(done.stdout) == plan.to_dict()
    assert plan.total == 20
    assert again.returncode == 0
    assert len(again.stdout.splitlines()) == 20


@pytest.mark.parametrize("executor", ["sequential", "threads", "processes", "auto"])
def test_run_writes_a_line_for_each_item(folder: Path, executor: str) -> None:
    """In the order of the data."""
    options = ("--data", "data.jsonl", "--executor", executor, "--output", "out.jsonl")

    done = command(folder, "run", "work:double", *options)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    lines = (folder / "out.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"index": n, "result": 2 * (n + 1)} for n in range(20)
    ]


def test_an_item_that_fails_has_a_line_that_says_why(folder: Path) -> None:
    """All others have their results, and the command ends with 1."""
    done = command(folder, "run", "work:pick", "--data", "-", given="1\n\n3\n4\n5\n")

    assert done.returncode == 1
    one, three, four, five = map(json.loads, done.stdout.splitlines())
    assert (one["result"], five["result"]) == (1, 5)
    assert three == {"index": 1, "error": "ValueError: three"}
    assert "not JSON serializable" in four["error"]


def test_items_may_be_unpacked(folder: Path) -> None:
    """Lists by position, objects by name; and the function may be inside a class."""
    given = '[1, 2]\n{"a": 5}\n'

    done = command(folder, "run", "work:add", "--data", "-", "--unpack", given=given)
    inside = command(folder, "run", "work:Group.half", "--data", "-", given="5")

    results = [json.loads(line)["result"] for line in done.stdout.splitlines()]
    assert results == [3, 6]
    assert json.loads(inside.stdout)["result"] == 2.5


def test_bench_compares_four_ways(folder: Path) -> None:
    """As a table with bars, as JSON, and as a picture."""
    options = ("work:double", "--data", "data.jsonl", "--rounds", "1", "--limit", "5")

    text = command(folder, "bench", *options, "--picture", "four.svg")
    found = command(folder, "bench", *options, "--json")

    head, *lines = text.stdout.splitlines()
    assert head == "work:double, 5 items, median of 1"
    assert [line.split()[0] for line in lines] == [
        "loop",
        "threads",
        "processes",
        "auto",
    ]
    assert all(line.rstrip().endswith("#") for line in lines)
    assert set(json.loads(found.stdout)) == {"loop", "threads", "processes", "auto"}
    picture = ElementTree.parse(folder / "four.svg").getroot()
    texts = [each.text for each in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[0] == head
    assert "processes" in texts


def test_bench_says_what_cannot_be_done_one_way(folder: Path) -> None:
    """The others are compared all the same."""
    done = command(
        folder, "bench", "work:pick", "--data", "-", "--rounds", "1", given="1\n4\n3\n"
    )

    assert done.returncode == 1
    assert done.stdout.count("ValueError: three") == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "work", "--data", "-"), "given as module:name, such as math:sqrt"),
        (
            ("run", "nothing:at", "--data", "-"),
            "No module named 'nothing'. It was",
        ),
        (("run", "work:nothing", "--data", "-"), "work has no 'nothing'"),
        (("run", "work:__name__", "--data", "-"), "work:__name__ is not a function"),
        (("run", "work:double", "--data", "none"), "there is no file 'none'"),
        (
            ("run", "work:double", "--data", "work.py"),
            "line 2 of work.py is not valid",
        ),
        (
            ("run", "work:double", "--data", "data.jsonl", "--n-jobs", "0"),
            "n_jobs must not be 0",
        ),
        (
            ("run", "work:double", "--data", "data.jsonl", "--plan", "data.jsonl"),
            "holds no plan",
        ),
        (
            ("bench", "work:double", "--data", "-", "--rounds", "0"),
            "--rounds must be at least 1",
        ),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    folder: Path, arguments: tuple[str, ...], message: str
) -> None:
    """No traceback, and the command ends with 2."""
    done = command(folder, *arguments)

    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="pipes end otherwise there")
def test_nobody_has_to_read_on(folder: Path) -> None:
    """A reader that has seen enough is no error."""
    (folder / "long.jsonl").write_text("1\n" * 200_000)
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "cotality.tuning"),
            *("run", "work:double", "--data", "long.jsonl"),
        ],
        cwd=folder,
        env=environment_of_scripts(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.readline()
        running.stdout.close()
        assert running.stderr.read() == b""
        assert running.wait(LONG_S) == 2
