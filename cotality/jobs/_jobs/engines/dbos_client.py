"""A client of DBOS, and what our tickets are called there."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from cotality.jobs._jobs.errors.errors import StoreError
from cotality.jobs._jobs.store.database import Database

if TYPE_CHECKING:
    from dbos import DBOSClient

NAME = "cotality_jobs"  # of the application, as DBOS calls it
WORKFLOW = "cotality.jobs.run"
# Of the form of a ticket, not of anybody's code: a job that waits while a new release
# is rolled out has to find a worker.
FORM = "cotality-jobs-1"


def made_client(database: Database) -> DBOSClient:
    try:
        from dbos import DBOSClient
    except ModuleNotFoundError as error:
        if error.name != "dbos":
            raise
        raise StoreError(
            "engine='dbos' needs DBOS: pip install 'cotality[jobs-dbos]'"
        ) from error
    from .plain_json import PlainJson

    logging.getLogger("dbos").setLevel(logging.ERROR)
    return DBOSClient(
        system_database_engine=database.engine,
        serializer=PlainJson(),
        application_name=NAME,
        retry_connection_errors=False,
        lazy=True,
    )
