"""What becomes of tasks, written down and read: one row each, and their items."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from sqlalchemy import String, bindparam, text

from cotality.web._web.methods.order import Done
from cotality.web._web.models.kinds import TaskType
from cotality.web._web.parts import checksum

from .rows import TaskRow, body_of, items_in, row_from
from .tables import make_tables, now_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from cotality.jobs import Jobs

LONGEST_MESSAGE = 500  # characters
AT_A_TIME = 200  # tasks that are forgotten together
# What is said of a change grows with each one, also when a clock is put back: by this,
# whoever was cut off says what was heard last.
LATER = """
    changed_at = CASE WHEN changed_at < :now THEN :now ELSE changed_at + 0.000003 END
"""


class SupersededError(RuntimeError):
    """Somebody else is at this task by now: what is done here does not count."""


class Results:
    """The results in the store of *jobs*."""

    def __init__(self, jobs: Jobs) -> None:
        self.jobs = jobs

    def prepare(self) -> None:
        """Make the tables that are missing."""
        make_tables(self.jobs)

    # Written by who takes tasks.

    def add(
        self,
        connection: Connection,
        task_id: str,
        *,
        owner: str,
        kind: TaskType,
        method: TaskType | None,
        config: Mapping[str, Any],  # Any: of JSON
        total: int,
    ) -> None:
        """A task that is new, in the transaction in which its job is enqueued."""
        now = now_of(connection)
        connection.execute(
            text(
                """
                INSERT INTO cotality_web_tasks (
                    task_id, owner, kind, method, config, total, done, failed, deaths,
                    runs, checksum, message, created_at, changed_at
                ) VALUES (
                    :task_id, :owner, :kind, :method, :config, :total, 0, 0, 0,
                    0, :checksum, '', :now, :now
                )
                """
            ),
            {
                "task_id": task_id,
                "owner": owner,
                "kind": kind,
                "method": method,
                "config": json.dumps(config),
                "total": total,
                "checksum": checksum.as_text(checksum.NOTHING),
                "now": now,
            },
        )

    # Written by who does them.

    def begin(
        self,
        task_id: str,
        message: str = "",
        *,
        anew: bool = False,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> TaskRow:
        """It begins, or goes on after what is done already.

        Args:
            task_id: Which one.
            message: What is to be said of it.
            anew: Whether nothing counts of what was done before.
            is_wanted: Whether this run still counts; asked when nobody else can write
                any more.

        Raises:
            SupersededError: It does not, or the task was forgotten.
        """
        with self.jobs.transaction() as connection:
            if not is_wanted():
                raise superseded(task_id)
            found = connection.execute(
                text(
                    f"""
                    UPDATE cotality_web_tasks SET runs = runs + 1, message = :message,
                        started_at = COALESCE(started_at, :now), {LATER}
                        {", done = 0" if anew else ""}
                    WHERE task_id = :task_id RETURNING *
                    """
                ),
                {
                    "task_id": task_id,
                    "now": now_of(connection),
                    "message": message[:LONGEST_MESSAGE],
                },
            )
            return checked(found.mappings().first(), task_id)

    def add_portion(
        self,
        row: TaskRow,
        items: Sequence[Done],
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> TaskRow:
        """Items that follow one another, after all that are there.

        Args:
            row: The task, as its last portion has left it.
            items: What to add.
            is_wanted: Whether anybody still wants them; asked when nobody else can
                write any more.

        Raises:
            SupersededError: It is not like that any more: somebody else is at it.
        """
        sums = [checksum.sum_of(done.item, done.value) for done in items]
        total = checksum.added([checksum.from_text(row.checksum), *sums])
        with self.jobs.transaction() as connection:
            if not is_wanted():
                raise superseded(row.task_id)
            found = connection.execute(
                text(
                    f"""
                    UPDATE cotality_web_tasks SET done = done + :many,
                        failed = failed + :failed, deaths = deaths + :deaths,
                        checksum = :checksum, {LATER}
                    WHERE task_id = :task_id AND done = :first AND runs = :runs
                    RETURNING *
                    """
                ),
                {
                    "task_id": row.task_id,
                    "first": row.done,
                    "runs": row.runs,
                    "many": len(items),
                    "failed": sum(done.value is None for done in items),
                    "deaths": sum(done.deaths for done in items),
                    "checksum": checksum.as_text(total),
                    "now": now_of(connection),
                },
            )
            after = checked(found.mappings().first(), row.task_id)
            connection.execute(
                text(
                    "INSERT INTO cotality_web_portions (task_id, first, many, body) "
                    "VALUES (:task_id, :first, :many, :body)"
                ),
                {
                    "task_id": row.task_id,
                    "first": row.done,
                    "many": len(items),
                    "body": body_of(items),
                },
            )
            return after

    def say(
        self,
        row: TaskRow,
        *,
        done: int | None = None,
        total: int | None = None,
        message: str | None = None,
        outcome: str | None = None,
    ) -> None:
        """How far a task is that has no items, and what it has found.

        Raises:
            SupersededError: It was forgotten, or somebody else is at it.
        """
        given = {"done": done, "total": total, "message": message, "outcome": outcome}
        fields = {name: value for name, value in given.items() if value is not None}
        changes = "".join(f"{name} = :{name}, " for name in fields)
        with self.jobs.transaction() as connection:
            found = connection.execute(
                text(
                    f"UPDATE cotality_web_tasks SET {changes} {LATER} "
                    f"WHERE task_id = :task_id AND runs = :runs RETURNING *"
                ),
                {
                    **fields,
                    "task_id": row.task_id,
                    "runs": row.runs,
                    "now": now_of(connection),
                },
            )
            checked(found.mappings().first(), row.task_id)

    # Read by who asks.

    def row(self, connection: Connection, task_id: str) -> TaskRow | None:
        found = connection.execute(
            text("SELECT * FROM cotality_web_tasks WHERE task_id = :task_id"),
            {"task_id": task_id},
        )
        row = found.mappings().first()
        return None if row is None else row_from({**row})

    def look(self, task_id: str) -> TaskRow | None:
        """A task; None if there is none."""
        with self.jobs.reading() as connection:
            return self.row(connection, task_id)

    def several(self, task_ids: Iterable[str]) -> dict[str, TaskRow]:
        """Those of these tasks that there are."""
        statement = text("SELECT * FROM cotality_web_tasks WHERE task_id IN :ids")
        with self.jobs.reading() as connection:
            found = connection.execute(
                statement.bindparams(ids_of_tasks()),
                {"ids": [*task_ids]},
            )
            rows = [row_from({**row}) for row in found.mappings()]
        return {row.task_id: row for row in rows}

    def items(self, task_id: str, start: int, limit: int) -> list[Done]:
        """Items of a task by their index, from *start* on; at most *limit*."""
        statement = text(
            """
            SELECT first, body FROM cotality_web_portions
            WHERE task_id = :task_id AND first + many > :start AND first < :end
            ORDER BY first
            """
        )
        with self.jobs.reading() as connection:
            found = connection.execute(
                statement, {"task_id": task_id, "start": start, "end": start + limit}
            )
            portions = [(row.first, row.body) for row in found]
        items = (
            done
            for first, body in portions
            for done in items_in(body, first)
            if done.item >= start
        )
        return list(islice(items, limit))

    def older_than(self, age_s: float, after: str = "") -> list[str]:
        """Ids of tasks that were taken at least *age_s* seconds ago, in their order."""
        with self.jobs.reading() as connection:
            found = connection.execute(
                text(
                    "SELECT task_id FROM cotality_web_tasks "
                    "WHERE created_at < :then AND task_id > :after "
                    "ORDER BY task_id LIMIT :most"
                ),
                {
                    "then": now_of(connection) - age_s,
                    "after": after,
                    "most": AT_A_TIME,
                },
            )
            return [str(row.task_id) for row in found]

    def forget(self, task_ids: Sequence[str]) -> None:
        """All that is known of these."""
        for begin in range(0, len(task_ids), AT_A_TIME):
            ids = task_ids[begin : begin + AT_A_TIME]
            with self.jobs.transaction() as connection:
                for table in ("cotality_web_portions", "cotality_web_tasks"):
                    statement = text(f"DELETE FROM {table} WHERE task_id IN :ids")
                    connection.execute(
                        statement.bindparams(ids_of_tasks()),
                        {"ids": ids},
                    )


def ids_of_tasks() -> Any:  # Any: a parameter of SQLAlchemy's
    # With its type: Postgres takes an empty list for numbers.
    return bindparam("ids", expanding=True, type_=String)


def checked(found: Any, task_id: str) -> TaskRow:  # Any: a row of SQLAlchemy's
    if found is None:
        raise superseded(task_id)
    return row_from({**found})


def superseded(task_id: str) -> SupersededError:
    return SupersededError(
        f"task {task_id} was cancelled or forgotten, or somebody else is at it by now: "
        f"what is done here does not count"
    )
