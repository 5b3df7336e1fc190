"""A circuit breaker: leave a dependency alone while it is down."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec, TypeVar

from cotality._kit import units
from cotality._kit.public import public_in
from cotality._kit.safe_text import class_and_text
from cotality.core.calls import checked_count, checked_seconds
from cotality.core.observing import Brake, ChunkReport, Portion, Told
from cotality.core.utils.process import Retry

if TYPE_CHECKING:
    import pybreaker

    from cotality.core.observing import Classes, Predicate

P = ParamSpec("P")
T = TypeVar("T")


@public_in("cotality.tuning")
class CircuitOpenError(Exception):
    """A task or a call was not run, because the service it depends on is down."""


class FailedElsewhereError(Exception):
    """Tells pybreaker of a failure that has happened elsewhere."""


@public_in("cotality.tuning")
class CircuitBreaker(Brake):
    """Makes tasks fail at once while the service they depend on is down.

    ``execute(fetch, urls, circuit_breaker=CircuitBreaker(5, reset_after=30))`` runs
    tasks until five in a row have failed. Then the circuit is open: tasks fail with
    `CircuitOpenError` without being run. After 30 seconds the circuit is half open: one
    task runs as a probe. If it succeeds, all tasks run again; if it fails, the next
    probe follows 30 seconds later.

    The breaker acts where tasks are handed out, so it holds across all workers, threads
    or processes. Give the same breaker to all calls that depend on the same service,
    also in several threads. With ``retries=Retry(on=CircuitOpenError, ...)`` tasks wait
    instead of failing, and with ``dead_letters`` no task is lost.

    Args:
        failures: How many failures in a row open the circuit, at least 1. Tasks that
            are running at that moment go on, so a few more may fail.
        reset_after: After how many seconds to try again.
        probes: How many probes in a row have to succeed to close the circuit.
        on: Which failures count: an exception class, a tuple of classes, or a function
            that gets the exception and says whether it counts. By default every
            exception that a task raises; other failures, such as the death of a worker,
            only if you name their own class, as for `Retry`.

    Raises:
        ImportError: pybreaker, which keeps count, is not installed.
        TypeError: An argument is not what it must be.
        ValueError: An argument is out of range.
    """

    policy: Retry
    failures: int
    reset_after: float
    probes: int
    largest_portion: int | None
    circuit: pybreaker.CircuitBreaker
    lock: threading.RLock
    probe_at: float
    last_error: str

    def __init__(
        self,
        failures: int = 5,
        *,
        reset_after: float = 60.0,
        probes: int = 1,
        on: Classes | Predicate = (Exception,),
    ) -> None:
        self.failures = needed("failures", checked_count("failures", failures))
        self.reset_after = needed(
            "reset_after", checked_seconds("reset_after", reset_after, zero=False)
        )
        self.probes = needed("probes", checked_count("probes", probes))
        self.policy = Retry(on=on)
        # So a portion that runs into the trouble cannot make it much worse.
        self.largest_portion = self.failures
        self.only_to_free_workers = True
        self.circuit = new_circuit(self.failures, self.reset_after, self.probes)
        self.lock = threading.RLock()  # held while the circuit or a probe changes
        self.probe_at = 0.0  # when the next probe may run, by the monotonic clock
        self.last_error = ""

    def __repr__(self) -> str:
        return (
            f"<CircuitBreaker {self.state}: {self.failures} failures, "
            f"reset_after={self.reset_after}>"
        )

    @property
    def state(self) -> str:
        """``"closed"``, ``"open"`` or ``"half-open"``: waiting for a probe."""
        return self.circuit.current_state

    def reset(self) -> None:
        """Close the circuit, because the service is known to be up again."""
        with self.lock:
            self.circuit.close()

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call *function*, unless the circuit is open; for code outside a run.

        Raises:
            CircuitOpenError: The circuit is open.
            Exception: What *function* raises.
        """
        error = self.refusal()
        if error is not None:
            raise error
        try:
            result = function(*args, **kwargs)
        except Exception as failure:
            self.saw(failure)
            raise
        self.saw(None)
        return result

    # What a run asks for.

    def take(self, wanted: int) -> int:
        is_probing = self.state != "closed" and monotonic() >= self.probe_at
        return 1 if is_probing else wanted

    def refusal(self) -> Exception | None:
        with self.lock:
            if self.state == "closed":
                return None
            now = monotonic()
            if now < self.probe_at:
                return CircuitOpenError(self.why(self.probe_at - now))
            # Should nobody ever hear of this probe, there will be another one.
            self.probe_at = now + self.reset_after
            if self.state == "open":
                self.circuit.half_open()  # again, it would forget probes that succeeded
            return None

    def told(self, refused: int) -> Told:
        last = ", the last one {error}" if self.last_error else ""
        return Told(
            f"CircuitBreaker({self.failures}, reset_after={self.reset_after:g})",
            f"The circuit breaker was open: it refused "
            f"{units.number(refused, 'attempt')} to run a task, beside {{runs}} that "
            f"it let through, after {self.failures:,} failures in a "
            f"row{last}.",
            f"See why they failed; a probe follows every {self.reset_after:g} s. "
            f"retries=Retry(on=CircuitOpenError, ...) lets tasks wait for it instead "
            f"of failing, and dead_letters keeps those that fail.",
            self.last_error,
        )

    def why(self, seconds: float) -> str:
        return (
            f"not run: {self.failures} failures in a row have opened the circuit, the "
            f"last one {self.last_error}. The next probe is due in {seconds:.3g} s."
        )

    def came_back(self, portion: Portion, report: ChunkReport) -> None:
        successes = False
        for position in range(len(report.values)):
            error = report.errors.get(position)
            if error is not None:
                if successes:
                    self.saw(None)
                self.saw(error)
            successes = error is None
        if successes:
            self.saw(None)  # once for all of them in a row: it costs 3 us

    def saw(self, error: Exception | None) -> None:
        """A task or call has succeeded, or failed with *error*."""
        import pybreaker

        with self.lock:
            before = self.state
            if error is None or self.policy.is_retryable(error):
                try:
                    self.circuit.call(nothing if error is None else raised)
                except (FailedElsewhereError, pybreaker.CircuitBreakerError):
                    pass  # that is how pybreaker counts
            if self.state == "open" and before != "open":
                self.last_error = "" if error is None else class_and_text(error)
                self.probe_at = monotonic() + self.reset_after
            elif self.state == "half-open":
                self.probe_at = 0.0  # that was a probe, and the next one may follow


def raised() -> NoReturn:
    raise FailedElsewhereError


def nothing() -> None:
    """The call that a success stands for."""


def new_circuit(
    failures: int, reset_after: float, probes: int
) -> pybreaker.CircuitBreaker:
    try:
        import pybreaker
    except ImportError as error:
        raise ImportError(
            "a CircuitBreaker needs the package pybreaker: pip install "
            "'cotality[tuning]'"
        ) from error
    return pybreaker.CircuitBreaker(
        fail_max=failures,
        reset_timeout=reset_after,
        success_threshold=probes,
        throw_new_error_on_trip=False,
    )


def needed(name: str, value: Any) -> Any:  # Any: a number of either kind
    if value is None:
        raise TypeError(f"{name} must be a number, got None")
    return value
