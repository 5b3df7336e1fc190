"""The jobs floor: calls that are stored, and run until they are done."""
