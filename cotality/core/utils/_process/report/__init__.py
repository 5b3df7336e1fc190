"""What a person is shown of a run afterwards, one idea a file.

* what is known of a run: `run_report`, with `rows` (workers, slowest tasks) and
  `timeline` (when they were busy);
* who writes it down while the run goes on: `recorder`, with `words` for what tasks are
  called;
* how it is shown: `summary` (text), `diagnosis` (why it was not faster), `trace` (a
  file for Perfetto), `page` (a page for a browser, from `page.html`, `page.css` and
  `page.js`);
* how much faster than a loop it was: `yardstick`;
* figures with their units: `units`.
"""

from .run_report import RunReport as RunReport
