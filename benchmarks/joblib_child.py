"""One backend of joblib in a fresh interpreter: ``python joblib_child.py BACKEND``.

Prints the seconds of each case as the last line, in JSON. The first is from the first
import to the results of two tasks; nothing else is imported before that.
"""

import json
import sys
import time

began = time.perf_counter()

import joblib  # noqa: E402  # this is measured
from joblib import Parallel, delayed  # noqa: E402

SAMPLES = 7


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


def millisecond_tasks():
    parallel(delayed(spin)(0.001) for _ in range(400))


def tiny_tasks():
    parallel(delayed(negated)(number) for number in range(20_000))


def array_tasks(array):
    parallel(delayed(total)(array, start) for start in range(12))


def grid_search(data, target):
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    grid = {"C": [0.01, 0.1, 1.0, 10.0]}
    search = GridSearchCV(LogisticRegression(max_iter=20), grid, cv=5)
    search.fit(data, target)


def cross_validation(data, target):
    from sklearn.model_selection import cross_val_score
    from sklearn.tree import DecisionTreeClassifier

    cross_val_score(DecisionTreeClassifier(random_state=0), data, target, cv=10)


def forest(data, target):
    from sklearn.ensemble import RandomForestClassifier

    RandomForestClassifier(60, random_state=0).fit(data, target)


def seconds_of(work, *arguments):
    """Of each of some calls, when the workers are there and know the modules."""
    work(*arguments)
    found = []
    for _ in range(SAMPLES):
        start = time.perf_counter()
        work(*arguments)
        found.append(time.perf_counter() - start)
    return found


def main(backend):
    if backend == "cotality":
        from cotality.joblib import register

        register()
    with joblib.parallel_config(backend, n_jobs=2):
        parallel(delayed(negated)(number) for number in range(2))
        found = {"cold": [time.perf_counter() - began]}
        found["400 x 1 ms"] = seconds_of(millisecond_tasks)
        found["20,000 tiny"] = seconds_of(tiny_tasks)
        import warnings

        import numpy
        from sklearn.datasets import load_digits

        array = numpy.random.default_rng(0).random(6_000_000)
        found["48 MB to 12"] = seconds_of(array_tasks, array)
        warnings.simplefilter("ignore")
        data, target = load_digits(return_X_y=True)
        start = time.perf_counter()
        cross_validation(data, target)
        found["first of scikit-learn"] = [time.perf_counter() - start]
        found["cross_val_score"] = seconds_of(cross_validation, data, target)
        found["GridSearchCV"] = seconds_of(grid_search, data, target)
        found["RandomForest"] = seconds_of(forest, data, target)
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
