// Asks the service, and knows whether it answers.

const PLACE = "cotality-key";
const ANSWER_MS = 30_000; // more than any answer takes that is no stream

// The folder of the page: it works below any path.
export const BASE = new URL(".", document.baseURI);

// Says "away" when the service does not answer, "back" when it does again, and "key" when
// it wants a key, or another one.
export const line = new EventTarget();
let isAway = false;

export class Away extends Error {}

// What the service says when it does not do what it was asked.
export class Problem extends Error {
  constructor(status, told, retryAfter) {
    super(told.detail ?? told.title ?? `the answer has the status ${status}`);
    this.status = status;
    this.kind = String(told.type ?? "").split(":").at(-1);
    this.errors = Array.isArray(told.errors) ? told.errors : [];
    this.retryAfter = retryAfter;
  }
}

// A key is kept in this tab, and as long as that is open. It goes into a header and
// nowhere else: what is in a URL ends up in logs.
let key = null;
try {
  key = sessionStorage.getItem(PLACE);
} catch {
  // Storage is forbidden; then it is kept as long as the page is.
}

export const hasKey = () => key !== null;

export function setKey(text) {
  key = text;
  try {
    if (text === null) sessionStorage.removeItem(PLACE);
    else sessionStorage.setItem(PLACE, text);
  } catch {
    // As above.
  }
}

// The answer to a request.
//
// Throws Away if there is none, and Problem if it is a refusal; `accept` has statuses that
// are none.
export async function ask(path, options = {}) {
  const { method = "GET", json, headers = {}, signal, accept = [], isStream } = options;
  const sent = new Headers(headers);
  if (key !== null) sent.set("X-API-Key", key);
  if (json !== undefined) sent.set("Content-Type", "application/json");
  let answer;
  try {
    answer = await fetch(new URL(path, BASE), {
      method,
      headers: sent,
      body: json === undefined ? undefined : JSON.stringify(json),
      signal: ending(signal, isStream),
      cache: "no-store",
      credentials: "same-origin",
      redirect: "error", // a key goes to nobody else
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw away();
  }
  if (await isProxy(answer)) throw away();
  here();
  if (answer.ok || accept.includes(answer.status)) return answer;
  const problem = await problemOf(answer);
  if (problem.status === 401) line.dispatchEvent(new CustomEvent("key", { detail: problem }));
  throw problem;
}

export async function askJson(path, options) {
  const answer = await ask(path, options);
  try {
    return await answer.json();
  } catch (error) {
    if (options?.signal?.aborted) throw error;
    throw away(); // it was cut off
  }
}

function ending(signal, isStream) {
  if (isStream) return signal;
  const late = AbortSignal.timeout(ANSWER_MS);
  return signal ? AbortSignal.any([signal, late]) : late;
}

// Whether it is a proxy that says that the service is away.
async function isProxy(answer) {
  if (![502, 503, 504].includes(answer.status)) return false;
  return !(answer.headers.get("content-type") ?? "").includes("json");
}

async function problemOf(answer) {
  const after = Number(answer.headers.get("retry-after"));
  let told = {};
  try {
    told = await answer.json();
  } catch {
    // Not one of ours; its status says enough.
  }
  const fits = told !== null && typeof told === "object";
  return new Problem(answer.status, fits ? told : {}, after > 0 ? after : null);
}

function away() {
  if (!isAway) {
    isAway = true;
    line.dispatchEvent(new Event("away"));
  }
  return new Away("The service does not answer.");
}

function here() {
  if (!isAway) return;
  isAway = false;
  line.dispatchEvent(new Event("back"));
}
