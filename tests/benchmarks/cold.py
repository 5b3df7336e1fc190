"""Two tasks in an interpreter that has imported nothing: ``python cold.py CONTENDER``.

Prints the seconds from the first import to the results.
"""

import sys
import time


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


if __name__ == "__main__":
    run = {"cotality": cotality, "joblib": joblib, "standard": standard}[sys.argv[1]]
    began = time.perf_counter()
    results = run()
    took = time.perf_counter() - began
    assert results == [4, 8], results
    print(took)
