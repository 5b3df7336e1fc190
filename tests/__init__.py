"""The tests of `cotality`. What runs in a worker process is in `tests.helpers`."""
