"""Methods measured against each other, and what a task will take.

* what was measured on this machine: `figures`; what a task takes according to that:
  `reckoning`; what is best for what: `advising`;
* a comparison: how many items each method does in each round, `sampling`; what follows
  from it for all items, and which method is best: `judging`.
"""
