"""What is said to the outside: models whose fields are checked.

* how a task stands and of which kind it is: `kinds`; what is asked for: `configs`;
* what became of it: `tasks`; of which changes people hear: `events`;
* what a comparison has found: `comparisons`; what follows from that: `advice`;
* whether the service is well: `health`; lists in portions: `pages`.
"""
