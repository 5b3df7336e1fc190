// Dead letters: what has failed for good, to be tried again or forgotten.

import { askJson } from "./ask.js";
import { confirmed } from "./confirm.js";
import { at, keyed, make, plain, say, show } from "./dom.js";
import { speak } from "./speak.js";
import { count, moment } from "./words.js";

const PORTION = 20;
const MOST = 1000;

export class Letters {
  // `open` shows all about a job; `changed` is called when something was done.
  constructor(open, changed) {
    Object.assign(this, { open, changed, limit: PORTION, chosen: new Set(), shown: [] });
    at("dead-more").addEventListener("click", () => {
      this.limit = Math.min(MOST, this.limit + PORTION);
      changed();
    });
    at("dead-all").addEventListener("change", ({ target }) => this.chooseAll(target.checked));
    at("dead-retry").addEventListener("click", () => this.retry([...this.chosen]));
    at("dead-forget").addEventListener("click", () => this.forget([...this.chosen]));
  }

  // Show those of one queue alone.
  async only(queue) {
    at("dead-queue").value = queue;
    await this.changed();
    at("dead").scrollIntoView();
    at("dead").focus();
  }

  async refresh() {
    const queue = at("dead-queue").value;
    const only = queue ? `&queue=${encodeURIComponent(queue)}` : "";
    const { items, next_offset } = await askJson(`dead?limit=${this.limit}${only}`);
    this.shown = items.map(({ id }) => id);
    this.chosen = new Set([...this.chosen].filter((id) => this.shown.includes(id)));
    keyed(
      at("dead-list"),
      items,
      ({ id }) => id,
      (letter) => this.create(letter),
      (element, letter) => this.draw(element, letter),
    );
    show(at("no-dead"), items.length === 0);
    show(at("dead-acts"), items.length > 0);
    show(at("dead-more"), next_offset !== null && this.limit < MOST);
    this.count();
  }

  create(letter) {
    const { id } = letter;
    const name = plain(letter.name);
    const act = (text, kind, click) =>
      make("button", { type: "button", class: kind, "aria-label": `${text}: ${name}`, click }, text);
    const box = make("input", {
      type: "checkbox",
      "aria-label": `Choose ${name}, ${plain(id)}`,
    });
    box.addEventListener("change", () => this.choose(id, box.checked));
    const element = make(
      "li",
      { class: "task letter" },
      make(
        "div",
        { class: "head" },
        box,
        make(
          "h3",
          {},
          make("button", { type: "button", class: "link raw", click: () => this.open(id) }, name),
        ),
        make("span", { class: "hint raw" }),
        make("code", { class: "id raw" }, plain(id)),
      ),
      make(
        "div",
        { class: "foot" },
        make("div", { class: "told" }, make("p", { class: "fault raw clipped" })),
        make(
          "div",
          { class: "acts" },
          act("Retry", "", () => this.retry([id])),
          act("Forget", "danger", () => this.forget([id])),
        ),
      ),
    );
    element.box = box;
    return element;
  }

  draw(element, letter) {
    const told = `${letter.ended} ${letter.attempt}`;
    if (element.told !== told) {
      element.told = told;
      element
        .querySelector(".hint")
        .replaceChildren(
          `${plain(letter.queue)} · ${count(letter.attempt, "attempt")} · `,
          moment(letter.ended),
        );
    }
    const error = [letter.error_type, letter.error].filter(Boolean).join(": ");
    say(element.querySelector(".fault"), plain(error || "It says nothing."));
    element.box.checked = this.chosen.has(letter.id);
  }

  choose(id, isChosen) {
    if (isChosen) this.chosen.add(id);
    else this.chosen.delete(id);
    this.count();
  }

  chooseAll(isChosen) {
    this.chosen = new Set(isChosen ? this.shown : []);
    for (const { box } of at("dead-list").children) box.checked = isChosen;
    this.count();
  }

  count() {
    const number = this.chosen.size;
    const all = at("dead-all");
    all.checked = number > 0 && number === this.shown.length;
    all.indeterminate = number > 0 && number < this.shown.length;
    for (const [id, word] of [
      ["dead-retry", "Retry"],
      ["dead-forget", "Forget"],
    ]) {
      at(id).disabled = number === 0;
      say(at(id), number ? `${word} ${number} chosen` : `${word} chosen`);
    }
  }

  retry(ids) {
    return this.act("requeue", ids, (number) =>
      number === 1 ? "1 job runs again." : `${number} jobs run again.`,
    );
  }

  async forget(ids) {
    const what = ids.length === 1 ? "this dead letter" : `these ${ids.length} dead letters`;
    if (!(await confirmed(`Forget ${what}? Nothing of it is kept.`, "Forget"))) return false;
    return this.act("purge", ids, (number) => `${count(number, "dead letter")} forgotten.`);
  }

  async act(what, ids, words) {
    say(at("dead-fault"), "");
    try {
      const handled = await askJson(`dead/${what}`, { method: "POST", json: { ids } });
      const left = Object.entries(handled.left);
      const text = words(handled.done.length);
      say(at("dead-told"), handled.done.length ? text : "");
      say(
        at("dead-fault"),
        plain(left.map(([id, reason]) => `${id}: ${reason}`).join("; ")),
      );
      if (handled.done.length) speak(text);
      const isOurs = at("dead-list").contains(document.activeElement);
      await this.changed();
      // Its buttons are gone, and the keyboard with them.
      if (isOurs && !at("dead-list").contains(document.activeElement)) at("dead").focus();
      return left.length === 0;
    } catch (error) {
      say(at("dead-fault"), plain(error.message));
      return false;
    }
  }
}
