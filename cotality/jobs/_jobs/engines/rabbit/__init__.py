"""Turns that RabbitMQ gives out. Stands on the engine of tables.

* the engine: `engine`; what it keeps in the store: `rows`;
* turns as they are given: `giving`; as workers have them: `turns`, and what a worker
  does with them: `taking`, until a `bell` rings;
* a connection, with a limit to everything that is waited for: `link`; to which broker:
  `broker`.
"""
