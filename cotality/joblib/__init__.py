"""What uses joblib runs on our workers: scikit-learn's ``n_jobs``, and your own calls.

:func:`register` makes the backend ``"cotality"`` known to joblib:

    from cotality.joblib import register
    from joblib import parallel_config

    register()
    with parallel_config("cotality", n_jobs=-1):
        search.fit(X, y)

With ``register(default=True)`` no ``with`` is needed: it is the backend of all calls
that name none. A :class:`CotalityBackend` can also be given by itself.

A worker that dies costs the call one error, which names the task; the next call works.
Large arrays are sent once for a call, and tasks may write to them. An exception has the
frames of its worker. Needs joblib: ``pip install 'cotality[joblib]'``.
"""

from cotality._kit.front_door import front_door

# Type checkers take a variable of this name for true; the one in `typing` would have
# every program wait for `typing`.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from ._joblib.backend import CotalityBackend
    from ._joblib.register import register

__all__ = [
    "CotalityBackend",
    "register",
]

# Where each of them is, which is imported when somebody asks for it.
LATER = {
    "CotalityBackend": "backend",
    "register": "register",
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = front_door(globals(), "cotality.joblib._joblib", LATER)
