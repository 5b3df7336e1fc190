"""Every check of the project. ``nox`` alone runs what must pass before a change lands.

``nox --list`` shows the sessions, ``nox -s NAME`` runs one of them, and what comes
after ``--`` goes to the program the session runs: ``nox -s tests-3.12 -- -k order``.
It takes ``pip install nox`` and nothing else; each session makes its own environment.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nox

ROOT = Path(__file__).parent
PROJECT = nox.project.load_toml(ROOT / "pyproject.toml")
VERSIONS = tuple(nox.project.python_versions(PROJECT))  # its classifiers
# Where a built wheel lies that is to be tested in place of this checkout, if anywhere.
BUILT = os.environ.get("COTALITY_WHEELS", "")

# One test is stuck when it takes this long. pytest then prints the stack of every
# thread and ends, so that a hang is a failure with a reason and never a wait.
STUCK_AFTER = 180  # s

# The quick checks first. The tests come last so that their closing lines stand at
# the end of the output, where a person or a program looks for them.
nox.options.sessions = ["lint", "types", "docs", "examples", "tests"]
nox.options.error_on_missing_interpreters = False  # a skipped session says so
if hasattr(nox.options, "download_python"):  # new in nox 2025.10
    nox.options.download_python = "never"  # the Pythons this machine has, no others
# pip would spend a third of its time on compiling modules that no session imports (to
# say no takes a false value: pip's documentation of its variables). Python compiles the
# others when it first imports them, and keeps them, or thousands of interpreters that
# tests start would each compile all of it again.
os.environ.setdefault("PIP_NO_COMPILE", "0")
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def put_pyenv_on_path(versions: Iterable[str]) -> None:
    """Let nox find the interpreters that pyenv has but does not offer.

    pyenv puts a ``python3.12`` on PATH for every version it has installed, and that
    file refuses to run unless the version is also switched on. So an interpreter
    counts only if it really starts, and the others are looked for where pyenv
    keeps them.
    """
    for version in versions:
        if not starts(f"python{version}"):
            for found in under_pyenv(version):
                os.environ["PATH"] = f"{found.parent}{os.pathsep}{os.environ['PATH']}"


def starts(python: str | Path) -> bool:
    """Whether *python* is an interpreter that runs here."""
    try:
        subprocess.run([python, "-c", ""], check=True, capture_output=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def under_pyenv(version: str) -> list[Path]:
    """The interpreters of *version* that pyenv holds, oldest release first."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = root.glob(f"versions/{version}.*/bin/python{version}")
    return sorted(filter(starts, found), key=release)


def release(python: Path) -> tuple[int, ...]:
    """The release of a pyenv interpreter, to sort by: 3.12.10 comes after 3.12.9."""
    return tuple(int(part) for part in python.parts[-3].split(".") if part.isdigit())


def group(name: str) -> tuple[str, ...]:
    """What the dependency group *name* of ``pyproject.toml`` asks for."""
    return nox.project.dependency_groups(PROJECT, name)


put_pyenv_on_path(VERSIONS)


@nox.session
def lint(session: nox.Session) -> None:
    """The code follows the agreed rules and format, and imports downwards only."""
    session.install(*group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports", "--no-cache")


@nox.session
def types(session: nox.Session) -> None:
    """The types hold under two strict checkers, and wrong uses are reported.

    ``tests/typing`` states what callers get to see, wrong uses included. A wrong use
    that a checker lets pass is an unused "ignore", which is an error as well. Of all
    that can be imported, and what it is made of, every type is known. And an editor
    with Pyright offers every option.
    """
    # pyright is a Node program; its own copy of Node is fetched where there is none.
    node = [] if shutil.which("node") else ["pyright[nodejs]"]
    session.install(".", "nox", *group("types"), *node)
    whole = ["pyright", "--verifytypes", "cotality", "--ignoreexternal"]
    # Beside each other: each keeps one core busy for half a minute or more.
    with ThreadPoolExecutor() as pool:
        for said in pool.map(
            lambda command: session.run(*command, silent=True),
            [["mypy"], ["pyright"], whole, ["python", "tests/typing/completions.py"]],
        ):
            session.log(f"{said}".strip())


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation builds without a warning: no link or reference is dead.

    That its code blocks run and print what they show is part of the tests.
    """
    session.install(".", *group("docs"))
    built = ROOT / "docs" / "_build" / "html"
    session.run(
        "sphinx-build",
        "-W",
        "--keep-going",
        "-q",
        "-E",
        "docs",
        built,
        *session.posargs,
    )
    session.log(f"open {built / 'index.html'}")


@nox.session
def build(session: nox.Session) -> None:
    """What is published, in ``dist``: the wheel and the source distribution.

    Not in the default set, which builds what it tests.
    """
    session.install("build")
    shutil.rmtree(ROOT / "dist", ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", f"{ROOT / 'dist'}", f"{ROOT}")
    (wheel,) = (ROOT / "dist").glob("*.whl")
    check_contents(session, wheel)


@nox.session
def examples(session: nox.Session) -> None:
    """The examples run for somebody who has the wheel and nothing else.

    A new wheel, which holds the package and nothing more, a new environment, and an
    empty directory to start in.
    """
    with tempfile.TemporaryDirectory(prefix="examples-") as scratch:
        wheels = Path(scratch, "wheels")
        session.run("pip", "wheel", "-q", "--no-deps", "-w", f"{wheels}", ".")
        (wheel,) = wheels.glob("*.whl")
        check_contents(session, wheel)
        session.install(f"{wheel}")
        empty = Path(scratch, "empty")
        empty.mkdir()
        session.chdir(empty)
        session.run(
            "python", "-m", "cotality.core.utils.process_examples", *session.posargs
        )


def check_contents(session: nox.Session, wheel: Path) -> None:
    """Fail *session* unless *wheel* holds the package, all of it and only that."""
    with zipfile.ZipFile(wheel) as archive:
        inside = {n for n in archive.namelist() if ".dist-info/" not in n}
    source = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "cotality").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    if inside != source:
        session.error(f"{wheel.name} differs from cotality/: {sorted(inside ^ source)}")
    session.log(f"{wheel.name} holds {len(inside)} files, all of them in cotality/")


@nox.session(python=VERSIONS)
def tests(session: nox.Session) -> None:
    """The package as people install it keeps its promises on each Python here.

    The tests run in a copy of the checkout without the package's own source, so
    that a module missing from the wheel fails instead of being found next door.
    A Python that this machine does not have is skipped, with a line that says so.
    Most tests wait most of the time, so three of them run at once; those that look
    at what a quiet machine does come after them, one by one: see the marker ``alone``.
    What is slow and does not depend on the Python is tested on one: ``one_python``.
    With ``COTALITY_WHEELS=dist`` the wheel in that folder is tested.
    """
    session.install(what_is_tested(), *group("test"))
    with tempfile.TemporaryDirectory(prefix="tests-") as scratch:
        checkout = Path(scratch, "checkout")
        shutil.copytree(ROOT, checkout, ignore=all_but_what_tests_read)
        session.chdir(checkout)
        at_once = ["-n", "3", "--dist", "worksteal"]
        others = without_what_one_python_shows(f"{session.python}")
        alone = ["-m", f"alone{others}"]
        if not session.posargs:  # those name files themselves
            alone += those_with("mark.alone", checkout)
        for how in (["-m", f"not alone{others}", *at_once], alone):
            session.run(
                *("python", "-m", "pytest", *guard(), *how, *session.posargs),
                success_codes=[0, NONE_CHOSEN] if session.posargs else [0],
            )


def those_with(text: str, checkout: Path) -> list[str]:
    """The files of tests that have *text*: to collect all of them takes ten seconds."""
    files = sorted((checkout / "tests").rglob("test_*.py"))
    return [f"{file}" for file in files if text in file.read_text("utf-8")]


def what_is_tested() -> str:
    """What pip is to install: this checkout, or a wheel that was built before."""
    if not BUILT:
        return "."
    (wheel,) = Path(BUILT).glob("*.whl")
    return f"{wheel}"


NONE_CHOSEN = 5  # what pytest ends with: posargs may name tests of the other kind


def without_what_one_python_shows(version: str) -> str:
    """Leaves out what is the same on every Python, but on the oldest that is here."""
    here = [each for each in VERSIONS if starts(f"python{each}")]
    return "" if version in here[:1] else " and not one_python"


def guard() -> list[str]:
    """What makes pytest end a test that hangs and show where it hung."""
    limit = f"faulthandler_timeout={STUCK_AFTER}"
    return ["-o", limit, "-o", "faulthandler_exit_on_timeout=true"]


def all_but_what_tests_read(folder: str, names: list[str]) -> set[str]:
    """What a copy of *folder* for the tests leaves out."""
    out = set(shutil.ignore_patterns("__pycache__", "_build")(folder, names))
    if Path(folder) == ROOT:
        out |= {"cotality", "build", "dist"} & set(names)
        hidden = {name for name in names if name.startswith(".")}
        out |= hidden - {".ci", ".github", ".gitignore", ".pre-commit-config.yaml"}
    return out


@nox.session
def bench(session: nox.Session) -> None:
    """What the documentation says about speed can be measured on this machine.

    Not in the default set: nothing passes or fails by its speed. It prints a table
    and writes the figures to a JSON file; ``nox -s bench -- --help`` says which.
    """
    session.install(".", *group("bench"))
    session.run("python", "benchmarks/run.py", *session.posargs)


@nox.session
def interrupts(session: nox.Session) -> None:
    """A signal at each instruction of a call reaches its caller and does no harm.

    Not in the default set, which takes some of the instructions. This takes all that
    are different and show something, 19,000 of them, which `tests.kit.strike_places`
    explains: each once, and then for each of 41 kinds of calls at three times, with
    three kinds of signals. Those are 390,000 strikes, of 10 to 40 ms of CPU each: one
    to two hours on two cores that have nothing else to do (reckoned from those that
    were made). It keeps what was struck in ``.nox`` and goes on there when it was
    ended. ``-- --turn once`` ends when each was struck once; ``-- warm`` takes one kind
    of call, ``-- --seconds 60`` a minute of each.
    """
    session.install(".", *group("test"))
    session.run("python", "-m", "tests.kit.all_strikes", *session.posargs)


@nox.session
def soak(session: nox.Session) -> None:
    """Nothing is left behind after minutes of crashes, time limits and early ends.

    Not in the default set, because it takes twenty minutes; ``nox -s soak -- --help``
    says how to make that shorter or longer.
    """
    session.install(".", *group("test"))
    for program in ("soak.py", "soak_flows.py"):
        session.run("python", f"tests/kit/{program}", *session.posargs)


@nox.session
def compare(session: nox.Session) -> None:
    """Random programs do what a model of the promises in plain Python says.

    Some of them are part of the tests. This tries others, for a minute or so long:
    ``nox -s compare -- --seconds 600``. What it finds is printed as a program that
    runs, with its seed: ``nox -s compare -- --seed 4711``.
    """
    session.install(".", *group("test"))
    session.run("python", "-m", "tests.compare", *session.posargs)
