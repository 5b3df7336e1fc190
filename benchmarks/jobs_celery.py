"""The same jobs on Celery, as its documentation has work survive a worker."""

from __future__ import annotations

import os

from celery import Celery

from benchmarks import jobs_work as work

app = Celery("benchmark", broker=os.environ["BENCHMARK_BROKER"])
if os.environ["BENCHMARK_BROKER"].startswith("amqp"):
    from kombu import Queue

    # Quorum queues, and an answer of the broker for each message.
    arguments = {"x-queue-type": "quorum"}
    app.conf.task_queues = [Queue("celery", queue_arguments=arguments)]
    app.conf.broker_transport_options = {"confirm_publish": True}
    app.conf.worker_detect_quorum_queues = True
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=4,
    broker_connection_retry_on_startup=True,
)
count, late, hold = app.task(work.count), app.task(work.late), app.task(work.hold)
