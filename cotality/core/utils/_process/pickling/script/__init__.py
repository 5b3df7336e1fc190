"""The definitions of a script that go along with a pickle which needs them.

`definitions` makes them, each a pickle of its own, or several in one where they have
`common_parts`. `needed` collects those of one call. What tells that one has changed:
`parts` of it, `kinds` of the script as a whole, and `versions` with all they hold.
"""
