"""The first call of a program that has imported nothing: ``python first.py CONTENDER``.

Prints the milliseconds that the import of the contender takes, and its first call.
"""

import json
import sys
import time

NUMBERS = [-1, -2]


class Ours:
    def __init__(self, *, processes):
        from cotality import pmap

        self.pmap, self.processes = pmap, processes

    def call(self):
        return self.pmap(abs, NUMBERS, workers=2, processes=self.processes)


class Processes(Ours):
    def __init__(self):
        super().__init__(processes=True)


class Threads(Ours):
    def __init__(self):
        super().__init__(processes=False)


class ForkServer:
    """One process that answers, and nothing around it."""

    def __init__(self):
        import multiprocessing

        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload([])

    def call(self):
        ours, theirs = self.context.Pipe()
        process = self.context.Process(target=answer, args=(theirs,))
        process.start()
        theirs.close()
        ours.send((abs, NUMBERS))
        results = ours.recv()
        process.join()
        return results


def answer(link):
    function, items = link.recv()
    link.send([function(item) for item in items])


class ForkServerPool:
    def __init__(self):
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context

        self.open, self.context = ProcessPoolExecutor, get_context("forkserver")

    def call(self):
        with self.open(2, mp_context=self.context) as pool:
            return list(pool.map(abs, NUMBERS))


class Loky:
    def __init__(self):
        from loky import get_reusable_executor

        self.executor = get_reusable_executor

    def call(self):
        return list(self.executor(2).map(abs, NUMBERS))


class ThreadPool:
    def __init__(self):
        from concurrent.futures import ThreadPoolExecutor

        self.open = ThreadPoolExecutor

    def call(self):
        with self.open(2) as pool:
            return list(pool.map(abs, NUMBERS))


class JoblibThreads:
    def __init__(self):
        from joblib import Parallel, delayed

        self.parallel, self.delayed = Parallel, delayed

    def call(self):
        run = self.parallel(n_jobs=2, backend="threading")
        return run(self.delayed(abs)(number) for number in NUMBERS)


if __name__ == "__main__":
    on_processes = [Processes, ForkServer, ForkServerPool, Loky]
    on_threads = [Threads, ThreadPool, JoblibThreads]
    ways = {each.__name__: each for each in [*on_processes, *on_threads]}
    way = ways[sys.argv[1]]
    began = time.perf_counter()
    made = way()
    imported = time.perf_counter()
    results = made.call()
    ended = time.perf_counter()
    assert results == [1, 2], results
    print(json.dumps([1e3 * (imported - began), 1e3 * (ended - imported)]))
