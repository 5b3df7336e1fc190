"""How tasks should run, before they do. Stands on calls.

* from running some of them each way: `advise`, with `first_tasks` for a look at how
  they are, and `trials` of the ways there are;
* from a few words: `task_words`.
"""
