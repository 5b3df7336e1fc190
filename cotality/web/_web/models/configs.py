"""What may be asked for, within its limits."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    field_validator,
)

from cotality.core.machine import available_cpus

from .kinds import METHODS, TaskType

MOST_ITEMS = 100_000
LARGEST_BATCH = 10_000
LONGEST_DELAY_S = 60.0
LONGEST_BUDGET_S = 3600.0
# Lines that ask for eight workers work on a small machine as well.
MOST_WORKERS_ANYWHERE, WORKERS_PER_CPU = 16, 4


# By which a background task can be done.
DOING = tuple(each for each in METHODS if each is not TaskType.BACKGROUND)


def most_workers() -> int:
    """How many workers a task may have on this machine."""
    return max(MOST_WORKERS_ANYWHERE, WORKERS_PER_CPU * available_cpus())


def checked_workers(workers: int) -> int:
    most = most_workers()
    if workers > most:
        raise ValueError(f"workers must be at most {most} on this machine")
    return workers


def say_most_workers(schema: dict[str, Any]) -> None:  # Any: of JSON
    schema["maximum"] = most_workers()


def whole(value: object) -> object:
    """The integer that a number of JSON is, which may be written as ``3.0``."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


# Neither texts nor truth values pass for numbers: who sends them means something else.
# What makes them whole stands last, for limits behind it would not be in the schema.
AS_WHOLE = BeforeValidator(whole)
Flag = Annotated[bool, Strict()]
ItemsCount = Annotated[
    int,
    Strict(),
    Field(ge=1, le=MOST_ITEMS, description="How many items to process."),
    AS_WHOLE,
]
BatchSize = Annotated[
    int,
    Strict(),
    Field(
        ge=1,
        le=LARGEST_BATCH,
        description="How many items wait at a time in the batches of `async-batch`.",
    ),
    AS_WHOLE,
]
Workers = Annotated[
    int,
    Strict(),
    Field(
        ge=1,
        json_schema_extra=say_most_workers,
        description="How many threads or processes work at a time.",
    ),
    AfterValidator(checked_workers),
    AS_WHOLE,
]
Delay = Annotated[float, Strict(), Field(ge=0, le=LONGEST_DELAY_S, allow_inf_nan=False)]
Budget = Annotated[
    float,
    Strict(),
    Field(
        gt=0,
        le=LONGEST_BUDGET_S,
        allow_inf_nan=False,
        description="Seconds in which the methods are measured.",
    ),
]


class TaskConfig(BaseModel):
    """What a task works on, and how."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)

    items_count: ItemsCount = 50_000
    batch_size: BatchSize = 5000
    workers: Workers = 4
    simulate_db_delay: Flag = Field(
        default=True, description="Whether each query takes `db_delay_s` in addition."
    )
    simulate_redis_delay: Flag = Field(
        default=True,
        description="Whether each look-up takes `redis_delay_s` in addition.",
    )
    db_delay_s: Delay | None = Field(
        default=None, description="Seconds; as the service is set up, if not given."
    )
    redis_delay_s: Delay | None = Field(
        default=None,
        description="Seconds; if not given, 1 to 10 ms, the same for the same item.",
    )
    method: TaskType = Field(
        default=TaskType.AUTO,
        json_schema_extra={"enum": [*DOING]},
        description="By which method a background task is done.",
    )

    @field_validator("method")
    @classmethod
    def is_a_method(cls, method: TaskType) -> TaskType:
        """A background task is done by one of the others."""
        if method not in DOING:
            raise ValueError("a background task is done by one of the other methods")
        return method


class CompareConfig(TaskConfig):
    """What methods are compared on."""

    items_count: ItemsCount = 1000
    budget_s: Budget | None = None
