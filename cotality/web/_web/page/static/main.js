// The page of the service, put together.

import { Advice } from "./advice.js";
import { BASE, Problem, askJson } from "./ask.js";
import { tellWhenAway } from "./away.js";
import { Comparing } from "./compare.js";
import { at, plain, say, show } from "./dom.js";
import { StartForm } from "./form.js";
import { healthPause, lookAtHealth } from "./health.js";
import { isHome } from "./home.js";
import { ItemsDialog } from "./items.js";
import { Keeping } from "./keep.js";
import { keepKey, unlocked } from "./key.js";
import { Tasks } from "./tasks.js";
import { count, seconds } from "./words.js";

const API = "api/v1/tasks";

// What tasks and methods are called, and what the service adds to a task.
class Words {
  constructor(offers) {
    Object.assign(this, { offers, api: API, estimates: new Map() });
  }

  method(name) {
    const found = this.offers.methods.find((offer) => offer.method === name);
    return found?.title ?? plain(name);
  }

  methodAt(path) {
    return this.offers.methods.find((offer) => path.endsWith(offer.path))?.method;
  }

  title({ task_type, method }) {
    if (task_type === "compare") return "Comparison";
    if (task_type !== "background" || !method) return this.method(task_type);
    return `${this.method("background")}, by ${this.method(method)}`;
  }

  config({ config, method, task_type }) {
    const parts = [count(config.items_count, "item"), count(config.workers, "worker")];
    if ((method ?? task_type) === "batch_async") parts.push(`batches of ${config.batch_size}`);
    if (config.simulate_db_delay) {
      parts.push(`query + ${seconds(config.db_delay_s ?? this.offers.db_delay_s)}`);
    }
    if (config.simulate_redis_delay) {
      const delay = config.redis_delay_s;
      parts.push(`look-up + ${delay === null ? "1 to 10 ms" : seconds(delay)}`);
    }
    return `${parts.join(" · ")} · `;
  }

  estimate(id) {
    return this.estimates.get(id);
  }
}

function notice(error) {
  const isRefusal = error instanceof Problem && error.status !== 401;
  say(at("notice"), isRefusal ? plain(error.message) : "");
  show(at("notice"), isRefusal);
}

function build(openapi, offers) {
  const words = new Words(offers);
  // What other tabs have changed is seen at once.
  const others = new BroadcastChannel(`cotality ${BASE.pathname}`);
  const started = async ({ task_id, estimated_duration }) => {
    words.estimates.set(task_id, estimated_duration);
    others.postMessage("changed");
    health.soon();
    await keeping.soon();
  };
  const items = new ItemsDialog(words);
  const { parameters } = openapi.paths[`/${API}/compare`].post;
  const comparing = new Comparing(words, offers, parameters, started);
  const advice = new Advice(words, (method, config) => form.use(method, config));
  const form = new StartForm(offers, openapi.components.schemas.TaskConfig, {
    started,
    changed: (asked) => advice.hint(asked),
  });
  const acts = {
    results: (task) => items.open(task),
    comparison: (id) => comparing.open(id),
    soon: () => keeping.soon(),
  };
  const tasks = new Tasks(words, acts, (task, isNew) => {
    if (task.task_type === "compare") {
      comparing.ended(task, isNew);
      if (isNew) advice.load(); // it follows from what was found
    }
    if (isNew) health.soon();
  });
  const keeping = new Keeping(() => tasks.refresh(), () => tasks.pause(), notice);
  const health = new Keeping(lookAtHealth, healthPause);
  others.addEventListener("message", () => keeping.soon());
  again = () => {
    tasks.refusedAt.clear();
    keeping.soon();
    health.soon();
  };
  return Promise.all([keeping.soon(), health.soon(), advice.load()]);
}

// Until all of it is there: the service may be away when the page is opened.
const loading = new Keeping(
  async () => {
    const openapi = await askJson("openapi.json");
    await unlocked(openapi.security !== undefined);
    const offers = await askJson(`${API}/`);
    loading.end();
    await build(openapi, offers);
    document.body.dataset.state = "ready";
  },
  () => 1000,
  notice,
);
let again = () => loading.soon();
tellWhenAway(() => again());
keepKey({ path: "health", unlocked: () => again() });
loading.soon();
isHome();
