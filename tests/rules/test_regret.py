"""What "auto" decides costs little beside the best choice, on a made-up machine."""

from __future__ import annotations

from itertools import chain, repeat

import pytest

from tests.kit.made_up_machine import Kind, MadeUpMachine

# What real cells of the grid are made of, see `benchmarks.regret`. A nap computes
# in the system for the most part, where it does not have the lock.
NAP = 12e-6
KINDS = {
    "naps of 10 us": (Kind(NAP, 60e-6, 0.3), 20_000),
    "naps of 100 us": (Kind(NAP, 150e-6, 0.3), 2000),
    "naps of 1 ms": (Kind(2 * NAP, 1e-3, 0.3), 1000),
    "naps of 10 ms": (Kind(4 * NAP, 10e-3, 0.3), 100),
    "naps that seem to compute": (Kind(40e-6, 58e-6, 0.3), 20_000),
    "mixed, 0.1 ms": (Kind(45e-6, 120e-6, 0.8), 4000),
    "mixed, 1 ms": (Kind(0.35e-3, 0.7e-3), 300),
    "mixed, 10 ms": (Kind(3.4e-3, 6.7e-3), 40),
    "requests of 2 ms": (Kind(0.5e-3, 1.5e-3), 200),
    "Python, 0.1 ms": (Kind(0.1e-3), 4000),
    "Python, 1 ms": (Kind(1e-3), 400),
    "Python, 10 ms": (Kind(10e-3), 40),
    "hashes, 0.1 ms": (Kind(0.1e-3, lock=0.05), 4000),
    "hashes, 1 ms": (Kind(1e-3, lock=0.01), 400),
    "hashes, 10 ms": (Kind(10e-3, lock=0.0), 40),
    # It leaves the lock again and again, and several of it take longer than a loop.
    "sorts of small frames": (Kind(1.7e-3, lock=2.4, seems_free=True), 400),
}


@pytest.mark.parametrize("name", KINDS)
def test_what_is_decided_costs_little(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, tasks = KINDS[name]
    machine = MadeUpMachine(monkeypatch, kind, tasks)

    seconds = machine.run()

    assert seconds < 1.15 * kind.best(tasks), machine.decisions


def test_threads_that_lose_to_the_loop_are_given_up_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kind, tasks = KINDS["sorts of small frames"]
    machine = MadeUpMachine(monkeypatch, kind, tasks)

    machine.run()

    assert "no more was done than in a loop" in machine.decisions[1].reason
    assert machine.decisions[1].at < 0.1
    assert machine.decisions[-1].choice == "processes"


@pytest.mark.parametrize("loading", [0.01, 0.015, 0.02, 0.03])
def test_processes_that_still_begin_are_not_given_up(
    loading: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One worker answers while another one still loads the function."""
    kind, tasks = KINDS["Python, 0.1 ms"]
    machine = MadeUpMachine(monkeypatch, kind, tasks, loading=(0.003, loading))

    machine.run()

    assert [each.choice for each in machine.decisions] == ["processes"]


def test_what_ends_as_a_call_begins_is_no_other_program(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One look at the machine does not speak for a task of a second."""
    others = chain([1], repeat(0))  # at first a worker that tidies up after a call
    kind = Kind(1.0)
    machine = MadeUpMachine(monkeypatch, kind, 2, others=lambda: next(others))

    assert machine.run() < 1.15 * kind.best(2), machine.decisions


@pytest.mark.parametrize("name", [name for name in KINDS if KINDS[name][0].wait])
def test_what_waits_does_not_go_to_processes(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads come first: nobody has seen that it keeps the lock while it computes."""
    machine = MadeUpMachine(monkeypatch, *KINDS[name])

    machine.run()

    assert {each.choice for each in machine.decisions} == {"threads"}
