"""What there is to say about a job: `info`. Stands on errors."""
