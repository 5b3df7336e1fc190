"""Why a run was not faster: sentences with figures and a way out.

* which reasons there are: `diagnosis`; each is a `finding`, measured by the `costs`;
* what workers without a task waited for: `waits`; what made tasks take longer: `drags`.
"""
