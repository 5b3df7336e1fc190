"""How many tasks of joblib travel together."""

from __future__ import annotations

import pytest

from cotality.joblib._joblib.sizes import BATCH, GROWTH, MOST, Sizes


def grown(sizes: Sizes, steps: int = 10) -> int:
    return [sizes.next() for _ in range(steps)][-1]


def test_the_first_ones_travel_alone() -> None:
    """Nobody knows how long they take."""
    assert [Sizes(2).next() for _ in range(3)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("seconds", "size"), [(1.0, 1), (0.5 * BATCH, 2), (1e-7, MOST)]
)
def test_a_batch_takes_a_certain_time(seconds: float, size: int) -> None:
    """So many tasks as take that; one at least, and no more than help."""
    sizes = Sizes(2)
    sizes.learn(10, 10 * seconds)

    assert grown(sizes) == size


def test_sizes_grow_step_by_step() -> None:
    """The first task may have been quicker than all others."""
    sizes = Sizes(2)
    sizes.learn(1, 1e-6)

    assert [sizes.next() for _ in range(3)] == [GROWTH, GROWTH**2, GROWTH**3]


def test_what_takes_longer_makes_them_small_at_once() -> None:
    """Not by steps."""
    sizes = Sizes(2)
    sizes.learn(1, 1e-6)
    assert grown(sizes) == MOST

    sizes.learn(100, 100.0)

    assert sizes.next() == 1


@pytest.mark.parametrize(("total", "size"), [(80, 10), (3, 1), (0, 1)])
def test_each_worker_has_some_of_a_small_input(total: int, size: int) -> None:
    """However quick its tasks are."""
    sizes = Sizes(2)
    sizes.total = total
    sizes.learn(1, 1e-6)

    assert grown(sizes) == size


def test_nothing_is_learned_from_nothing() -> None:
    """A worker may give all of a portion back."""
    sizes = Sizes(2)
    sizes.learn(0, 1.0)

    assert sizes.next() == 1
