"""One backend of joblib in a fresh interpreter: ``python joblib_child.py BACKEND``.

Prints the seconds from the first import to the results of two tasks; nothing else is
imported before that. Then it reads names of cases, and prints the seconds that each
takes once.
"""

import sys
import time

began = time.perf_counter()

import joblib  # noqa: E402  # this is measured
from joblib import Parallel, delayed  # noqa: E402


def spin(seconds):
    """Compute for so long, of CPU time."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def negated(number):
    return -number


def total(array, start):
    return float(array[start::12].sum())


def parallel(calls):
    return Parallel()(calls)


class Data:
    """What the cases work on, made before it is measured."""

    array = data = target = None


def prepare():
    import warnings

    import numpy
    from sklearn.datasets import load_digits

    warnings.simplefilter("ignore")
    Data.array = numpy.random.default_rng(0).random(6_000_000)
    Data.data, Data.target = load_digits(return_X_y=True)


def small():
    parallel(delayed(negated)(number) for number in range(4))


def milliseconds():
    parallel(delayed(spin)(0.001) for _ in range(400))


def tiny():
    parallel(delayed(negated)(number) for number in range(20_000))


def array():
    parallel(delayed(total)(Data.array, start) for start in range(12))


def grid():
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    grid = {"C": [0.01, 0.1, 1.0, 10.0]}
    search = GridSearchCV(LogisticRegression(max_iter=20), grid, cv=5)
    search.fit(Data.data, Data.target)


def validation():
    from sklearn.model_selection import cross_val_score
    from sklearn.tree import DecisionTreeClassifier

    tree = DecisionTreeClassifier(random_state=0)
    cross_val_score(tree, Data.data, Data.target, cv=10)


def forest():
    from sklearn.ensemble import RandomForestClassifier

    RandomForestClassifier(60, random_state=0).fit(Data.data, Data.target)


CASES = {
    work.__name__: work
    for work in (small, milliseconds, tiny, array, validation, grid, forest)
}


def main(backend):
    if backend == "cotality":
        from cotality.joblib import register

        register()
    with joblib.parallel_config(backend, n_jobs=2):
        parallel(delayed(negated)(number) for number in range(2))
        print(time.perf_counter() - began, flush=True)
        prepare()
        for line in sys.stdin:
            start = time.perf_counter()
            CASES[line.strip()]()
            print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
