"""An observer: all that is known of a run afterwards. Stands on the engine.

* what is known: `figures`, with `worker_rows` (workers, slowest tasks), `timeline`
  (when they were busy), `diary` (what else went on meanwhile), `seen` (what workers say
  besides) and `failure_groups`; a person's way to all of it: `run_report`;
* what a call is given of it: the `option`;
* who writes it down while the run goes on: `recorder`, from each `ran_portion`, with
  `task_names`;
* why it was not faster: `causes`; how much faster than a loop it was: `yardstick`;
* as a text, in a notebook, for a browser: `shown`.
"""
