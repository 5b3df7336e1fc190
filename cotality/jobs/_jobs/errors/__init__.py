"""The `errors` of jobs. Stands on nothing."""
