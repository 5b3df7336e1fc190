"""What threads that use one shared pool do to each other between two steps."""

import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from cotality.core.utils._process.workers.lending.shared_pool import Loan, SharedPool
from cotality.core.utils._process.workers.pool import Pool


@pytest.fixture
def keeper() -> Iterator[SharedPool]:
    """One whose pools never have a thread or a worker."""
    keeper = SharedPool(2)
    yield keeper
    keeper.shut_down(0.0)


def before(
    monkeypatch: pytest.MonkeyPatch,
    thing: object,
    name: str,
    happens: Callable[[], object],
) -> None:
    """Let something else happen before *thing* does *name* next, once."""
    method, todo = getattr(thing, name), [happens]

    def changed(*given: object, **named: object) -> object:
        if todo:
            todo.pop()()
        return method(*given, **named)

    monkeypatch.setattr(thing, name, changed)


class ReplacedMeanwhile(list[Pool]):
    """Another thread adds *late* when this one has just read the others."""

    def __init__(self, pools: list[Pool], late: Pool) -> None:
        super().__init__(pools)
        self.late = [late]

    def __iter__(self) -> Iterator[Pool]:
        yield from self.copy()
        while self.late:
            self.append(self.late.pop())


def test_a_pool_that_is_replaced_meanwhile_is_closed_as_well(
    keeper: SharedPool,
) -> None:
    """Another thread replaces one while this one lets go of others."""
    first, second = (Pool(2, keeper.plan, for_calls=True) for _ in range(2))
    keeper.replaced = ReplacedMeanwhile([first], second)
    keeper.close_replaced()
    list(keeper.replaced)
    keeper.close_replaced()

    assert first.is_closing
    assert second.is_closing


def test_two_calls_that_end_at_once_do_not_park_the_pool_of_a_third(
    keeper: SharedPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slower one of them parks it when the third has it already."""
    slow, quick = keeper.lend(), keeper.lend()
    pool = slow.pool
    third: list[Loan] = []

    def others_go_on() -> None:
        quick.close()
        third.append(keeper.lend())

    before(monkeypatch, pool, "park", others_go_on)
    keeper.loans.discard(quick)  # both have looked when neither is there any more
    slow.close()

    assert not (third[0].pool is pool and pool.parked)
    assert not third[0].pool.is_closing
    third[0].close()


def test_an_exception_that_strikes_before_a_call_has_its_pool_leaves_it_parked(
    keeper: SharedPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else its workers would stay for ever."""
    keeper.lend().close()
    pool = keeper.pool
    assert pool is not None

    def unpark(max_workers: int) -> bool:
        pool.parked.pop()
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(pool, "unpark", unpark)
        with pytest.raises(KeyboardInterrupt):
            keeper.lend()

    assert pool.parked


def test_a_call_that_begins_when_the_manager_is_shut_down_gets_no_pool(
    keeper: SharedPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody would close that."""
    check, todo = keeper.check_open, [0.0]

    def checked() -> None:
        check()
        if todo:
            keeper.shut_down(todo.pop())

    monkeypatch.setattr(keeper, "check_open", checked)
    with pytest.raises(RuntimeError, match="shut down"):
        keeper.lend()
    assert not keeper.loans


def test_a_slow_thread_does_not_bring_an_old_pool_back(
    keeper: SharedPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two others have replaced the pool, each by a new one, while it makes its own."""

    def replace_twice() -> None:
        for _ in range(2):
            loan = keeper.lend()
            loan.pool.is_closing = True
            loan.close()

    keeper.lend().close()
    assert keeper.pool is not None
    keeper.pool.is_closing = True
    before(monkeypatch, keeper.pool, "unpark", replace_twice)
    newest = keeper.lend()

    assert newest.pool is keeper.pool
    assert keeper.number > 3
    assert not keeper.replaced
    newest.close()


def test_calls_that_begin_while_another_one_looks_for_them(keeper: SharedPool) -> None:
    """Each step of one may come between two steps of another."""
    failed: list[BaseException] = []
    others = [Loan(keeper) for _ in range(50)]
    for loan in others:  # of a pool that was replaced; all have to be looked at
        loan.pool = Pool(2, keeper.plan, for_calls=True)
    interval = sys.getswitchinterval()

    def call_often() -> None:
        try:
            for _ in range(100):
                keeper.lend().close()
        except BaseException as error:
            failed.append(error)

    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=call_often) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not failed
    for loan in others:
        loan.close()
    assert not keeper.loans
