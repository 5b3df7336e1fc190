"""What every floor may use; it knows nothing of tasks and stands on nothing.

* the mark of a public name: `public`; a module that imports the names it offers when
  they are asked for: `front_door`;
* text about objects that may do anything when asked: `safe_text`, and about where an
  exception was raised: `traceback_text`; figures with their units: `units`; columns
  of text: `table`; what a notebook shows: `html`;
* data classes and named tuples that are quick to define: `records`;
* a with-statement around other people's code: `around`; whether what came out of there
  is a signal's: `struck`;
* whether something is one of the `data_frames` that there are;
* what is in a set of weak references that other threads change: `weak_sets`;
* a module, if it is imported by now: `imported`;
* descriptors of ours, none of which lies where standard input and output belong:
  `standard_places`;
* a SQLite file whose readers wait for nobody: `wal`;
* how a command ends: `command_line`; what it is given the name of: `named_thing`.
"""
