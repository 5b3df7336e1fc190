"""The five fields of a cron line as arguments, spelled as Celery spells them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias, cast

from cotality._kit.public import public_in

FieldValue: TypeAlias = "int | str | Iterable[int]"

DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)
SHORT = {name: name[:3] for name in (*DAYS, *MONTHS)}


@public_in("cotality.jobs")
@dataclass(frozen=True, slots=True, init=False)
class crontab:  # noqa: N801  # the word people know from Celery
    """When a schedule is due: at the minutes that all five fields allow.

    Each field is a number, several in a list or set, or a text as in a cron line, such
    as ``"*/15"`` or ``"mon-fri"``. A field that is left out allows everything, so
    ``crontab(hour=2)`` is due sixty times between two and three. Unlike in a cron line,
    ``day_of_month`` and ``day_of_week`` together mean days that match both.

    Args:
        minute: 0 to 59.
        hour: 0 to 23.
        day_of_week: 0 to 6, where 0 is Sunday, or names.
        day_of_month: 1 to 31, or ``"L"`` for the last one.
        month_of_year: 1 to 12, or names.

    Raises:
        TypeError: A field has another type.
    """

    minute: str
    hour: str
    day_of_week: str
    day_of_month: str
    month_of_year: str

    def __init__(
        self,
        minute: FieldValue = "*",
        hour: FieldValue = "*",
        day_of_week: FieldValue = "*",
        day_of_month: FieldValue = "*",
        month_of_year: FieldValue = "*",
    ) -> None:
        # Frozen only for others.
        object.__setattr__(self, "minute", text_of_field("minute", minute))
        object.__setattr__(self, "hour", text_of_field("hour", hour))
        days = text_of_field("day_of_week", day_of_week)
        object.__setattr__(self, "day_of_week", days)
        of_month = text_of_field("day_of_month", day_of_month)
        object.__setattr__(self, "day_of_month", of_month)
        months = text_of_field("month_of_year", month_of_year)
        object.__setattr__(self, "month_of_year", months)

    @property
    def line(self) -> str:
        """The same as a cron line, except for what is said of days above."""
        return (
            f"{self.minute} {self.hour} {self.day_of_month} "
            f"{self.month_of_year} {self.day_of_week}"
        )


def text_of_field(name: str, value: object) -> str:
    """*value* as a field of a cron line."""
    if isinstance(value, str):
        return with_short_names(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, Iterable):
        numbers = list(cast("Iterable[object]", value))
        if numbers and all(type(each) is int for each in numbers):
            return ",".join(map(str, numbers))
    raise TypeError(
        f"{name} must be a number, a list of numbers, or a text such as '*/15', got "
        f"{value!r}"
    )


def with_short_names(text: str) -> str:
    """*text* without blanks, its names of days and months cut to three letters."""
    text = "".join(text.lower().split())
    return re.sub(r"[a-z]{4,}", lambda found: SHORT.get(found[0], found[0]), text)
