// What the items of a task came to, a portion at a time: nobody holds fifty thousand.

import { askJson } from "./ask.js";
import { at, make, once, plain, say } from "./dom.js";
import { whole } from "./words.js";

const PORTION = 50;

export class ItemsDialog {
  constructor(words) {
    this.words = words;
    this.dialog = at("items");
    const next = () => this.turn(this.next, [...this.before, this.cursor]);
    const back = () => this.turn(this.before.at(-1), this.before.slice(0, -1));
    at("items-next").addEventListener("click", once(at("items-next"), next));
    at("items-back").addEventListener("click", once(at("items-back"), back));
    at("items-close").addEventListener("click", () => this.dialog.close());
  }

  async open(task) {
    Object.assign(this, { task, before: [], cursor: null, next: null });
    say(at("items-title"), `Results of ${this.words.title(task)}`);
    say(at("items-id"), task.task_id);
    at("items-rows").replaceChildren();
    say(at("items-where"), "…");
    this.dialog.showModal();
    await this.turn(null, []);
  }

  // Go to the portion of a cursor, null for the first one; `before` are those before it.
  async turn(cursor, before) {
    const { task } = this;
    try {
      const more = cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`;
      const path = `${this.words.api}/results/${task.task_id}/items?limit=${PORTION}${more}`;
      const page = await askJson(path);
      if (task !== this.task) return; // another one was opened meanwhile
      Object.assign(this, { cursor, before, next: page.next_cursor });
      this.draw(page.items);
    } catch (error) {
      say(at("items-fault"), plain(error.message));
    }
    this.allow();
  }

  draw(items) {
    say(at("items-fault"), "");
    at("items-rows").replaceChildren(...items.map(row));
    at("items-table").scrollTop = 0;
    const [first] = items;
    const shown = first
      ? `Items ${whole(first.index)} to ${whole(items.at(-1).index)} of ${whole(this.task.total_items)}, counted from 0`
      : "No item is done yet";
    say(at("items-where"), shown);
  }

  allow() {
    const [next, back] = [at("items-next"), at("items-back")];
    const was = document.activeElement;
    next.disabled = this.next === null;
    back.disabled = this.before.length === 0;
    // A button that is of no use any more leaves the keyboard to the other one.
    if (was === next && next.disabled) back.focus();
    if (was === back && back.disabled) next.focus();
  }
}

function row({ index, value, error }) {
  const isFailed = error !== null && error !== undefined;
  return make(
    "tr",
    { class: isFailed ? "failed" : null },
    make("th", { scope: "row" }, String(index)),
    make(
      "td",
      {},
      isFailed
        ? make("span", { class: "raw" }, `failed: ${plain(error)}`)
        : make("code", {}, plain(value)),
    ),
  );
}
