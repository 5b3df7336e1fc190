"""Feeds: what a user sees of those that he follows, the latest first.

* a `post`, which is what an entry of a feed says;
* where entries are kept: a `feed_store`, in a file by `sqlite_feeds`, on a server by
  `redis_feeds`;
* who gets which post, and what of it a user reads: `feeds`.
"""
