"""What was measured on this machine is kept in the store, for all who ask."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import text

from cotality.web._web.comparing.figures import (
    Figures,
    Pace,
    as_plain,
    from_plain,
    machine_name,
    measured,
)
from cotality.web._web.models.kinds import TaskType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cotality.jobs import Jobs
    from cotality.web._web.settings.settings import Settings

LONGEST_S = 86_400.0  # after which they are measured again


def figures_here(jobs: Jobs, settings: Settings) -> Figures:
    """Those of this machine; measured now, if they are not known or old."""
    known = known_figures(jobs)
    if known is not None and time.time() - known.measured_at < LONGEST_S:
        return known
    found = measured(settings.database, settings.redis_url)
    if known is not None:
        found = replace(found, paces=known.paces, compared_at=known.compared_at)
    keep(jobs, found)
    return found


def known_figures(jobs: Jobs) -> Figures | None:
    """Those that were measured on this machine."""
    with jobs.reading() as connection:
        found = connection.execute(
            text("SELECT body FROM cotality_web_figures WHERE machine = :machine"),
            {"machine": machine_name()},
        ).scalar()
    return None if found is None else from_plain(json.loads(found))


def keep_paces(jobs: Jobs, figures: Figures, paces: Mapping[TaskType, Pace]) -> None:
    """Keep what a comparison has found of the methods."""
    keep(jobs, replace(figures, paces=paces, compared_at=time.time()))


def keep(jobs: Jobs, figures: Figures) -> None:
    with jobs.transaction() as connection:
        connection.execute(
            text(
                """
                INSERT INTO cotality_web_figures (machine, body, measured_at)
                VALUES (:machine, :body, :measured_at)
                ON CONFLICT (machine) DO UPDATE SET body = excluded.body,
                    measured_at = excluded.measured_at
                """
            ),
            {
                "machine": figures.name,
                "body": json.dumps(as_plain(figures)),
                "measured_at": figures.measured_at,
            },
        )
