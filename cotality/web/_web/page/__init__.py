"""Pages for people, made of files that no program writes.

* a file as a browser gets it, and which there are: `files`;
* the page of the service: `service`; that of queues, which stands alone: `queues`.

In the folder "static", each with one idea: `index.html` and `queues.html` are the
pages, `page.css` is how both look, in light and dark, and `favicon.svg` is their sign.
Their scripts are modules that the browser itself puts together:

* `main.js` is the page of the service: `form.js` starts tasks, of `fields.js` and
  `field.js`; `tasks.js` has all tasks, `task.js` is one of them and `items.js` what it
  came to; `compare.js` compares, and `chart.js` draws that; besides, `advice.js` and
  `health.js`;
* `queues.js` is the page of queues: `letters.js`, `joblines.js`, and one job: `job.js`;
* both ask the service by `ask.js`, which knows whether it answers, and again and again
  by `keep.js`; `watch.js` reads streams of events; `away.js` says that nobody answers,
  `key.js` asks for an API key, `confirm.js` before something is gone, and `speak.js`
  tells screen readers; `home.js` is the way from one page to the other;
* `dom.js` makes elements, of texts alone; `words.js` says numbers and times;
  `scheme.js` is light or dark, as people choose, before anything is shown.
"""
