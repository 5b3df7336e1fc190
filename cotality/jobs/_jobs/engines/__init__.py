"""Who hands jobs to workers. Stands on the store.

* what every engine can do, and nothing else: `protocol`; which one a store has:
  `choosing`;
* the one of our own, whose tickets are rows: `tables_engine`; what a worker does with
  them: `serving`, and whether there may be some: `changes`;
* turns that RabbitMQ gives out, on those tables: `rabbit`;
* the one on DBOS: `dbos_engine`, with its `dbos_client` and a `probe` at the start; how
  often it looks: `pace`; how it writes things down: `plain_json`.
"""
