"""What the service is told from outside, by arguments or by the environment."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from cotality._kit.public import public_in
from cotality._kit.safe_text import printable

PREFIX = "COTALITY_WEB_"
REDIS_SCHEMES = ("redis://", "rediss://", "unix://")


@public_in("cotality.web")
class Settings(BaseSettings):
    """All settings, each also by ``COTALITY_WEB_`` and its name in capitals.

    With the defaults, the service needs no other server and answers only this machine.

    Raises:
        ValueError: A value is not allowed; or a variable with this prefix names no
            setting, and so would have no effect.

    Attributes:
        state_dir: The folder of all that the service keeps in files.
        store_url: Where tasks and their results are: ``sqlite:///tasks.db``, or
            ``postgresql://user@host/name``; None for a file in *state_dir*.
        db_url: The database that each item asks, any that SQLAlchemy knows; None for a
            SQLite file in *state_dir* that the service fills itself.
        redis_url: The cache; None for one in each process.
        workers: ``"inside"``: the service starts the worker of its tasks, and another
            one if that dies. ``"outside"``: you run
            ``python -m cotality.jobs worker cotality.web.work:jobs``.
        tasks_at_once: How many tasks run at a time; others wait.
        queue_limit: How many tasks may wait or run in all.
        tasks_per_owner: How many of these may belong to one key.
        keep_s: For how many seconds a task is kept after its end.
        sync_limit_s: For how many seconds a request waits for the end of its task.
        db_delay_s: Seconds that a query takes in addition, unless a task says
            otherwise.
        compare_budget_s: For how many seconds a comparison measures, unless it says
            otherwise.
        grace_s: Seconds that tasks get to end when their worker is stopped; the next
            worker continues those that did not end.
        host: The address to listen to.
        port: The port to listen to.
        api_keys: The valid keys, each as ``name:secret``; in the environment with
            commas between them. Each request has to have one. Without keys, only
            requests from this machine are answered.
        allowed_hosts: Names of the service in URLs, besides ``localhost`` and addresses
            of this machine. Requests to other names are refused. With keys and without
            this setting, every name is accepted.
        rate_per_minute: How many requests of one key are answered in a minute.
        rate_url: Where requests are counted, such as ``redis://host``; None counts in
            each process separately.
        body_limit: How many bytes the body of a request may have.
        body_limit_s: Within how many seconds the body has to arrive.
        streams: How many streams of events one process serves at a time.
        stream_s: Seconds after which a stream ends, and its client connects again.
        heartbeat_s: Seconds after which a stream of events says that it is alive.
    """

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        env_prefix=PREFIX,
        extra="forbid",
        frozen=True,
        # Who says what is wrong with one would say the others as well, keys among them.
        hide_input_in_errors=True,
    )

    state_dir: Path = Path("cotality-web")
    store_url: str | None = None
    db_url: str | None = None
    redis_url: str | None = None
    workers: Literal["inside", "outside"] = "inside"
    tasks_at_once: int = Field(default=4, ge=1, le=64)
    queue_limit: int = Field(default=100, ge=1, le=10_000)
    tasks_per_owner: int = Field(default=20, ge=1, le=10_000)
    keep_s: float = Field(default=7 * 86_400.0, ge=0, allow_inf_nan=False)
    sync_limit_s: float = Field(default=10.0, ge=0, le=3600)
    db_delay_s: float = Field(default=1.0, ge=0, le=60)
    compare_budget_s: float = Field(default=20.0, gt=0, le=3600)
    grace_s: float = Field(default=0.5, ge=0, le=3600)

    host: str = "127.0.0.1"
    port: int = Field(default=8001, ge=0, le=65_535)
    api_keys: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    rate_per_minute: int = Field(default=100, ge=1)
    rate_url: str | None = None
    body_limit: int = Field(default=65_536, ge=1)
    body_limit_s: float = Field(default=10.0, gt=0, le=3600)
    streams: int = Field(default=200, ge=1, le=10_000)
    stream_s: float = Field(default=3600.0, gt=0, allow_inf_nan=False)
    heartbeat_s: float = Field(default=15.0, gt=0, le=3600)

    @model_validator(mode="before")
    @classmethod
    def knows_all(cls, given: object) -> object:
        """See that all variables of the environment name settings."""
        if faults := unknown_in(os.environ, cls.model_fields):
            raise ValueError("; ".join(faults))
        return given

    @field_validator("redis_url", "rate_url")
    @classmethod
    def of_redis(cls, given: str | None) -> str | None:
        """A URL that its client takes; what it is has a password, and is not told."""
        if given is None or given.startswith(REDIS_SCHEMES):
            return given
        raise ValueError(f"it must begin with {' or '.join(REDIS_SCHEMES)}")

    @field_validator("db_url")
    @classmethod
    def of_database(cls, given: str | None) -> str | None:
        """Something that may be a URL."""
        if given is None or re.match(r"[a-z][a-z0-9_+]*://", given):
            return given
        raise ValueError(
            "it must be a URL, such as postgresql+psycopg://user@host/name"
        )

    @field_validator("api_keys", "allowed_hosts", mode="before")
    @classmethod
    def between_commas(cls, given: object) -> object:
        """What stands in one text, as the environment has it."""
        if not isinstance(given, str):
            return given
        return tuple(part for each in given.split(",") if (part := each.strip()))

    @property
    def store(self) -> str:
        """The URL of the store, also where none was given."""
        if self.store_url is not None:
            return self.store_url
        return sqlite_url(self.state_dir / "tasks.db")

    @property
    def store_file(self) -> Path | None:
        """The file of the store; None if it is a server."""
        scheme, _, name = self.store.partition(":///")
        return Path(name).absolute() if scheme.startswith("sqlite") else None

    @property
    def database(self) -> str:
        """The URL of the database that items ask, also where none was given."""
        if self.db_url is not None:
            return self.db_url
        return sqlite_url(self.state_dir / "measurements.db")

    @property
    def worker_lock(self) -> Path:
        """The file whose lock the one worker of this store on this machine holds."""
        file = self.store_file
        if file is not None:
            return file.with_name(f"{file.name}.worker.lock")
        digest = hashlib.sha256(self.store.encode()).hexdigest()[:16]
        return self.state_dir.absolute() / f"{digest}.worker.lock"


def sqlite_url(file: Path) -> str:
    return f"sqlite:///{file.absolute().as_posix()}"


def unknown_in(
    environment: Mapping[str, str], known: Mapping[str, object]
) -> list[str]:
    """What is to be said of variables that name no setting; never what they hold."""
    called = {name: name.upper().removeprefix(PREFIX).lower() for name in environment}
    return [
        f"there is no setting {printable(name)}{meant(setting, known)}"
        for name, setting in sorted(called.items())
        if name.upper().startswith(PREFIX) and setting not in known
    ]


def meant(setting: str, known: Mapping[str, object]) -> str:
    close = get_close_matches(setting, known, 1)
    return f": did you mean {PREFIX}{close[0].upper()}?" if close else ""
