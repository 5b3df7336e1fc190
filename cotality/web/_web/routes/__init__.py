"""What is asked for over HTTP.

Of the service of tasks:

* tasks are asked for: `starting`, each by its method: `offers`, and waited for:
  `waiting`; how they stand: `standing`; methods are compared: `comparing_methods`;
* whether the service is well: `well`; what it offers, for people: `api_page`.

Routers that any service can mount: `mounted`.

What they have in common: `answering`; words of OpenAPI: `documenting`; ids in
paths: `ids`.
"""
