"""The table that is asked: made where it is missing, with the same rows everywhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .database import SENSORS, connect_args
from .sqlite_file import file_of

if TYPE_CHECKING:
    from sqlalchemy import Engine

READINGS = 10  # of each sensor
TRIES, PAUSE_S = 20, 0.1  # to make the table while others do

TABLE = """
CREATE TABLE IF NOT EXISTS cotality_measurements (
    sensor INTEGER NOT NULL,
    number INTEGER NOT NULL,
    reading INTEGER NOT NULL,
    PRIMARY KEY (sensor, number)
)
"""
ADD = """
INSERT INTO cotality_measurements (sensor, number, reading)
VALUES (:sensor, :number, :reading)
"""


def prepare(url: str) -> None:
    """Make the table and its rows, where they are missing.

    Several processes may do so at once.

    Raises:
        SQLAlchemyError: The database cannot be reached, or refuses.
    """
    from sqlalchemy import create_engine
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.pool import NullPool

    file = file_of(url)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args=connect_args(url), poolclass=NullPool)
    try:
        engine.connect().close()  # what cannot be reached is not tried again
        for left in reversed(range(TRIES)):
            try:
                if not is_filled(engine):
                    fill(engine)
                return
            except DBAPIError:
                # Somebody else may make it at the same time, and be a moment ahead.
                if not left:
                    raise
                time.sleep(PAUSE_S)
    finally:
        engine.dispose()


def is_filled(engine: Engine) -> bool:
    from sqlalchemy import inspect, text

    if not inspect(engine).has_table("cotality_measurements"):
        return False
    with engine.connect() as connection:
        found = connection.execute(text("SELECT 1 FROM cotality_measurements LIMIT 1"))
        return found.first() is not None


def fill(engine: Engine) -> None:
    from sqlalchemy import text

    rows = [
        {"sensor": sensor, "number": number, "reading": reading(sensor, number)}
        for sensor in range(SENSORS)
        for number in range(READINGS)
    ]
    with engine.begin() as connection:
        connection.execute(text(TABLE))
        connection.execute(text(ADD), rows)


def reading(sensor: int, number: int) -> int:
    """What a sensor has read, the same on every machine."""
    return (sensor * 7919 + number * 104_729) % 1000
