"""Another package of the same name may be installed beside this one.

It has a layout of its own, made up here after a published one. Each of the two is
installed into a folder by pip, as people do it, in both orders.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

import cotality
from tests.kit.limits import LONG_S

pytestmark = pytest.mark.one_python

HERE = Path(cotality.__path__[0])
THEIRS = (
    *("app", "platform", "local"),
    *("core.constants", "core.logger", "core.exception", "core.interfaces"),
    *(f"core.utils.{n}" for n in ("dict", "misc", "string", "system", "threads")),
)
PROCESS = "core.utils.process"

ASK = """
import importlib
for name in {theirs!r}:
    module = importlib.import_module(f"cotality.{{name}}")
    assert module.WHOSE == "theirs", name
from cotality.core.utils import process
print("process:", getattr(process, "WHOSE", "ours"))
try:
    from cotality import pmap
except ImportError as error:
    print("pmap: no")
else:
    print("pmap:", pmap is process.pmap)
"""
USE = """
from cotality import flow, joblib, jobs, tuning, web
from cotality.core.utils.process import Task, execute_tasks_in_parallel, pmap
from cotality.tuning import execute
print(execute_tasks_in_parallel([Task.of(abs, -1)], processes=True))
print(pmap(abs, [-2, 3]), execute(abs, [-4]))
"""


METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
WHEEL = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def wheel_of(name: str, files: dict[str, bytes], folder: Path) -> Path:
    """A wheel that pip can install."""
    about = f"{name.replace('-', '_')}-1.0.dist-info"
    files = {
        **files,
        f"{about}/METADATA": METADATA.format(name=name).encode(),
        f"{about}/WHEEL": WHEEL.encode(),
    }
    files[f"{about}/RECORD"] = "".join(
        f"{each},,\n" for each in (*files, f"{about}/RECORD")
    ).encode()
    path = folder / f"{name.replace('-', '_')}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for each, content in files.items():
            archive.writestr(each, content)
    return path


def ours(folder: Path) -> Path:
    files = {
        f"cotality/{path.relative_to(HERE).as_posix()}": path.read_bytes()
        for path in HERE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    return wheel_of("cotality", files, folder)


def theirs(folder: Path, *, has_process: bool) -> Path:
    modules = (*THEIRS, PROCESS) if has_process else THEIRS
    packages = ("", "core", "core/utils")
    files = {
        f"cotality/{package}/__init__.py".replace("//", "/"): b"WHOSE = 'theirs'\n"
        for package in packages
    }
    for module in modules:
        files[f"cotality/{module.replace('.', '/')}.py"] = b"WHOSE = 'theirs'\n"
    return wheel_of("made-up-sdk", files, folder)


class Place:
    """A folder into which pip installs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        paths = sysconfig.get_paths(vars={"base": f"{folder}", "platbase": f"{folder}"})
        self.packages = Path(paths["purelib"])

    def install(self, wheel: Path) -> None:
        flags = ("--no-index", "--no-deps", "--ignore-installed", "--no-compile", "-q")
        self.run(
            "-m", "pip", "install", *flags, "--prefix", f"{self.folder}", f"{wheel}"
        )

    def ask(self, program: str) -> list[str]:
        script = self.folder / "program.py"
        script.write_text(program, "utf-8")
        return self.run(f"{script}").splitlines()

    def run(self, *arguments: str) -> str:
        ended = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env={
                "PYTHONPATH": f"{self.packages}",
                "PATH": "",
                "HOME": f"{self.folder}",
            },
            capture_output=True,
            encoding="utf-8",
            timeout=2 * LONG_S,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_ours_after_theirs_has_all_of_both(place: Place, tmp_path: Path) -> None:
    """The order that the documentation tells."""
    place.install(theirs(tmp_path, has_process=True))
    place.install(ours(tmp_path))

    assert place.ask(ASK.format(theirs=THEIRS)) == ["process: ours", "pmap: True"]
    assert place.ask(USE) == ["[1]", "[2, 3] [4]"]


def test_whoever_has_the_package_the_module_works(place: Place, tmp_path: Path) -> None:
    """Ours needs nothing of the file that both of them have; the short import does."""
    place.install(ours(tmp_path))
    place.install(theirs(tmp_path, has_process=False))

    assert place.ask(ASK.format(theirs=THEIRS)) == ["process: ours", "pmap: no"]
    assert place.ask(USE) == ["[1]", "[2, 3] [4]"]


def test_theirs_after_ours_has_the_module_too(place: Place, tmp_path: Path) -> None:
    """Where theirs has one of that name. To install ours once more brings it back."""
    place.install(ours(tmp_path))
    place.install(theirs(tmp_path, has_process=True))
    assert place.ask(ASK.format(theirs=THEIRS)) == ["process: theirs", "pmap: no"]

    place.install(ours(tmp_path))
    assert place.ask(ASK.format(theirs=THEIRS)) == ["process: ours", "pmap: True"]


def test_no_module_of_ours_has_the_name_of_one_of_theirs() -> None:
    """But the one that stands for theirs."""
    there = {
        ".".join(path.relative_to(HERE).with_suffix("").parts)
        for path in HERE.rglob("*.py")
    }
    there |= {name.removesuffix(".__init__") for name in there}

    assert there.isdisjoint(THEIRS)
    assert PROCESS in there
