"""What a person is shown of a run afterwards, one idea a file.

* what is known of a run: `figures`, with `rows` (workers, slowest tasks), `timeline`
  (when they were busy), `diary` (what else went on meanwhile), `seen` (what workers say
  besides) and `failure_groups`; a person's way to all of it: `run_report`;
* who writes it down while the run goes on: `recorder`, portion by portion that has
  `ran`, with `words` for what tasks are called;
* why it was not faster: `diagnosis` asks for each `finding`, `waits` for what workers
  without a task waited for, `drags` for what made tasks take longer, by what all of it
  has `costs`;
* how much faster than a loop it was: `yardstick`;
* how it is shown: `summary` (text), `trace` (a file for Perfetto), `page` (a page for a
  browser, from `page.html`, `page.css` and `page.js`);
* figures with their units: `units`.
"""

from .run_report import RunReport as RunReport
