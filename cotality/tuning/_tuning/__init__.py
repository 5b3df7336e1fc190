"""How :mod:`cotality.tuning` works inside, one idea a file.

* A function and its data, checked and on their way to the core: `work`, with the
  `options` that go there; what an argument, the environment or a plan say: `choice`.
* What one calls: `execute`, `execute_async`, `streaming` for results one by one or in
  batches; what more than results looks like: `result`, with a plan in `hindsight`.
* Plans: `optimize` makes a `plan`, which has `plan_fields`, from a `profile` of the
  first items, whose outcomes are kept in its `head`; `validation` checks it.
* What a failing dependency needs: `circuit`; what failed for good: `dead_letter_queue`.
* Workers that many requests share: `pools`, kept by a `pool_keeper`.
* What this process has, behind `cotality.tuning.system`: `cores`, `cpu_load`,
  `pressure`.
* Logs: `logging_setup`, in one of the `log_formats`.
* ``python -m cotality.tuning``: `command_line`, with `json_lines`; a `comparison` of
  ways to run, also as a picture: `comparison_picture`.
"""
