"""The descriptors that a worker was given as it was forked."""

from __future__ import annotations

descriptors: list[int] = []  # in a worker; what a pickle holds is a place in this list


class Inherited:
    """Stands in a pickle for one of them."""

    def __init__(self, place: int) -> None:
        self.place = place

    def detach(self) -> int:
        return descriptors[self.place]
