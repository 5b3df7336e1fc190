"""Blocks: "Common Patterns", "Production Considerations" and "Troubleshooting"."""

import json
import logging
import os
import signal
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import TimeoutError

from cotality.tuning import (
    DeadLetterQueue,
    DLQPolicy,
    configure_logging,
    execute,
    get_global_pool_manager,
    optimize_streaming,
    process_in_batches,
    shutdown_global_pool_manager,
    validate_optimization,
)
from cotality.tuning.system import get_current_cpu_load, get_memory_pressure

data = list(range(20))


def my_func(x):
    return x * 2


def flaky(x):
    return 60 / (x - 7)


def smart_parallel_processing(func, data):
    """Adjust parallelism based on current system load."""
    cpu_load = get_current_cpu_load()
    memory_pressure = get_memory_pressure()

    # Reduce workers if system is under heavy load
    max_workers_override = None
    if cpu_load > 0.8 or memory_pressure > 0.8:
        max_workers_override = 2  # Use only 2 workers when system is stressed

    results = execute(
        func=func, data=data, max_workers=max_workers_override, verbose=False
    )

    return results


def with_timeout(func, timeout_seconds=30):
    """Wrapper that adds timeout to function."""

    def wrapper(*args, **kwargs):
        def timeout_handler(signum, frame):
            raise TimeoutError(f"Function exceeded {timeout_seconds}s timeout")

        signal.signal(signal.SIGALRM, timeout_handler)
        signal.alarm(timeout_seconds)

        try:
            result = func(*args, **kwargs)
            signal.alarm(0)  # Cancel alarm
            return result
        except TimeoutError as e:
            return {"error": str(e)}

    return wrapper


def process_with_dlq(func, data):
    """Process items with automatic failure handling."""
    # Create DLQ for failed items
    dlq = DeadLetterQueue(
        path=".amorsize_dlq/web_service_failures.json",
        policy=DLQPolicy(
            max_retries=3,
            retry_delay=60,  # 60 seconds between retries
            include_traceback=True,
        ),
    )

    def safe_wrapper(item):
        try:
            return func(item)
        except Exception as e:
            # Add to DLQ
            dlq.add(item=item, error=str(e), metadata={"source": "web_service"})
            return None

    results = execute(func=safe_wrapper, data=data, verbose=False)

    # Filter out failures
    results = [r for r in results if r is not None]

    return results, dlq


def resource_aware():
    assert smart_parallel_processing(my_func, data) == [2 * x for x in data]


def timeout_protection():
    def expensive_function(x):
        time.sleep(2 if x == 1 else 0)
        return x

    safe_func = with_timeout(expensive_function, timeout_seconds=1)
    results = execute(func=safe_func, data=[0, 1, 2])
    assert results == [0, {"error": "Function exceeded 1s timeout"}, 2], results


def dead_letters():
    results, dlq = process_with_dlq(flaky, data)
    assert len(results) == len(data) - 1
    (letter,) = dlq.entries()
    assert letter.metadata == {"source": "web_service"}
    assert "ZeroDivisionError" in letter.traceback


def benchmark():
    result = validate_optimization(
        func=my_func,
        data=data[:100],  # Use sample for validation
        verbose=True,
    )

    print(f"Predicted speedup: {result.optimization.estimated_speedup:.2f}x")
    print(f"Actual speedup: {result.actual_speedup:.2f}x")
    print(f"Accuracy: {result.accuracy_percentage:.1f}%")


def life_cycle():
    pool_manager = get_global_pool_manager()
    results = execute(func=my_func, data=data)
    assert results == pool_manager.execute(my_func, data)
    shutdown_global_pool_manager()


def memory():
    results = []
    for batch_result in process_in_batches(
        func=my_func,
        data=data,
        max_memory_mb=500,  # Limit memory usage
    ):
        results.extend(batch_result)
    assert results == [2 * x for x in data]


def monitoring():
    log_file = os.path.join(tempfile.mkdtemp(dir="."), "optimization.log")
    configure_logging(
        level=logging.INFO,
        format="json",  # Structured logs for parsing
        log_file=log_file,
    )

    # Now all Amorsize operations are logged
    execute(func=my_func, data=data, verbose=True)
    with open(log_file) as lines:
        (line,) = map(json.loads, lines)
    assert line["call"]["done"] == len(data)


def container():
    # Override with container-specific limits
    results = execute(
        func=my_func,
        data=data,
        max_workers=4,  # Match container CPU limit
        memory_limit_mb=512,  # Match container memory limit
        verbose=True,
    )
    assert list(results) == [2 * x for x in data]


def larger_chunks():
    def process_batch(items):
        return [my_func(item) for item in items]

    # Process in larger chunks
    batched_data = [data[i : i + 10] for i in range(0, len(data), 10)]
    results = execute(func=process_batch, data=batched_data)
    results = [item for batch in results for item in batch]  # Flatten
    assert results == [2 * x for x in data]


def threads_for_io():
    with ThreadPoolExecutor(max_workers=10) as executor:
        assert list(executor.map(my_func, data)) == [2 * x for x in data]
        assert execute(my_func, data, executor=executor) == [2 * x for x in data]


def fewer_workers():
    results = execute(func=my_func, data=data, max_workers=2)
    assert results == [2 * x for x in data]


def stream():
    results = list(optimize_streaming(func=my_func, data=data))
    assert results == [2 * x for x in data]


def nested_function():
    def process(x):
        return x * 2

    expected = [2 * x for x in data]
    assert execute(func=process, data=data) == expected
    assert execute(func=process, data=data, executor="processes") == expected


def process_pool():
    """Where that is what pays: here a loop does."""
    results = execute(func=my_func, data=data)
    assert results == [2 * x for x in data]
