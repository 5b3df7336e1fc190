"""How :mod:`cotality.core.utils.process` works inside, one idea a file."""
