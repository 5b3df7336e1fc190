"""The tests of `cotality`, in rooms; the `__init__` of each says what it is about.

`rules`, `calls`, `processes`, `durable` and `watching` are about the core; `tuning`,
`flow`, `jobs`, `joblib` and `web` about a floor each; `house` about the package as a
whole; `typing` is read by type checkers. `kit` is what several of them use, and
`compare` tries random programs against a model.

What runs in a worker process is in `tests.kit.helpers`, or beside the test. Then a
worker imports a module of tests, but neither pytest nor hypothesis for it: see
`tests.kit.stand_ins`.
"""

import sys

# Whether tests run here: not in a worker, nor in a program that a test has started.
IN_PYTEST = "pytest" in sys.modules

if not IN_PYTEST:
    from tests.kit.stand_ins import PytestStandIn

    sys.modules["pytest"] = PytestStandIn("pytest")
