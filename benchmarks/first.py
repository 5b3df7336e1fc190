"""Two calls of a program that has imported nothing: ``python first.py CONTENDER``.

Prints the milliseconds that the imports of the contender take, and its first call.
"""

import json
import sys
import time
from functools import partial

NUMBERS = [-1, -2]


# Each of these imports what it needs, and returns its call.


def ours(*, processes):
    from cotality import pmap

    return lambda: pmap(abs, NUMBERS, workers=2, processes=processes)


def our_tasks():
    from cotality.core.utils.process import Task, execute_tasks_in_parallel

    def call():
        tasks = [Task.of(abs, number) for number in NUMBERS]
        return execute_tasks_in_parallel(tasks, max_workers=2, use_processes=True)

    return call


def bare_fork_server():
    """One process that answers, and nothing around it."""
    import multiprocessing

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([])

    def call():
        ours, theirs = context.Pipe()
        process = context.Process(target=answer, args=(theirs,))
        process.start()
        theirs.close()
        ours.send((abs, NUMBERS))
        results = ours.recv()
        process.join()
        return results

    return call


def answer(link):
    function, items = link.recv()
    link.send([function(item) for item in items])


def process_pool(method=None):
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    def call():
        with ProcessPoolExecutor(2, mp_context=get_context(method)) as pool:
            return list(pool.map(abs, NUMBERS))

    return call


def thread_pool():
    from concurrent.futures import ThreadPoolExecutor

    def call():
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(abs, NUMBERS))

    return call


def multiprocessing_pool():
    from multiprocessing import Pool

    def call():
        with Pool(2) as pool:
            answers = [pool.apply_async(abs, (number,)) for number in NUMBERS]
            return [answer.get() for answer in answers]

    return call


def joblib(**options):
    from joblib import Parallel, delayed

    def call():
        run = Parallel(n_jobs=2, **options)
        return run(delayed(abs)(number) for number in NUMBERS)

    return call


def loky():
    from loky import get_reusable_executor

    def call():
        executor = get_reusable_executor(2)
        futures = [executor.submit(abs, number) for number in NUMBERS]
        return [future.result() for future in futures]

    return call


def mpire():
    from mpire import WorkerPool

    def call():
        with WorkerPool(2) as pool:
            return pool.map(abs, NUMBERS)

    return call


def pebble():
    from pebble import ProcessPool

    def call():
        with ProcessPool(2) as pool:
            futures = [pool.schedule(abs, args=[number]) for number in NUMBERS]
            return [future.result() for future in futures]

    return call


CONTENDERS = {
    "processes": partial(ours, processes=True),
    "threads": partial(ours, processes=False),
    "tasks": our_tasks,
    "bare fork server": bare_fork_server,
    "fork server pool": partial(process_pool, "forkserver"),
    "process pool": process_pool,
    "thread pool": thread_pool,
    "multiprocessing pool": multiprocessing_pool,
    "joblib": joblib,
    "joblib threads": partial(joblib, backend="threading"),
    "loky": loky,
    "mpire": mpire,
    "pebble": pebble,
}


if __name__ == "__main__":
    contender = CONTENDERS[sys.argv[1]]
    began = time.perf_counter()
    call = contender()
    imported = time.perf_counter()
    results = call()
    ended = time.perf_counter()
    assert results == [1, 2], results
    print(json.dumps([1e3 * (imported - began), 1e3 * (ended - imported)]))
