"""The package as a whole: its map, its documents, its examples, its wheel."""
