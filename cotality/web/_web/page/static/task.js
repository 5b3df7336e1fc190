// One task as people see it.

import { askJson } from "./ask.js";
import { make, once, plain, say, show } from "./dom.js";
import { speak } from "./speak.js";
import { count, fine, marked, moment, seconds, whole } from "./words.js";

const RATE_MS = 15_000; // over which a rate is reckoned
const QUIET_MS = 10_000; // between two words about how far it is
let saidAt = 0;

export const isOver = ({ status }) => !["pending", "running"].includes(status);

export class TaskView {
  // `words` has titles of methods and what the service adds; `acts` what can be done.
  constructor(task, words, acts) {
    Object.assign(this, { words, acts, id: task.task_id });
    this.task = task;
    this.heardAt = -1;
    this.isLive = this.isFresh = false;
    this.samples = [];
    this.said = null;
    this.build();
    this.draw();
  }

  build() {
    const button = (text, act, kind = "") =>
      make("button", { type: "button", class: kind, click: act }, text);
    this.chip = make("span", { class: "chip" });
    this.title = make("h3", { id: `${this.id}-title` }, this.words.title(this.task));
    this.bar = make("progress", { "aria-labelledby": `${this.id}-title`, max: 1 });
    this.percent = make("span", { class: "percent" });
    this.numbers = make("p", { class: "numbers" });
    this.note = make("p", { class: "note" });
    this.fault = make("p", { class: "fault" });
    this.cancel = button("Cancel", null, "danger");
    this.cancel.addEventListener("click", once(this.cancel, () => this.stop()));
    this.results = button("Results", () => this.acts.results(this.task));
    this.found = button("Show comparison", () => this.acts.comparison(this.id));
    for (const each of [this.cancel, this.results, this.found]) {
      each.setAttribute("aria-describedby", `${this.id}-title`);
    }
    this.root = make(
      "li",
      { class: "task", id: this.id, tabindex: -1 },
      make(
        "div",
        { class: "head" },
        this.title,
        this.chip,
        make("code", { class: "id" }, this.id),
      ),
      make("p", { class: "hint" }, this.words.config(this.task), moment(this.task.created_time)),
      make("div", { class: "bar" }, this.bar, this.percent),
      make(
        "div",
        { class: "foot" },
        make("div", { class: "told" }, this.numbers, this.note, this.fault),
        make("div", { class: "acts" }, this.cancel, this.results, this.found),
      ),
    );
  }

  // What a list says, unless something newer was heard since it was asked for.
  take(task, askedAt) {
    if (askedAt < this.heardAt) return;
    this.task = { ...this.task, ...task };
    this.draw();
  }

  hear(event) {
    this.heardAt = performance.now();
    this.isLive = true;
    const { id, message, ...told } = event;
    this.task = { ...this.task, ...told, message };
    this.draw();
  }

  draw() {
    const { task } = this;
    const over = isOver(task);
    const part = task.total_items ? task.items_processed / task.total_items : 0;
    this.root.dataset.status = task.status;
    marked(this.chip, task.status);
    this.measure(part);
    this.bar.value = part;
    say(this.percent, `${Math.floor(100 * part)} %`);
    say(this.numbers, over ? this.final() : this.sofar());
    const isComparison = task.task_type === "compare";
    const isFound = isComparison && task.status === "completed";
    // What was found is shown elsewhere, and the number of attempts with the end.
    const notes = [over ? "" : this.again(), isFound ? "" : task.message];
    say(this.note, plain(notes.filter(Boolean).join(" · ")));
    say(this.fault, plain(task.error_message ?? ""));
    show(this.cancel, !over);
    show(this.results, !isComparison && task.items_processed > 0);
    show(this.found, isFound);
    this.speak(part);
  }

  again() {
    return this.task.attempt > 1 ? `attempt ${this.task.attempt}` : "";
  }

  measure(part) {
    const now = performance.now();
    const last = this.samples.at(-1);
    if (last && part < last.part) this.samples = []; // it has begun anew
    if (!last || part > last.part) this.samples.push({ now, part });
    this.samples = this.samples.filter((each) => now - each.now < RATE_MS).slice(-60);
  }

  // Parts of the whole in a second, lately; null if nobody knows.
  rate() {
    const [first] = this.samples;
    const last = this.samples.at(-1);
    const passed = first === last ? 0 : (last.now - first.now) / 1000;
    return passed < 0.5 ? null : (last.part - first.part) / passed;
  }

  sofar() {
    const { task } = this;
    if (task.status === "pending") {
      const about = this.words.estimate(this.id);
      return about ? `waits for its turn · about ${seconds(about)}` : "waits for its turn";
    }
    const parts = [this.done(), this.failed()];
    const rate = this.rate();
    if (rate) {
      if (task.task_type !== "compare") {
        parts.push(`${fine(rate * task.total_items)} items/s`);
      }
      const left = (1 - task.items_processed / task.total_items) / rate;
      parts.push(`about ${seconds(Math.ceil(left))} left`);
    }
    return parts.filter(Boolean).join(" · ");
  }

  done() {
    const { items_processed: done, total_items: all, task_type } = this.task;
    if (task_type === "compare") return `${Math.floor((100 * done) / (all || 1))} % measured`;
    return `${whole(done)} of ${count(all, "item")}`;
  }

  failed() {
    return this.task.items_failed ? `${whole(this.task.items_failed)} failed` : "";
  }

  final() {
    const { task } = this;
    const lasted = task.duration_seconds;
    const parts = [this.done(), this.failed()];
    if (lasted !== null && lasted !== undefined) {
      parts.push(`in ${seconds(lasted)}`);
      if (task.status === "completed" && lasted > 0 && task.task_type !== "compare") {
        parts.push(`${fine(task.items_processed / lasted)} items/s`);
      }
    }
    if (task.attempt > 1) parts.push(count(task.attempt, "attempt"));
    if (task.checksum) parts.push(`checksum ${plain(task.checksum).slice(0, 12)}`);
    return parts.filter(Boolean).join(" · ");
  }

  // Its end always; how far it is now and then.
  speak(part) {
    const { task } = this;
    const quarter = isOver(task) ? task.status : `${task.status} ${Math.floor(4 * part)}`;
    if (this.said === null || this.said === quarter) {
      this.said ??= quarter;
      return;
    }
    const title = this.words.title(task);
    if (isOver(task)) {
      const reason = task.error_message ? `: ${plain(task.error_message)}` : "";
      speak(`${title} ${task.status}${reason}. ${this.final()}`);
    } else if (performance.now() - saidAt > QUIET_MS && part > 0) {
      saidAt = performance.now();
      speak(`${title}: ${Math.floor(100 * part)} %`);
    } else return;
    this.said = quarter;
  }

  async stop() {
    say(this.cancel, "Cancelling…");
    const askedAt = performance.now();
    try {
      this.take(await askJson(`${this.words.api}/${this.id}`, { method: "DELETE" }), askedAt);
      this.root.focus();
    } catch (error) {
      say(this.fault, plain(error.message));
      if (error.status === 409) await this.look().catch(() => {}); // the list says it later
    } finally {
      say(this.cancel, "Cancel");
    }
  }

  // Ask how it stands, with what events do not say.
  async look() {
    const askedAt = performance.now();
    this.take(await askJson(`${this.words.api}/status/${this.id}?results=0`), askedAt);
  }
}
