// Jobs, the newest first: all of them, or those that stand so, or of one queue.

import { askJson } from "./ask.js";
import { at, keyed, make, plain, say, show } from "./dom.js";
import { marked, moment, took } from "./words.js";

const PORTION = 20;
const MOST = 1000;

export class JobLines {
  // `open` shows all about one; `changed` is called when others are to be shown.
  constructor(open, changed) {
    Object.assign(this, { open, limit: PORTION });
    at("jobs-more").addEventListener("click", () => {
      this.limit = Math.min(MOST, this.limit + PORTION);
      changed();
    });
  }

  async refresh() {
    const asked = new URLSearchParams({ limit: this.limit });
    for (const name of ["status", "queue"]) {
      const { value } = at(`jobs-${name}`);
      if (value) asked.set(name, value);
    }
    const { items, next_before } = await askJson(`jobs?${asked}`);
    show(at("no-jobs"), items.length === 0);
    show(at("jobs-table"), items.length > 0);
    show(at("jobs-more"), next_before !== null && this.limit < MOST);
    keyed(
      at("jobs-rows"),
      items,
      ({ id }) => id,
      (job) => this.create(job),
      (row, job) => draw(row, job),
    );
  }

  create({ id, name, queue, enqueued }) {
    return make(
      "tr",
      {},
      make(
        "th",
        { scope: "row" },
        make("button", { type: "button", class: "link raw", click: () => this.open(id) }, plain(name)),
        make("code", { class: "id raw" }, plain(id)),
      ),
      make("td", {}, make("span", { class: "chip" })),
      make("td", { class: "extra raw" }, plain(queue)),
      make("td", { class: "number extra" }),
      make("td", {}, moment(enqueued)),
      make("td", { class: "extra" }),
    );
  }
}

function draw(row, { status, attempt, started, ended }) {
  const [, standing, , attempts, , lasted] = row.children;
  marked(standing.firstElementChild, status);
  say(attempts, String(attempt));
  say(lasted, took(started, ended));
}
