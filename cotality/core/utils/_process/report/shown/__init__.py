"""How a report is shown. Stands on the figures and the causes.

* `as_text`, `as_cell` (in a notebook), `as_trace` (a file for Perfetto), `as_page` (for
  a browser, from ``page.html``, ``page.css``, ``page.js``).
"""
