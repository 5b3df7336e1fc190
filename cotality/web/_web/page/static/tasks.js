// All tasks: a list that is asked for, and streams that make some of them quicker.

import { askJson, hasKey } from "./ask.js";
import { confirmed } from "./confirm.js";
import { at, keyed, once, plain, say, show } from "./dom.js";
import { speak } from "./speak.js";
import { TaskView, isOver } from "./task.js";
import { watch } from "./watch.js";
import { count } from "./words.js";

const PORTION = 20;
// Milliseconds between two looks at the list. Without a stream it is all that moves the
// bars; with a key each look counts, and a hundred in a minute are allowed.
const PAUSES = { moving: 1500, streamed: 5000, still: 8000 };
const AGAIN_MS = 20_000; // after which a stream that was refused is asked for again

export class Tasks {
  // `words` says what tasks are called, `acts` what can be done with one; `ended` is told
  // of tasks that are over now and were not before.
  constructor(words, acts, ended) {
    Object.assign(this, { words, acts, ended });
    this.views = new Map();
    this.next = null; // the cursor of what is older than all that is shown
    this.refusedAt = new Map();
    this.streams = new Map();
    this.isComplete = true;
    at("older").addEventListener("click", once(at("older"), () => this.older()));
    at("forget").addEventListener("click", () => this.forget());
    document.addEventListener("visibilitychange", () => this.watchSome());
  }

  get alive() {
    return [...this.views.values()].filter(({ task }) => !isOver(task));
  }

  pause() {
    const { alive } = this;
    if (!alive.length) return PAUSES.still;
    if (alive.every((view) => view.isLive)) return PAUSES.streamed;
    return hasKey() ? 2 * PAUSES.moving : PAUSES.moving;
  }

  // Look at the newest of them.
  async refresh() {
    const askedAt = performance.now();
    const page = await this.portion(null);
    this.take(page.items, askedAt);
    this.drop(page);
    if (this.isComplete) this.next = page.next_cursor;
    await this.lookAtOlder(page.items);
    this.draw();
    this.watchSome();
  }

  portion(cursor) {
    const more = cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    return askJson(`${this.words.api}/results?limit=${PORTION}${more}`);
  }

  take(items, askedAt) {
    for (const task of items) {
      const view = this.views.get(task.task_id);
      if (view === undefined) {
        this.views.set(task.task_id, new TaskView(task, this.words, this.acts));
        if (isOver(task)) this.ended(task, false);
      } else {
        this.changed(view, () => view.take(task, askedAt));
      }
    }
  }

  changed(view, change) {
    const before = isOver(view.task);
    change();
    if (!before && isOver(view.task)) this.ended(view.task, true);
  }

  // Those that the service has forgotten.
  drop(page) {
    const found = new Set(page.items.map((task) => task.task_id));
    const oldest = page.items.at(-1)?.created_time;
    for (const [id, { task }] of this.views) {
      const isNewer = new Date(task.created_time) > new Date(oldest);
      const isCovered = page.next_cursor === null || isNewer;
      if (!found.has(id) && isCovered) this.remove(id);
    }
  }

  remove(id) {
    this.streams.get(id)?.abort();
    this.views.delete(id);
  }

  // Those that still run and are further back than the list goes.
  async lookAtOlder(newest) {
    const found = new Set(newest.map((task) => task.task_id));
    const older = this.alive.filter((view) => !found.has(view.id) && !view.isLive);
    for (const view of older.slice(0, 3)) {
      try {
        await this.lookAt(view);
      } catch (error) {
        if (error.status !== 404) throw error;
        this.remove(view.id);
      }
    }
  }

  async lookAt(view) {
    const before = isOver(view.task);
    await view.look();
    if (!before && isOver(view.task)) this.ended(view.task, true);
  }

  draw() {
    const all = [...this.views.values()].sort(newestFirst);
    keyed(
      at("task-list"),
      all,
      (view) => view.id,
      (view) => view.root,
      () => {},
    );
    show(at("no-tasks"), all.length === 0);
    show(at("older"), this.next !== null);
    show(at("forget"), all.some((view) => isOver(view.task)));
    const { alive } = this;
    say(at("task-count"), alive.length ? `${alive.length} at work or waiting` : "");
    document.title = titleOf(alive);
  }

  async older() {
    try {
      const askedAt = performance.now();
      const page = await this.portion(this.next);
      this.take(page.items, askedAt);
      this.next = page.next_cursor;
      this.isComplete = false;
      this.draw();
      this.views.get(page.items[0]?.task_id)?.root.focus();
    } catch (error) {
      this.fault(error);
    }
  }

  async forget() {
    const question = "Forget all tasks that are over, with their results?";
    if (!(await confirmed(question, "Forget them"))) return;
    try {
      const { forgotten } = await askJson(`${this.words.api}/results`, { method: "DELETE" });
      speak(`${count(forgotten, "task")} forgotten.`);
      this.fault(null);
      for (const [id, { task }] of this.views) if (isOver(task)) this.remove(id);
      this.isComplete = true;
      this.draw();
      at("tasks").focus();
    } catch (error) {
      this.fault(error);
    }
  }

  fault(error) {
    say(at("tasks-fault"), error === null ? "" : plain(error.message));
  }

  // Streams for the newest that are not over, as long as somebody looks.
  watchSome() {
    if (document.hidden) {
      for (const stream of this.streams.values()) stream.abort();
      return;
    }
    for (const view of this.alive.sort(newestFirst)) {
      const refused = performance.now() - (this.refusedAt.get(view.id) ?? -Infinity);
      if (!this.streams.has(view.id) && refused > AGAIN_MS) this.watch(view);
    }
  }

  async watch(view) {
    const stop = new AbortController();
    this.streams.set(view.id, stop);
    let isDone = false;
    try {
      isDone = await watch(`${this.words.api}/events/${view.id}`, {
        signal: stop.signal,
        tell: (event) => this.hear(view, event),
        cut: () => {
          view.isLive = false;
        },
      });
    } finally {
      this.streams.delete(view.id);
      view.isLive = false;
      if (!isDone && !stop.signal.aborted) this.refusedAt.set(view.id, performance.now());
    }
    if (isDone) {
      this.refusedAt.clear(); // there is a place now
      await this.lookAtLast(view);
    }
    this.acts.soon();
  }

  // Whether it was the last one.
  hear(view, event) {
    this.changed(view, () => view.hear(event));
    this.draw();
    return isOver(event);
  }

  async lookAtLast(view) {
    try {
      await view.look();
    } catch {
      // The list says it as well, and tells of what keeps it from that.
    }
  }
}

const newestFirst = (one, other) =>
  new Date(other.task.created_time) - new Date(one.task.created_time) ||
  (one.id < other.id ? -1 : 1);

const TITLE = document.title;

function titleOf(alive) {
  if (!alive.length) return TITLE;
  const all = alive.reduce((sum, { task }) => sum + task.total_items, 0);
  const done = alive.reduce((sum, { task }) => sum + task.items_processed, 0);
  return `${Math.floor((100 * done) / (all || 1))} % · ${TITLE}`;
}
