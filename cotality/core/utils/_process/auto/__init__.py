"""``use_processes="auto"``: where tasks run is decided while they run.

* `estimate`: what the rest of a call would cost on one thread, on several, and on
  processes, and which of them to take: pure arithmetic;
* `evidence`: what has been found out of the tasks so far, from what is `seen` of each;
* `disturbance`: what else goes on, so that who wants to run does not count as waiting;
* `probe`: what can be seen of a task while it runs;
* `decision`: what a person is told;
* `backend`: the place where portions run, which moves from one to the other;
* `sampling`: a look at the first tasks of some work, whose results are kept;
* `advising`: advice on tasks, with `trials` of some of them each way.
"""
