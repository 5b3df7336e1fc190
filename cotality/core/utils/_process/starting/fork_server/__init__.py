"""A process that forks a worker in a few milliseconds. Stands on its room.

* that of this process: `current`, which starts `ahead` of the first call;
* its `link`: how it is started, and asked for workers; the `protocol` of that;
* what runs there: `serving`, and its `ending`, which is that of its workers;
* how the standard library comes to a worker: `popen`, and a worker to the descriptors
  that it has `inherited`.
"""
