// What a screen reader is told without being asked. Not each per cent: a begin, an end,
// and in between now and then.

import { at } from "./dom.js";

const PAUSE_MS = 1200; // so that one sentence does not cut off the one before
const waiting = [];
let timer = null;

export function speak(text) {
  if (!waiting.includes(text)) waiting.push(text);
  if (timer === null) next();
}

function next() {
  const text = waiting.shift();
  if (text === undefined) {
    timer = null;
    return;
  }
  const region = at("speech");
  // The same sentence twice is said twice only if something has changed.
  region.textContent = region.textContent === text ? `${text}\u00a0` : text;
  timer = setTimeout(next, PAUSE_MS);
}
