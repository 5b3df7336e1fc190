"""How tasks should run, before they do. Stands on calls.

* from running some of them each way: `advise`, with `first_tasks` for a look at how
  they are, `trials` of the ways there are, and how long each takes `alone`;
* from a few words: `task_words`.
"""
