"""What PyInstaller takes with it where a program that it freezes uses this package.

The processes of a frozen program are started with the program itself. A hook that runs
before the program makes them what they were to be, so that the program need not begin
with `multiprocessing.freeze_support`, and never runs in them.
"""

from __future__ import annotations


def hook_folders() -> list[str]:
    """Where PyInstaller finds the hook; it asks for that by an entry point."""
    return list(__path__)
