"""What outlives a run.

Provisional: for the floors of this house, and for authors of extensions. Names may come
and go with any release.

* `Keys` by which a task is known from one run to the next.
* A dead letter, made of a task that has failed, `letter_of`, or of an item alone,
  `letter_of_item`; the `Store` behind a `DeadLetters`, which adds letters to its file
  and takes them out; `replay_chosen`, which runs some of them again.
"""

from cotality._kit.front_door import front_door

# Type checkers take a variable of this name for true, and see what each name is.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from .utils._process.call.replay import replay_chosen
    from .utils._process.durable.dead_letters.making import letter_of, letter_of_item
    from .utils._process.durable.dead_letters.store import Store
    from .utils._process.durable.keys.task_key import Keys

__all__ = [
    "Keys",
    "Store",
    "letter_of",
    "letter_of_item",
    "replay_chosen",
]

# In which room of the core each of them is.
LATER = {
    "Keys": "durable.keys.task_key",
    "Store": "durable.dead_letters.store",
    "letter_of": "durable.dead_letters.making",
    "letter_of_item": "durable.dead_letters.making",
    "replay_chosen": "call.replay",
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = front_door(globals(), "cotality.core.utils._process", LATER)
