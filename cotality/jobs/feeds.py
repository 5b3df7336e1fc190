"""What users see of those that they follow: written, read, or both.

::

    feeds = Feeds("sqlite:///feeds.db", followers=..., following=...)
    feeds.deliver(Post("42", author="7", at=now))  # in a job
    feeds.read("12")  # in a request
"""

from cotality._kit.front_door import front_door

# Type checkers take a variable of this name for true, and see what each name is.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from ._jobs.feeds.feeds import Feeds
    from ._jobs.feeds.post import Post

__all__ = ["Feeds", "Post"]

# In which module each of them is.
LATER = {"Feeds": "feeds", "Post": "post"}

if not TYPE_CHECKING:
    __getattr__, __dir__ = front_door(globals(), "cotality.jobs._jobs.feeds", LATER)
