"""A flow behind a socket, by the name it has there."""
