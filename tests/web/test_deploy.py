"""What `docs/examples/deploy` has for whoever puts the service somewhere.

Containers and units cannot be started here. What can be said without that is: linters
of others find no fault, and every name in the files is one that there is. The plain
commands are run as they stand.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from cotality.jobs._jobs.cli.command_line import parser
from cotality.web import Settings
from cotality.web._web.work.queues import COMPARISONS, SAMPLES, TASKS
from tests.kit.helpers import environment_of_scripts, wait_until
from tests.kit.limits import LONG_S
from tests.kit.postgres import postgres
from tests.kit.programs import is_alive
from tests.kit.redis_server import redis_server
from tests.web.servers import Server, indexes_of

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "examples" / "deploy"
DOCKERFILE = FOLDER / "Dockerfile"
COMPOSE = FOLDER / "compose.yaml"
UNITS = sorted(FOLDER.glob("*.service"))
PYTHON = "/opt/cotality/bin/python"

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="for systems of POSIX"),
    pytest.mark.one_python,
]


def tool(name: str) -> str:
    """Where a program of a package is, or of the system."""
    beside = Path(sys.executable).with_name(name)
    found = f"{beside}" if beside.is_file() else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def check(*command: object) -> None:
    ended = subprocess.run(
        [f"{part}" for part in command], capture_output=True, text=True, timeout=LONG_S
    )
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout + ended.stderr


def compose() -> Any:  # Any: of YAML
    return yaml.safe_load(COMPOSE.read_text("utf-8"))


# What linters say.


def test_a_linter_finds_no_fault_in_the_dockerfile() -> None:
    """Hadolint, with all of its rules."""
    check(tool("hadolint"), "--no-color", DOCKERFILE)


def test_the_compose_file_fits_its_specification() -> None:
    """As its schema says, which check-jsonschema brings along."""
    schema = ["--builtin-schema", "vendor.compose-spec"]
    check(tool("check-jsonschema"), *schema, COMPOSE)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_finds_no_fault_in_a_unit(unit: Path, tmp_path: Path) -> None:
    """But for the place of the interpreter, which is that of the reader."""
    text = unit.read_text("utf-8")
    assert PYTHON in text
    copy = tmp_path / unit.name
    copy.write_text(text.replace(PYTHON, sys.executable), "utf-8")
    # A template is looked at as one of what is made of it.
    if "@" in copy.name:
        copy = copy.rename(copy.with_name(copy.name.replace("@", "@1")))
    check(tool("systemd-analyze"), "verify", "--man=no", copy)


# What their names mean.


def settings_named(text: str) -> set[str]:
    return {name.lower() for name in re.findall(r"\bCOTALITY_WEB_([A-Z_]+)\b", text)}


@pytest.mark.parametrize(
    "file", [path for path in sorted(FOLDER.iterdir()) if path.is_file()], ids=str
)
def test_files_name_settings_that_there_are(file: Path) -> None:
    """Whatever begins as a setting of the service is one."""
    assert settings_named(file.read_text("utf-8")) <= set(Settings.model_fields)


def commands() -> Iterator[list[str]]:
    """How workers are started, in each of the three ways."""
    yield compose()["services"]["worker"]["command"]
    unit = (FOLDER / "cotality-worker@.service").read_text("utf-8")
    yield shlex.split(re.findall(r"^ExecStart=(.*)$", unit, re.M)[0])
    script = (FOLDER / "run.sh").read_text("utf-8").replace("\\\n", " ")
    for line in re.findall(r"^(python -m cotality.jobs .*) &$", script, re.M):
        yield shlex.split(line)


def test_workers_are_started_alike_and_serve_all_queues() -> None:
    """However they are started; a queue that nobody serves would wait for ever."""
    found = [*commands()]
    for words in found:
        assert words[1:4] == ["-m", "cotality.jobs", "worker"]
        given = parser().parse_args(words[3:])
        assert {each.partition("=")[0] for each in given.queue} == {
            *(TASKS, COMPARISONS, SAMPLES)
        }
    assert len(found) == 4


def test_the_image_is_made_of_what_there_is() -> None:
    """Its sources are in the repository, and let in; its extras are extras."""
    text = DOCKERFILE.read_text("utf-8")
    copied = [
        name
        for line in re.findall(r"^COPY (.*) \S+$", text, re.M)
        for name in line.split()
    ]
    ignore = (FOLDER / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    assert copied
    for name in copied:
        # The tests may run where the package is installed and not beside them.
        assert name == "cotality" or (ROOT / name).exists(), name
        assert f"!{name}" in ignore
    (extras,) = re.findall(r'"\.\[([\w,-]+)\]"', text)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert set(extras.split(",")) <= set(project["optional-dependencies"])


def test_compose_asks_for_nothing_that_nobody_explains() -> None:
    """Each variable is in the file that is filled in, and each name in its place."""
    told = (FOLDER / "env.example").read_text("utf-8")
    asked = set(re.findall(r"\$\{(\w+)", COMPOSE.read_text("utf-8")))
    assert asked == set(re.findall(r"^(\w+)=$", told, re.M))
    services = compose()["services"]
    for name, service in services.items():
        assert set(service["networks"]) <= set(compose()["networks"])
        assert set(service.get("depends_on", {})) <= set(services)
        image = service["image"]
        assert "build" in service or re.fullmatch(r"\w+:[\w.-]*\d[\w.-]*", image), name
    for service in (services["web"], services["worker"]):
        context = (FOLDER / service["build"]["context"]).resolve()
        assert context / service["build"]["dockerfile"] == DOCKERFILE
        # Which host is meant in a URL is a service of this file.
        for name, url in service["environment"].items():
            if name.endswith("_URL"):
                assert re.split(r"[@/:]+", url)[-2] in services, url


# What the plain commands do.

ITEMS = 200
LIMITED = ["timeout", f"{10 * LONG_S:.0f}"] if shutil.which("timeout") else []
KEY = "a-key-of-the-tests-0123456789"


@contextmanager
def started(folder: Path, settings: dict[str, str]) -> Iterator[Server]:
    """`run.sh`, as somebody starts it who has filled in the settings."""
    server = Server(folder)
    for name in ("run.sh", "cotality.env"):
        shutil.copy(FOLDER / name, folder)
    file = folder / "cotality.env"
    lines = file.read_text("utf-8").splitlines()
    settings = {**settings, "PORT": f"{server.port}", "API_KEYS": f"ada:{KEY}"}
    for name, value in settings.items():
        found = [line for line in lines if line.startswith(f"COTALITY_WEB_{name}=")]
        assert found, name
        lines[lines.index(found[0])] = f"COTALITY_WEB_{name}={shlex.quote(value)}"
    lines.append("COTALITY_WEB_RATE_PER_MINUTE=1000000")  # of which tests have more
    file.write_text("\n".join(lines) + "\n", "utf-8")
    beside = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with server.log.open("wb") as log:
        process = subprocess.Popen(
            # It ends, also if the tests do not.
            [*LIMITED, "sh", "run.sh"],
            env={**environment_of_scripts(), "PATH": beside},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    server.process = psutil.Process(process.pid)
    try:
        # Workers are outside, so it is ready when one of them is there.
        wait_until(server.is_up, 2 * LONG_S)
        yield server
        below = server.below()
        process.terminate()
        process.wait(LONG_S)
        wait_until(lambda: not any(map(is_alive, below)))
    finally:
        for each in [*server.below(), server.process]:
            if is_alive(each):
                each.kill()
        process.wait(LONG_S)


def workers_in(server: Server) -> list[psutil.Process]:
    return [
        each
        for each in server.below()
        if is_alive(each) and each.cmdline()[2:4] == ["cotality.jobs", "worker"]
    ]


def has_begun_it(worker: psutil.Process) -> bool:
    """Whether it has processes that do something, which a task in processes needs."""
    return len(worker.children(recursive=True)) > 1


@pytest.mark.alone
@pytest.mark.skipif(shutil.which("redis-server") is None, reason="needs redis-server")
def test_plain_commands_outlive_one_of_two_workers(tmp_path: Path) -> None:
    """With real servers; all ends with one signal, and the task was done by then."""
    with postgres() as database, redis_server() as redis:
        assert redis is not None
        settings = {
            "STORE_URL": database.replace("postgresql+psycopg:", "postgresql:"),
            "DB_URL": database,
            "REDIS_URL": redis,
            "RATE_URL": redis,
        }
        with started(tmp_path, settings) as server:
            check_a_killed_worker(server)


def check_a_killed_worker(server: Server) -> None:
    mine = {"X-API-Key": KEY}
    server.headers = mine
    wait_until(lambda: len(workers_in(server)) == 2)
    assert server.get("/health/ready")["status"] == "ready"
    # So slow that it is not done before somebody can kill what does it.
    task = server.start_task(
        "background",
        items_count=ITEMS,
        workers=2,
        method="multiprocessing",
        simulate_db_delay=True,
        db_delay_s=0.03,
    )
    wait_until(lambda: server.status(task)["items_processed"] > 0, 2 * LONG_S)
    (busy,) = [each for each in workers_in(server) if has_begun_it(each)]
    left = busy.children(recursive=True)
    busy.send_signal(signal.SIGKILL)
    wait_until(lambda: bool(server.status(task)["end_time"]), 2 * LONG_S)
    done = server.status(task)
    assert (done["status"], done["attempt"]) == ("completed", 2), done
    assert (done["items_processed"], done["items_failed"]) == (ITEMS, 0)
    assert indexes_of(server, task) == list(range(ITEMS))
    assert len(workers_in(server)) == 1
    wait_until(lambda: not any(map(is_alive, left)))
