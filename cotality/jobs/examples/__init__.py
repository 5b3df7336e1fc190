"""A small shop whose slow work is done by jobs: ``python -m cotality.jobs.examples``.

It needs no server. The shop takes pictures, welcomes people by mail, hears of payments,
tells 10,000 followers of a new product, looks after its stock by the clock, and has one
job that kills whoever runs it. In the middle the shop kills a worker. At the end a
table says what became of every job.

* what happens: `story`; the jobs: `shop`; who takes the mails: `mail_server`.
"""
