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
# Written by docs/write_stubs.py: a change here is lost.

from cotality.joblib._joblib.backend import CotalityBackend as CotalityBackend
from cotality.joblib._joblib.register import register as register

__all__ = ["CotalityBackend", "register"]
