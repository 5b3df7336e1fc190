"""The tests of `cotality`. What runs in a worker process is in `tests.kit.helpers`.

Or beside the test. Then a worker imports a module of tests, but neither pytest nor
hypothesis for it: see `tests.kit.stand_ins`.
"""

import sys

# Whether tests run here: not in a worker, nor in a program that a test has started.
IN_PYTEST = "pytest" in sys.modules

if not IN_PYTEST:
    from tests.kit.stand_ins import PytestStandIn

    sys.modules["pytest"] = PytestStandIn("pytest")
