"""What a failing dependency needs, and what becomes of what failed for good.

* leave a dependency alone that is down: `circuit`;
* dead letters with a policy: `dead_letter_queue`.
"""
