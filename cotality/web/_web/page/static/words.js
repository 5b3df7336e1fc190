// Numbers, times and states in words.

import { make } from "./dom.js";

const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const FINE = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const MOMENT = new Intl.DateTimeFormat("en-GB", {
  dateStyle: "medium",
  timeStyle: "medium",
});

export const whole = (number) => WHOLE.format(number);
export const fine = (number) => (number >= 1000 ? whole(number) : FINE.format(number));

// 0.0123 → "12 ms", 4.25 → "4.25 s", 75 → "1 min 15 s", 50000 → "13 h 53 min".
export function seconds(number) {
  if (number === 0) return "0 s";
  if (number < 0.9995) return `${FINE.format(number * 1000)} ms`;
  if (number < 59.95) return `${FINE.format(number)} s`;
  const whole_s = Math.round(number);
  if (whole_s < 3600) return both(whole_s, 60, "min", 1, "s");
  if (whole_s < 86400) return both(whole_s, 3600, "h", 60, "min");
  return both(whole_s, 86400, "d", 3600, "h");
}

function both(number, large, its, small, theirs) {
  const rest = Math.floor((number % large) / small);
  const first = `${whole(Math.floor(number / large))} ${its}`;
  return rest ? `${first} ${rest} ${theirs}` : first;
}

export const count = (number, one, many = `${one}s`) =>
  `${whole(number)} ${number === 1 ? one : many}`;

export function moment(text) {
  if (text === null || text === undefined) return "–";
  const date = new Date(text);
  return make("time", { datetime: text, title: text }, MOMENT.format(date));
}

export const took = (began, ended) =>
  began && ended ? seconds(Math.max(0, (new Date(ended) - new Date(began)) / 1000)) : "–";

const SIGNS = {
  pending: "○",
  queued: "○",
  delayed: "◔",
  running: "▶",
  retrying: "↻",
  completed: "✓",
  succeeded: "✓",
  failed: "✕",
  dead: "✕",
  cancelled: "■",
  returned: "↩",
  lost: "✕",
  ok: "●",
  degraded: "▲",
  down: "✕",
};

// How something stands: a word, and a sign and a colour for those who see them.
export function chip(status, word = status) {
  return marked(make("span", {}), status, word);
}

export function marked(element, status, word = status) {
  const kind = status.toLowerCase();
  if (element.dataset.status === kind && element.dataset.word === word) return element;
  element.className = `chip ${kind}`;
  element.dataset.status = kind;
  element.dataset.word = word;
  const sign = make("span", { "aria-hidden": "true" }, SIGNS[kind] ?? "•");
  element.replaceChildren(sign, ` ${word.toLowerCase()}`);
  return element;
}

export const upper = (text) => text.charAt(0).toUpperCase() + text.slice(1);
export const lower = (text) => text.charAt(0).toLowerCase() + text.slice(1);

// A text of the service as a sentence.
export const sentence = (text) => upper(text).replace(/[^.!?]$/, "$&.");
