"""Worker processes, from start to end. Stands on portions, output and starting.

* what runs in one: `worker_main`; the parent's `handle` on it;
* all of them together: `pool`, for callers, who hand over `requests` or take an idle
  worker as a `loan`; `watching`, what one thread does, which sees to all the rest;
  between the two the `pool_state`, with the rules of who may touch what; `settling`
  tells what became of an item;
* how one has ended: `endings`; what that may mean: `death_report`; where it was in the
  program: `death_frames`; all of them when the program ends or forks: `at_exit`;
* whose workers a call uses, and how long they stay: `lending`; the executor for
  everybody: `executor`; the databases that workers use as the program does:
  `django_databases`;
* processes of other floors: `hosted` here, and what each has of us: `host`.
"""
