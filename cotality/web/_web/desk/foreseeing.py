"""What a task will take, and what is best for what, from what was measured here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cotality.web._web.comparing.advising import recommended
from cotality.web._web.comparing.figures import Figures
from cotality.web._web.comparing.reckoning import PICKUP_S, estimated
from cotality.web._web.models.advice import Recommendations
from cotality.web._web.models.configs import CompareConfig, TaskConfig
from cotality.web._web.models.kinds import METHODS, TaskStatus, TaskType
from cotality.web._web.settings.settings import Settings
from cotality.web._web.work.orders import config_from, order_of

from .standing import Standing
from .taking import method_of

SHORTEST_RETRY_S, LONGEST_RETRY_S = 1.0, 60.0


class Foreseeing:
    """Knows what was measured, and what waits; both as they were a moment ago."""

    settings: Settings
    figures: Figures

    def __init__(self, settings: Settings, figures: Figures) -> None:
        self.settings, self.figures = settings, figures
        self.live: Sequence[Standing] = ()

    def alone(self, kind: TaskType, config: TaskConfig) -> float:
        """Seconds that a task takes, if nothing else runs."""
        order = order_of(self.settings, config)
        method = method_of(kind, config)
        if method is not None:
            return estimated(method, self.figures, order)
        budget = config.budget_s if isinstance(config, CompareConfig) else None
        few = replace(order, total=min(order.workers, order.total))
        least = sum(estimated(each, self.figures, few) for each in METHODS)
        return max(budget or self.settings.compare_budget_s, least)

    def until_over(self, kind: TaskType, config: TaskConfig) -> float:
        """Seconds until it would be over, with what waits before it."""
        return self.until_begun() + PICKUP_S + self.alone(kind, config)

    def until_begun(self) -> float:
        places = self.settings.tasks_at_once
        if len(self.live) < places:
            return 0.0
        return sum(map(self.left_of, self.live)) / places

    def left_of(self, standing: Standing) -> float:
        """Seconds that this task will still take."""
        row = standing.row
        whole = self.alone(row.kind, config_from(row.kind, row.config))
        return whole * max(0.0, 1 - row.done / row.total)

    def first_free(self, live: Sequence[Standing]) -> float:
        """Seconds until one of these may be over."""
        running = [each for each in live if each.status == TaskStatus.RUNNING]
        soonest = min(map(self.left_of, running or live), default=0.0)
        return min(LONGEST_RETRY_S, max(SHORTEST_RETRY_S, soonest))

    def recommendations(self) -> Recommendations:
        return recommended(self.figures, lambda config: order_of(self.settings, config))
