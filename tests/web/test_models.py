"""What may be asked for, what may be set, and what is loaded for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from cotality.web import Settings
from cotality.web._web.models import configs
from cotality.web._web.models.configs import CompareConfig, TaskConfig, most_workers
from cotality.web._web.models.kinds import METHODS, TaskStatus, TaskType
from cotality.web._web.work.orders import as_plain as plain_order
from cotality.web._web.work.orders import config_from, order_from, order_of, recipe_of
from tests.kit.helpers import environment_of_scripts
from tests.kit.limits import LONG_S


@pytest.mark.parametrize(
    ("field", "least", "most"),
    [
        ("items_count", 1, 100_000),
        ("batch_size", 1, 10_000),
        ("db_delay_s", 0.0, 60.0),
        ("redis_delay_s", 0.0, 60.0),
        ("workers", 1, most_workers()),
    ],
)
def test_limits_are_kept_and_told(field: str, least: Any, most: Any) -> None:
    """By what is refused, and in the schema that people read."""
    for allowed in (least, most):
        assert getattr(TaskConfig(**{field: allowed}), field) == allowed
    for refused in (least - 1, most + 1, "x", float("nan"), float("inf")):
        with pytest.raises(ValidationError):
            TaskConfig(**{field: refused})
    schema = TaskConfig.model_json_schema()["properties"][field]
    limits = next(each for each in schema.get("anyOf", [schema]) if "maximum" in each)
    assert (limits["minimum"], limits["maximum"]) == (least, most)


def test_the_lines_of_the_document_work_on_any_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Eight workers on one CPU, a hundred items, a batch that is larger than these."""
    monkeypatch.setattr(configs, "available_cpus", lambda: 1)

    given = TaskConfig(items_count=100, workers=8)

    assert given.batch_size == 5000
    assert order_of(Settings(), given).batch_size == 100
    with pytest.raises(ValidationError, match="workers must be at most 16"):
        TaskConfig(workers=17)
    monkeypatch.setattr(configs, "available_cpus", lambda: 32)
    assert TaskConfig(workers=128).workers == 128


def test_unknown_fields_are_refused() -> None:
    """They would be of no effect, and somebody has meant one."""
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        TaskConfig(item_count=3)  # type: ignore[call-arg]  # must stay an error
    with pytest.raises(ValidationError, match="a background task is done by one of"):
        TaskConfig(method=TaskType.BACKGROUND)
    assert CompareConfig().items_count == 1000


def test_what_was_taken_is_not_refused_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a machine that has fewer CPUs."""
    monkeypatch.setattr(configs, "available_cpus", lambda: 32)
    taken = TaskConfig(workers=100, method=TaskType.THREADING)
    compared = CompareConfig(budget_s=3.0)
    monkeypatch.setattr(configs, "available_cpus", lambda: 1)

    stored = taken.model_dump(mode="json")

    assert config_from(TaskType.AUTO, stored) == taken
    stored = compared.model_dump(mode="json")
    assert config_from(TaskType.COMPARE, stored) == compared


def test_both_flags_act() -> None:
    """And what is not said is as the service is set up."""
    settings = Settings(db_delay_s=2.0)

    plain = recipe_of(settings, TaskConfig())
    quick = recipe_of(
        settings, TaskConfig(simulate_db_delay=False, simulate_redis_delay=False)
    )
    said = recipe_of(settings, TaskConfig(db_delay_s=0.5, redis_delay_s=0.25))

    assert (plain.db_delay_s, plain.lookup_delay_s) == (2.0, None)
    assert (quick.db_delay_s, quick.lookup_delay_s, quick.delay) == (0.0, 0.0, 0.0)
    assert (said.db_delay_s, said.lookup_delay_s) == (0.5, 0.25)
    order = order_of(settings, TaskConfig(items_count=7, workers=3))
    assert order_from(settings, plain_order(order)) == order


def test_settings_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And arguments are stronger."""
    monkeypatch.setenv("COTALITY_WEB_STATE_DIR", f"{tmp_path}/here")
    monkeypatch.setenv("COTALITY_WEB_WORKERS", "outside")
    monkeypatch.setenv("COTALITY_WEB_DB_DELAY_S", "0.5")

    given = Settings(db_delay_s=0.25)

    assert given.state_dir == tmp_path / "here"
    assert (given.workers, given.db_delay_s) == ("outside", 0.25)
    assert given.store == f"sqlite:///{tmp_path}/here/tasks.db"
    assert given.database == f"sqlite:///{tmp_path}/here/measurements.db"
    monkeypatch.setenv("COTALITY_WEB_WORKERS", "somewhere")
    with pytest.raises(ValidationError):
        Settings()


def test_what_is_wrong_with_a_setting_says_no_other_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nor what it is itself: it may be one that was put into the wrong place."""
    for name in ("API_KEYS", "SYNC_LIMIT_S", "REDIS_URL", "KEY"):
        monkeypatch.setenv(f"COTALITY_WEB_{name}", "http://:a-secret-of-ours@host")
        with pytest.raises(ValidationError) as raised:
            Settings(port=-1)
        assert "secret" not in f"{raised.value} {raised.value!r}"


def test_a_status_is_over_or_not() -> None:
    """Two of them are not."""
    live = [each for each in TaskStatus if not each.is_over]

    assert live == [TaskStatus.PENDING, TaskStatus.RUNNING]
    assert set(METHODS) == set(TaskType) - {TaskType.COMPARE}


@pytest.mark.parametrize(
    ("program", "unwanted"),
    [
        ("import cotality, cotality.core.utils.process", "pydantic,fastapi,sqlalchemy"),
        ("import cotality.jobs, cotality.tuning", "pydantic,fastapi,sqlalchemy"),
        ("import cotality.web", "pydantic,fastapi,sqlalchemy,asyncio"),
        # A worker process does items: it waits for nothing that only servers need.
        ("from cotality.web._web.parts.items import do_item", "pydantic,sqlalchemy"),
        ("import cotality.web.work", "fastapi,starlette,uvicorn"),
    ],
)
def test_little_is_loaded(program: str, unwanted: str, tmp_path: Path) -> None:
    """What a program does not use it does not wait for."""
    names = unwanted.split(",")
    code = f"{program}\nimport sys\nprint(sorted({{*{names}}} & {{*sys.modules}}))"

    ended = subprocess.run(
        [sys.executable, "-c", code],
        env=environment_of_scripts(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=LONG_S,
    )

    assert (ended.stdout, ended.stderr) == ("[]\n", "")
