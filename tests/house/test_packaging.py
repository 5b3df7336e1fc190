"""What surrounds the package agrees with itself, and what is installed is complete."""

import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path, PurePosixPath

import pytest

import cotality
from tests.kit.limits import LONG_S

ROOT = Path(__file__).parents[2]
PACKAGE = Path(cotality.__path__[0])
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
README = (ROOT / "README.md").read_text("utf-8")


def readme_command(name: str) -> str:
    """The one line that the README gives for *name*."""
    (found,) = re.findall(
        rf"<!-- command: {name} -->\n```bash\n(.*?)\n```", README, re.DOTALL
    )
    return str(found)


def installed() -> metadata.Distribution:
    """The installed distribution, when the package under test comes from one."""
    if "site-packages" not in PACKAGE.parts:
        pytest.skip("the package is used from the checkout")
    return metadata.distribution("cotality")


def test_types_ship() -> None:
    """Type checkers of users find the mark that says the package has types."""
    assert (PACKAGE / "py.typed").is_file()


def test_only_the_package_is_installed() -> None:
    """An installation brings the package and what describes it, nothing beside it."""
    files = installed().files or []

    tops = {PurePosixPath(file).parts[0] for file in files}
    version = PROJECT["version"]
    assert tops == {"cotality", f"cotality-{version}.dist-info"}
    assert any(file.name == "LICENSE" for file in files)


def test_the_core_depends_on_three_packages() -> None:
    """Everything beyond these three is an extra."""
    needed = [
        re.split(r"[^\w-]", line)[0]
        for line in installed().requires or []
        if "extra ==" not in line
    ]

    assert sorted(needed) == ["cloudpickle", "tblib", "typing-extensions"]


def test_importing_does_nothing_else() -> None:
    """The import starts no thread and loads nothing that only processes need."""
    program = (
        f"import sys; sys.path.insert(0, {str(PACKAGE.parent)!r})\n"
        "import threading, cotality.core.utils.process\n"
        "late = {'cloudpickle', 'tblib', 'numpy', 'asyncio', 'cotality.core.utils."
        "process_examples'}\n"
        "print(sorted(late & set(sys.modules)), threading.active_count())"
    )

    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        encoding="utf-8",
        timeout=LONG_S,
    )

    assert (ended.stderr, ended.stdout) == ("", "[] 1\n")


def test_the_changelog_knows_this_version() -> None:
    """The version at the top of the changelog is the one in `pyproject.toml`."""
    headings = re.findall(
        r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE
    )

    assert headings[0] == PROJECT["version"]


def test_the_pythons_are_listed_in_one_place() -> None:
    """In the classifiers, where the noxfile reads them, and workflows ask that."""
    assert '"3.' not in (ROOT / "noxfile.py").read_text("utf-8")
    assert f">={promised_pythons()[0]}" == PROJECT["requires-python"]


def promised_pythons() -> list[str]:
    """The versions that the classifiers name."""
    prefix = "Programming Language :: Python :: "
    return [
        line.removeprefix(prefix)
        for line in PROJECT["classifiers"]
        if re.fullmatch(rf"{prefix}3\.\d+", line)
    ]


@pytest.mark.parametrize("name", ["examples", "test"])
def test_a_command_of_the_readme_is_one_line_with_its_own_environment(
    name: str,
) -> None:
    """A new user copies one line; it never asks the system's Python to install."""
    command = readme_command(name)

    assert "\n" not in command
    assert command.startswith("python3 -m venv ")
    assert "sudo" not in command
    installs = [part for part in command.split(" && ") if "pip install" in part]
    assert all(part.startswith(".venv") for part in installs)


@pytest.mark.skipif(shutil.which("bash") is None, reason="the script is for bash")
def test_what_ci_runs_is_what_the_readme_says() -> None:
    """`.ci/run` takes its command from the README and holds none of its own."""
    shown = subprocess.run(
        ["bash", ROOT / ".ci" / "run", "--show"],
        capture_output=True,
        encoding="utf-8",
        timeout=LONG_S,
        check=True,
    )

    assert shown.stdout.strip() == readme_command("test")
