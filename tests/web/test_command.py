"""``python -m cotality.web``, and what it says where it cannot serve."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from cotality.web._web.cli.command_line import main
from cotality.web._web.guard.keys import Keys
from tests.kit.helpers import environment_of_scripts
from tests.kit.limits import LONG_S

pytestmark = pytest.mark.one_python


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def refused(*arguments: str, capsys: pytest.CaptureFixture[str], code: int = 1) -> str:
    """What it says on standard error, and nothing else."""
    assert main(arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    return err


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "::", "example.org"])
def test_without_keys_others_are_not_promised_anything(
    host: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both ways out are named."""
    text = refused("--host", host, capsys=capsys)

    assert "without API keys this machine alone is served" in text
    assert "--new-key" in text
    assert "COTALITY_WEB_API_KEYS" in text


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens to."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_port_that_is_in_use_is_named(
    taken: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """With another one to take."""
    text = refused("--port", f"{taken}", capsys=capsys)

    assert f"port {taken} of 127.0.0.1 is in use" in text
    assert "--port 0" in text


@pytest.mark.parametrize(
    ("variables", "arguments", "says"),
    [
        ({}, ["--port", "99999"], "--port: Input should be less than or equal to"),
        ({"SYNC_LIMIT_S": "x"}, [], "COTALITY_WEB_SYNC_LIMIT_S: Input should be"),
        ({"API_KEYS": "ada:short"}, [], "API key 'ada' is too short to be secret"),
        ({"STORE_URL": "mysql://host/db"}, [], "no engine for"),
        (
            {"REDIS_URL": "http://:short@host"},
            [],
            "COTALITY_WEB_REDIS_URL: it must begin",
        ),
        ({"RATE_URL": "redis:short@host"}, [], "COTALITY_WEB_RATE_URL: it must begin"),
        ({"DB_URL": "short"}, [], "COTALITY_WEB_DB_URL: it must be a URL"),
        (
            {"STORE_URL": "postgresql://u:short@h:x/n"},
            [],
            "the URL of the store cannot be read",
        ),
        # What is misspelt would be without effect, where somebody counts on it.
        (
            {"ALLOWED_HOST": "short.example"},
            [],
            "did you mean COTALITY_WEB_ALLOWED_HOSTS",
        ),
        ({"FOO": "short"}, [], "there is no setting COTALITY_WEB_FOO\n"),
        ({}, ["--host", "127.0.0.300"], "127.0.0.300"),
    ],
)
def test_what_cannot_be_set_is_named(
    variables: Mapping[str, str],
    arguments: list[str],
    says: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As it was given: by the environment, or on the command line."""
    for name, value in variables.items():
        monkeypatch.setenv(f"COTALITY_WEB_{name}", value)

    text = refused(*arguments, capsys=capsys)

    assert says in text
    assert "short" not in text.replace("too short", "")


def test_a_new_key_is_shown_once_with_what_to_do_with_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The service is given its digest; whoever asks, the secret."""
    assert main(["--new-key"]) == 0

    printed = capsys.readouterr().out
    secret = re.findall(r"X-API-Key: (\S+)\"", printed)[0]
    [setting] = re.findall(r"COTALITY_WEB_API_KEYS=(\S+)", printed)
    assert secret not in setting
    assert Keys([setting]).name_of(secret.encode()) == "somebody"


WITHOUT = """
import sys


class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {name!r}:
            raise ModuleNotFoundError("No module named {name}", name={name!r})


sys.meta_path.insert(0, Missing())
"""


@pytest.mark.parametrize("name", ["fastapi", "uvicorn"])
def test_without_the_extra_it_says_what_to_install(name: str) -> None:
    """The command in one line, and the front door in its error."""
    program = WITHOUT.format(name=name) + (
        "from cotality.web._web.cli.command_line import main\n"
        "code = main([])\n"
        "import cotality.web\n"
        "try:\n"
        "    cotality.web.create_app\n"
        "except ImportError as error:\n"
        "    print(error)\n"
        "sys.exit(code)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env=environment_of_scripts(),
        capture_output=True,
        encoding="utf-8",
        timeout=2 * LONG_S,
    )

    assert ended.stderr == f"{name} is missing: pip install cotality[web]\n"
    assert ended.returncode == 1
    if name != "uvicorn":  # which only the command needs
        assert (
            f"needs {name}, which is missing: pip install cotality[web]" in ended.stdout
        )


def test_to_import_the_floor_imports_nothing_of_it() -> None:
    """Nor does the core: neither of FastAPI, nor of what that stands on."""
    program = (
        "import sys, cotality.web, cotality.core.utils.process, cotality.jobs\n"
        "heavy = {'fastapi', 'starlette', 'pydantic', 'pydantic_settings', 'limits',"
        " 'sqlalchemy', 'uvicorn', 'redis', 'anyio'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env=environment_of_scripts(),
        capture_output=True,
        encoding="utf-8",
        timeout=2 * LONG_S,
        check=True,
    )

    assert ended.stdout == "[]\n"
