// Streams of events, read with `fetch`: an `EventSource` cannot send a key in a header, and
// does not say why it was refused.

import { Away, Problem, ask } from "./ask.js";

const SILENT_MS = 50_000; // the service says every 15 s that it is alive
const TRIES = 4; // without an event, after which it is looked at without a stream

// A browser opens six connections to a host, for all its tabs together, and each stream
// keeps one. So there are a few places for them; without one a task is polled.
const PLACES = ["cotality-stream-1", "cotality-stream-2", "cotality-stream-3"];
let hasOwnPlace = true;

// Watch what *path* says until it is over, whatever cuts the stream off.
//
// `tell` is called with each event, and returns whether it was the last one; `cut` when
// events do not come any more, for now. Resolves to false if there is no place for it, or
// no stream is to be had.
export async function watch(path, { tell, cut, signal }) {
  return inPlace(() => watched(path, tell, cut, signal));
}

async function inPlace(work) {
  if (!navigator.locks) return inOwnPlace(work); // not on a secure host
  for (const name of PLACES) {
    let found = null;
    await navigator.locks.request(name, { ifAvailable: true }, async (place) => {
      if (place !== null) found = { result: await work() };
    });
    if (found !== null) return found.result;
  }
  return false;
}

async function inOwnPlace(work) {
  if (!hasOwnPlace) return false;
  hasOwnPlace = false;
  try {
    return await work();
  } finally {
    hasOwnPlace = true;
  }
}

async function watched(path, tell, cut, signal) {
  let last = null;
  let failures = 0;
  let again = 1000;
  while (!signal.aborted) {
    let wait = again;
    try {
      const headers = { Accept: "text/event-stream" };
      if (last !== null) headers["Last-Event-ID"] = last;
      const answer = await ask(path, { headers, signal, isStream: true });
      if (answer.status === 204) return true;
      for await (const event of eventsIn(answer.body)) {
        if (event.retry !== null) again = event.retry;
        if (event.data === null) continue;
        failures = 0;
        last = event.id ?? last;
        if (tell(JSON.parse(event.data))) return true;
      }
    } catch (error) {
      if (signal.aborted) return false;
      if (error instanceof Problem) {
        if (error.retryAfter === null) return false;
        wait = 1000 * error.retryAfter;
      } else if (!(error instanceof Away) && !(error instanceof Cut)) {
        throw error;
      }
    }
    cut();
    failures += 1;
    if (failures >= TRIES) return false;
    await pause(wait, signal);
  }
  return false;
}

class Cut extends Error {}

async function* eventsIn(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    while (true) {
      const { value, done } = await orSilence(reader.read());
      if (done) return;
      const lines = (rest + value).split(/\r?\n\r?\n/);
      rest = lines.pop();
      for (const each of lines) yield parsed(each);
    }
  } finally {
    reader.cancel().catch(() => {}); // it may be gone already
  }
}

// Also a connection that nobody has closed may be no more.
function orSilence(reading) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Cut("silent")), SILENT_MS);
    reading
      .then(resolve, () => reject(new Cut("cut off")))
      .finally(() => clearTimeout(timer));
  });
}

function parsed(text) {
  const event = { id: null, data: null, retry: null };
  const data = [];
  for (const line of text.split(/\r?\n/)) {
    const found = /^(id|data|retry): ?(.*)$/.exec(line);
    if (found === null) continue; // a sign of life, or a kind, of which there is one
    const [, name, value] = found;
    if (name === "data") data.push(value);
    else if (name === "id") event.id = value;
    else if (/^\d+$/.test(value)) event.retry = Number(value);
  }
  if (data.length) event.data = data.join("\n");
  return event;
}

function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
