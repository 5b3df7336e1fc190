"""What README and docs show is what happens.

Every fenced block of Python is run as a script of its own, in a new interpreter, in an
empty directory and without a main guard. When a block of text follows it, that is what
the script prints; ``...`` in it stands for anything. A block below the line
``<!-- continued -->`` is the rest of the script before it, and what it shows is what
the rest prints. Standard error has to stay empty, or to be what a block shows that
begins with ``text stderr``. A block below ``<!-- needs polars -->`` is run where that
can be imported.
"""

import ast
import doctest
import importlib.util
import itertools
import os
import re
import shlex
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

import pytest

import cotality
from cotality import joblib as joblib_door
from cotality import jobs, tuning, web
from cotality.core.utils import process as front_door
from cotality.jobs import feeds, health, webhooks
from cotality.tuning import system
from tests.kit.limits import LONG_S

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SCRIPT_S = 2 * LONG_S  # that one script may take

FENCE = re.compile(
    r"^```(text stderr(?=\n)|\S*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
MARK = re.compile(r"<!-- (.*) -->\s*\Z")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int  # of its first line of content, from 1
    language: str
    content: str
    mark: str  # what the comment directly above it says
    follows: bool  # nothing but blank lines stand between it and the block before

    @property
    def where(self) -> str:
        return f"{self.page.relative_to(ROOT).as_posix()}:{self.line}"


@dataclass
class Script:
    """A complete program of a page and what it prints, if the page says so."""

    where: str
    source: str
    prints: str | None = None
    complains: str = ""  # what it writes to standard error
    needs: str = ""  # a library that is not among those of the tests

    def append(self, block: Block) -> None:
        """Add *block* on the line it has in its page, so that tracebacks fit it."""
        self.source += "\n" * (block.line - 1 - self.source.count("\n"))
        self.source += block.content
        self.where = block.where


def blocks_of(page: Path) -> Iterator[Block]:
    text = page.read_text("utf-8")
    end = 0
    for found in FENCE.finditer(text):
        between = text[end : found.start()]
        mark = MARK.search(between)
        yield Block(
            page,
            text.count("\n", 0, found.start(2)) + 1,
            found[1],
            found[2],
            mark[1] if mark else "",
            follows=end > 0 and not between.strip(),
        )
        end = found.end()


# What may stand between a script and what it writes to standard error.
SHOWN = {"python", "text"}


def scripts_of(page: Path) -> Iterator[Script]:
    script: Script | None = None
    previous = ""
    for block in blocks_of(page):
        if block.language == "python":
            before = script
            if before:
                yield before
            script = Script(block.where, "")
            if before and block.mark == "continued":
                script = replace(before)
            if block.mark.startswith("needs "):
                script.needs = block.mark.removeprefix("needs ")
            script.append(block)
        elif block.language == "text" and previous == "python" and block.follows:
            assert script is not None
            script.prints = (script.prints or "") + block.content
        elif block.language == "text stderr" and previous in SHOWN and block.follows:
            assert script is not None
            script.complains = block.content
        previous = block.language
    if script:
        yield script


BLOCKS = [block for page in PAGES for block in blocks_of(page)]
SCRIPTS = [script for page in PAGES for script in scripts_of(page)]
COMMANDS = [block for block in BLOCKS if block.language == "bash"]


def where(thing: Block | Script) -> str:
    return thing.where


@pytest.mark.one_python
@pytest.mark.parametrize("script", SCRIPTS, ids=where)
def test_a_block_of_python_prints_what_the_page_shows(
    script: Script, tmp_path: Path
) -> None:
    """A block runs as a script of its own, quietly, and prints what stands below."""
    if script.needs:
        pytest.importorskip(script.needs)
    (tmp_path / "script.py").write_text(script.source, "utf-8")

    status, printed, complaints = run("script.py", tmp_path)

    assert status == 0, f"{script.where}\n{printed}{complaints}"
    assert matches(script.complains, complaints), f"{script.where}\n{complaints}"
    if script.prints is not None:
        assert matches(script.prints, printed), f"{script.where} printed\n{printed}"


def run(script: str, folder: Path) -> tuple[int, str, str]:
    """Run *script* in *folder*; when it hangs, show where and fail."""
    process = subprocess.Popen(
        [sys.executable, "-X", "faulthandler", "-W", "error", script],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    try:
        printed, complaints = process.communicate(timeout=SCRIPT_S)
    except subprocess.TimeoutExpired:
        # The fault handler of the script writes the stack of every thread.
        process.send_signal(getattr(signal, "SIGABRT", signal.SIGTERM))
        printed, complaints = process.communicate(timeout=SCRIPT_S)
    return process.returncode, printed, complaints


def environment() -> dict[str, str]:
    """The environment of a script: ours, with the same `cotality` to import."""
    here = str(Path(cotality.__path__[0]).parent)
    installed = "site-packages" in here
    extra = {} if installed else {"PYTHONPATH": here}
    return {**os.environ, "PYTHONIOENCODING": "utf-8", **extra}


def matches(shown: str, printed: str) -> bool:
    flags = doctest.ELLIPSIS | doctest.DONT_ACCEPT_TRUE_FOR_1
    return doctest.OutputChecker().check_output(shown, printed, flags)


def test_no_block_escapes() -> None:
    """Every fenced block is of a kind that is run, compared, checked or drawn."""
    known = {"python", "text", "text stderr", "bash", ""}
    directives = re.compile(r"\{(toctree|eval-rst|include|literalinclude)\}")

    unknown = [
        block.where
        for block in BLOCKS
        if block.language not in known and not directives.fullmatch(block.language)
    ]

    assert unknown == []
    assert len(SCRIPTS) > 20


def test_what_is_marked_as_printed_follows_a_script() -> None:
    """A block of text stands directly below the script that prints it."""
    lonely = [
        block.where
        for before, block in itertools.pairwise(BLOCKS)
        if (block.language == "text" and before.language != "python")
        or (block.language == "text stderr" and before.language not in SHOWN)
        or (block.language in ("text", "text stderr") and not block.follows)
    ]

    assert lonely == []


@pytest.mark.parametrize("block", COMMANDS, ids=where)
def test_a_command_names_things_that_exist(block: Block) -> None:
    """A shell command of a page uses modules, sessions and files that there are."""
    for line in block.content.replace("\\\n", " ").splitlines():
        for command in re.split(r"&&|\|\|", line.partition("#")[0]):
            if command.strip():
                check(shlex.split(command))


def check(words: list[str]) -> None:
    """Fail unless the command *words* is one that works in a checkout of ours."""
    program, *arguments = words
    match [Path(program).name, *arguments]:
        case ["python" | "python3", "-m", "venv", *_]:
            pass
        case [
            "python" | "python3",
            "-m",
            "pip",
            "wheel",
            "--no-deps",
            "-w",
            "dist",
            ".",
        ]:
            pass
        case ["pip", "install", *what]:
            check_installable(what)
        case ["python" | "python3", "-m", "pip", "install", *what]:
            check_installable(what)
        case ["python" | "python3", "-m", module, *_]:
            assert importlib.util.find_spec(module), words
        case ["python" | "python3", file, *_]:
            assert (ROOT / file).is_file(), words
        case ["uvicorn" | "gunicorn", *_, "--chdir" | "--app-dir", folder, target]:
            assert (ROOT / folder / f"{target.partition(':')[0]}.py").is_file(), words
        case ["gunicorn", "-k", kind, "-w", _, application]:
            for name in (kind.rpartition(".")[0], application.partition(":")[0]):
                assert importlib.util.find_spec(name), words
        case ["curl", *_]:
            check_asked(words)
        case ["cp", file, _]:
            assert (ROOT / file).is_file(), words
        case ["sh", file] | ["docker", "compose", "-f", file, "up", *_]:
            assert (ROOT / file).is_file(), words
        case ["systemctl", "enable", "--now", *units]:
            for unit in units:
                name = re.sub(r"@\w+", "@", unit)
                assert (ROOT / "docs/examples/deploy" / name).is_file(), words
        case ["nox"]:
            pass
        case ["nox", "-s", session, *_]:
            assert session in nox_sessions(), words
        case _:
            pytest.fail(f"no rule says how to check the command {words}")


def check_asked(words: list[str]) -> None:
    """Fail unless the service has such a route, with such a method."""
    from cotality.web import Settings, create_app

    (url,) = [word for word in words if word.startswith("http://")]
    if url == "http://...":
        return  # a service of somebody's own
    asked = urlsplit(url).path
    method = words[words.index("-X") + 1].lower() if "-X" in words else "get"
    paths: dict[str, dict[str, object]] = create_app(Settings()).openapi()["paths"]
    fitting = [
        each
        for path, each in paths.items()
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), asked)
    ]
    assert any(method in each for each in fitting), words


def check_installable(what: list[str]) -> None:
    """Fail unless pip can install *what*: this package, or nox to run the checks."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = [f"[{each}]" for each in project["optional-dependencies"]]
    places = (".", "cotality")  # this checkout, or what is installed already
    known = {".", "nox", *(place + extra for place in places for extra in extras)}
    assert {word for word in what if not word.startswith("-")} <= known


def nox_sessions() -> set[str]:
    """The names of the sessions, read from the file: nox may not be installed."""
    tree = ast.parse((ROOT / "noxfile.py").read_text("utf-8"))
    return {
        function.name
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        and any("nox.session" in ast.unparse(mark) for mark in function.decorator_list)
    }


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_links_lead_somewhere(page: str) -> None:
    """Each relative link names a file. Sphinx checks those in docs."""
    text = (ROOT / page).read_text("utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]

    assert links
    assert [link for link in links if not (ROOT / link).is_file()] == []


@pytest.mark.parametrize(
    "module",
    [front_door, tuning, system, jobs, feeds, health, webhooks, joblib_door, web],
    ids=lambda m: m.__name__,
)
def test_the_reference_has_every_public_name(module: ModuleType) -> None:
    """What can be imported from a front door is described, and nothing else."""
    text = (ROOT / "docs/look-up/api.md").read_text("utf-8")
    parts = re.split(r"^\.\. currentmodule:: (.*)$", text, flags=re.M)
    described = [
        name
        for where, part in zip(parts[1::2], parts[2::2], strict=True)
        if where == module.__name__
        for name in re.findall(
            r"^\.\. auto(?:class|function|exception):: (\w+)$", part, re.M
        )
    ]

    assert sorted(described) == sorted(module.__all__)


def test_examples_in_docstrings_hold() -> None:
    """What the front door shows in its own docstring is what happens."""
    assert doctest.testmod(front_door).failed == 0
