"""How :mod:`cotality.web` works inside: a folder of rooms, from the top down.

* ``python -m cotality.web``: `cli`; the service as a whole: `app`;
* what is asked for over HTTP: `routes`; what people look at in a browser: `page`;
  answers that take their time: `events`; who is answered at all: `guard`;
* what the routes call: the `desk`;
* the functions of the jobs, where their results are, and who keeps the worker: `work`;
* methods measured against each other: `comparing`; the `methods` themselves;
* what an item is made of, on real parts: `parts`;
* what is said to the outside, `models`, and from the outside, `settings`.
"""
