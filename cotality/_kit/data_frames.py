"""Whether something is a data frame, of whichever library."""

from __future__ import annotations


def is_data_frame(thing: object) -> bool:
    """Whether *thing* has columns, and so is looped over by them and not by its rows.

    Its class is asked, which runs no code of its own: pandas, polars, pyarrow and what
    is made like them say ``columns`` and ``dtypes`` or ``schema``.
    """
    kind = type(thing)
    return hasattr(kind, "columns") and (
        hasattr(kind, "dtypes") or hasattr(kind, "schema")
    )
