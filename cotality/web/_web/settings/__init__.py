"""What the service is told from outside: `settings`."""
