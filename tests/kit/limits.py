"""Every time limit of the tests. They only guard against hanging; no test is timed."""

LONG_S = 30.0  # that anything may take which has to come, and mostly comes at once
GONE_S = 10.0  # that threads and processes get to disappear after a test
POLL_S = 0.002  # between two looks at something that another process does
# One test is stuck after this long: more than the scripts of the documents may take,
# less than what the noxfile gives a test.
GUARD_S = 120.0
