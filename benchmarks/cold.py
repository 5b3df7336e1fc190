"""Two tasks in an interpreter that has imported nothing: ``python cold.py CONTENDER``.

Prints the seconds from the first import to the results.
"""

import sys
import time

TWO = [{"base": 2, "exp": 2}, {"base": 2, "exp": 3}]


def cotality():
    from cotality.core.utils.process import Task, execute_tasks_in_parallel

    tasks = [Task(pow, {"base": 2, "exp": exp}) for exp in (2, 3)]
    return execute_tasks_in_parallel(tasks, max_workers=2, use_processes=True)


def joblib():
    from joblib import Parallel, delayed

    return Parallel(n_jobs=2)(delayed(pow)(base=2, exp=exp) for exp in (2, 3))


def standard():
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(2) as pool:
        futures = [pool.submit(pow, base=2, exp=exp) for exp in (2, 3)]
        return [future.result() for future in futures]


def pool():
    from multiprocessing import Pool

    with Pool(2) as workers:
        answers = [workers.apply_async(pow, (), two) for two in TWO]
        return [answer.get() for answer in answers]


def loky():
    from loky import get_reusable_executor

    executor = get_reusable_executor(2)
    return [future.result() for future in [executor.submit(pow, **two) for two in TWO]]


def mpire():
    from mpire import WorkerPool

    with WorkerPool(2) as workers:
        return workers.map(pow, TWO)


def pebble():
    from pebble import ProcessPool

    with ProcessPool(2) as workers:
        futures = [workers.schedule(pow, kwargs=two) for two in TWO]
        return [future.result() for future in futures]


if __name__ == "__main__":
    ways = [cotality, joblib, standard, pool, loky, mpire, pebble]
    run = {way.__name__: way for way in ways}[sys.argv[1]]
    began = time.perf_counter()
    results = run()
    took = time.perf_counter() - began
    assert results == [4, 8], results
    print(took)
