"""How :mod:`cotality.jobs` works inside: a folder of rooms, from the top down.

* commands: `cli`; beside it, the tasks of Django as jobs: `django`;
* a worker as a whole, its slot, its lease, its end: `working`;
* one job in it, from its ticket to what became of it: `running`;
* what people call: `api`;
* who hands jobs to workers: `engines`;
* side by side: the `store`, where the truth about each job is, and the `codec`, by
  which arguments become text and are themselves again;
* what there is to say about a job: `states`, and about a queue: `stats`;
* parts that know nothing of the rest: `schedules`, `webhooks`, `feeds`, `health`;
* `errors`.

A job travels like this: the one who enqueues it writes a row, and in the same
transaction a ticket for the engine. The engine hands the ticket to a worker. What the
row says counts, whatever a ticket may say: so a ticket that comes twice, or late, from
a worker that was taken for dead, changes nothing.
"""
