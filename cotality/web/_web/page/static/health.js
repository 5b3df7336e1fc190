// How the service is, in one line.

import { askJson } from "./ask.js";
import { at, make, plain, say } from "./dom.js";
import { speak } from "./speak.js";
import { count, marked, whole } from "./words.js";

const TEXTS = {
  ok: "The service is well.",
  degraded: "The service works, but not as it should.",
  down: "The service cannot work.",
};
// Sooner while it is not as it should be: a service that begins is well in a moment.
const PAUSES = { ok: 15_000, other: 4000 };
let before = "ok";

export const healthPause = () => PAUSES[before] ?? PAUSES.other;

export async function lookAtHealth() {
  const health = await askJson("health", { accept: [503] });
  tell(health);
  return health;
}

function tell(health) {
  const text = TEXTS[health.status] ?? health.status;
  marked(at("health-status"), health.status);
  say(at("health-text"), text);
  const tasks = [];
  if (health.running) tasks.push(`${count(health.running, "task")} at work`);
  if (health.pending) tasks.push(`${whole(health.pending)} waiting`);
  say(at("health-load"), tasks.join(", "));
  const faults = health.parts.filter((part) => part.status !== "ok");
  at("health-parts").replaceChildren(...faults.map(fault));
  say(
    at("health-serves"),
    health.needs_key
      ? "Whoever has an API key is served."
      : "Only this machine is served, because no API key is set.",
  );
  say(at("version"), `cotality ${health.version}`);
  if (health.status !== before) speak([text, ...faults.map(words)].join(" "));
  before = health.status;
}

const words = (part) => `${part.name}: ${part.detail || part.status}`;

const fault = (part) =>
  make("li", {}, make("b", {}, plain(part.name)), `: ${plain(part.detail || part.status)}`);
