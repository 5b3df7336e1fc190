"""The versions that definitions of the script are sent with.

A global may hold another one: a dictionary a list, a class a registry, a function the
value of a parameter. The pickle of its definition only names that. When what is held
changes, a worker makes it anew, and so it has to make what holds it: that would go on
with the old one. Hence the version of a definition is that of all it holds, and of what
that holds in turn. A class ends the chain, for a worker changes a class in place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Mapping
from typing import Any

from cotality.core.utils._process.scripts.places import Definition, Home


class Settled:
    """Definitions of the same moment.

    Args:
        definitions: By their homes and names; those that come later hold.
    """

    def __init__(self, *definitions: Mapping[Home, Mapping[str, Definition]]) -> None:
        self.all: dict[tuple[Home, str], Definition] = {
            (home, name): each
            for some in definitions
            for home, named in some.items()
            for name, each in named.items()
        }

    def sent(
        self,
        home: Home,
        some: Mapping[str, Definition],
        left_out: Container[str] = (),
    ) -> dict[str, tuple[Any, ...]]:  # Any: the parts of a `names.Sent`
        return {
            name: self.parts(home, name, each)
            for name, each in some.items()
            if name not in left_out
        }

    def parts(
        self, home: Home, name: str, each: Definition
    ) -> tuple[Any, ...]:  # Any: as above
        needs = [mention.name for mention in each.mentions if not mention.is_soft]
        hints = [mention.name for mention in each.mentions if mention.is_soft]
        version, age = self.version_and_age(home, name, each)
        packed = each.packed, each.state, each.buffers
        return version, each.token, *packed, needs, hints, age

    def version_and_age(
        self, home: Home, name: str, each: Definition
    ) -> tuple[bytes, int]:
        held = self.held_by(home, name, each)
        if not held:
            return each.version, each.age
        digest = hashlib.blake2b(each.version, digest_size=16)
        for place in sorted(held, key=lambda place: (place[0].number, place[1])):
            digest.update(held[place].version)
        return digest.digest(), max(each.age, *(other.age for other in held.values()))

    def held_by(
        self, home: Home, name: str, each: Definition
    ) -> dict[tuple[Home, str], Definition]:
        held: dict[tuple[Home, str], Definition] = {}
        waiting = [each]
        while waiting:
            for mention in waiting.pop().mentions:
                place = mention.home, mention.name
                if not mention.is_held or place == (home, name) or place in held:
                    continue
                other = self.all.get(place)
                if other is None or isinstance(mention.home.names.get(place[1]), type):
                    continue
                held[place] = other
                waiting.append(other)
        return held
