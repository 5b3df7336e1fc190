// Asks for an API key, and shows the page to those who have one.

import { ask, hasKey, line, setKey } from "./ask.js";
import { at, plain, say, show } from "./dom.js";

// What a header can carry.
const POSSIBLE = /^[\x21-\x7e]+$/;

const waiting = [];

// Whether the page waits for a key: nothing is asked for meanwhile.
export const isLocked = () => !at("key").hidden;

// Begin to look after the key. It is tried on `path`; `unlocked` is called when somebody
// has given one that fits.
export function keepKey({ path, unlocked }) {
  line.addEventListener("key", ({ detail }) => {
    lock(hasKey() ? detail.message : at("key-fault").textContent);
    setKey(null);
  });
  at("key-forget").addEventListener("click", () => {
    setKey(null);
    location.reload(); // nothing that was shown is left
  });
  at("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    tried(path, unlocked);
  });
}

// Resolves when there is a key, or when none is needed.
export function unlocked(needsKey) {
  if (needsKey && !hasKey()) lock("");
  else unlock();
  return new Promise((resolve) => {
    if (isLocked()) waiting.push(resolve);
    else resolve();
  });
}

async function tried(path, unlocked) {
  const input = at("key-input");
  const text = input.value.trim();
  if (!POSSIBLE.test(text)) {
    fault("A key has letters, digits and signs of ASCII, and no spaces.");
    input.focus();
    return;
  }
  setKey(text);
  try {
    await ask(path, { accept: [503] });
  } catch (error) {
    setKey(null);
    fault(error.message);
    input.focus();
    return;
  }
  input.value = "";
  fault("");
  unlock();
  at("main").focus();
  unlocked();
}

function lock(message) {
  const wasLocked = isLocked();
  show(at("key"), true);
  show(at("main"), false);
  show(at("key-forget"), false);
  fault(message);
  if (!wasLocked) at("key-input").focus();
}

function unlock() {
  show(at("key"), false);
  show(at("main"), true);
  show(at("key-forget"), hasKey());
  for (const resolve of waiting.splice(0)) resolve();
}

function fault(message) {
  say(at("key-fault"), plain(message));
  if (message) at("key-input").setAttribute("aria-invalid", "true");
  else at("key-input").removeAttribute("aria-invalid");
}
