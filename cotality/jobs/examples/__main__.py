"""``python -m cotality.jobs.examples``."""

from cotality.jobs.examples.story import main

main()
