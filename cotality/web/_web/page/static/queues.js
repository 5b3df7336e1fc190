// The page of queues, put together.

import { BASE, Problem, askJson } from "./ask.js";
import { tellWhenAway } from "./away.js";
import { at, keyed, make, plain, say, show } from "./dom.js";
import { homeOf } from "./home.js";
import { JobDialog } from "./job.js";
import { JobLines } from "./joblines.js";
import { Keeping } from "./keep.js";
import { keepKey, unlocked } from "./key.js";
import { Letters } from "./letters.js";
import { chip, count, fine, seconds, whole } from "./words.js";

const LOOK_MS = 5000;
const QUEUES = BASE.pathname.replace(/\/$/, "");

class Queues {
  // `letters` shows the dead letters of one of them.
  constructor(selects, letters) {
    Object.assign(this, { selects, letters });
  }

  async refresh() {
    const queues = await askJson(QUEUES);
    show(at("no-queues"), queues.length === 0);
    show(at("queues-table"), queues.length > 0);
    keyed(at("queues-rows"), queues, ({ queue }) => queue, () => make("tr"), (row, each) =>
      this.draw(row, each),
    );
    for (const select of this.selects) options(select, queues);
  }

  draw(row, each) {
    const told = JSON.stringify(each);
    if (row.told === told) return; // whoever is at one of its buttons stays there
    row.told = told;
    const had = row.contains(document.activeElement);
    const cells = [each.queued, each.delayed, each.running, each.retrying].map(number);
    const oldest = each.oldest_s === null ? "–" : seconds(each.oldest_s);
    cells.splice(1, 0, make("td", { class: "number" }, oldest));
    row.replaceChildren(
      make("th", { scope: "row", class: "raw" }, plain(each.queue)),
      ...cells,
      this.dead(each),
      number(each.succeeded),
      make("td", { class: "number" }, fine(each.done_per_minute)),
      workers(each),
    );
    if (had) row.querySelector("button")?.focus();
  }

  dead(each) {
    if (!each.dead) return number(0);
    const text = whole(each.dead);
    const button = make(
      "button",
      {
        type: "button",
        class: "link",
        "aria-label": `${text} dead in ${plain(each.queue)}: show them`,
        click: () => this.letters.only(each.queue),
      },
      text,
    );
    return make("td", { class: "number bad" }, button);
  }
}

const number = (value) =>
  make("td", { class: value ? "number" : "number none" }, whole(value));

function workers({ is_unserved, workers: alive, slots }) {
  if (is_unserved) return make("td", {}, chip("unserved", "no worker"));
  if (!alive) return make("td", { class: "none" }, "none");
  return make("td", {}, `${count(alive, "worker")}, ${count(slots, "slot")}`);
}

// The queues that there are, to choose one of.
function options(select, queues) {
  const names = ["", ...queues.map(({ queue }) => queue)];
  if (select.value && !names.includes(select.value)) names.push(select.value);
  const chosen = select.value;
  keyed(
    select,
    names,
    (name) => name,
    (name) => make("option", { value: name }, name === "" ? "all" : plain(name)),
    () => {},
  );
  select.value = chosen;
}

function notice(error) {
  const isRefusal = error instanceof Problem && error.status !== 401;
  say(at("notice"), isRefusal ? plain(error.message) : "");
  show(at("notice"), isRefusal);
}

const changed = () => keeping.soon();
const dialog = new JobDialog(changed);
const open = (id) => dialog.open(id);
const letters = new Letters(open, changed);
const lines = new JobLines(open, changed);
const queues = new Queues([at("dead-queue"), at("jobs-queue")], letters);
const keeping = new Keeping(
  async () => {
    await Promise.all([queues.refresh(), letters.refresh(), lines.refresh()]);
    document.body.dataset.state = "ready";
  },
  () => LOOK_MS,
  notice,
);
tellWhenAway(() => keeping.soon());
keepKey({ path: QUEUES, unlocked: () => keeping.soon() });
unlocked(false);
homeOf(at("home-nav"), at("home"));
at("main").addEventListener("change", ({ target }) => {
  if (target instanceof HTMLSelectElement) keeping.soon();
});
keeping.soon().then(() => dialog.openFromAddress());
