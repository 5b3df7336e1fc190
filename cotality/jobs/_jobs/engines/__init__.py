"""Who hands jobs to workers. Stands on the store.

* what every engine can do, and nothing else: `protocol`;
* the one on DBOS: `dbos_engine`, with its `dbos_client` and a `probe` at the start; how
  it writes things down: `plain_json`; which engine a URL gets: `choosing`.
"""
