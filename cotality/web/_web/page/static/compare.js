// All methods measured against each other: the form, how far it is, and what was found.

import { ask, askJson } from "./ask.js";
import { chart, needsLogarithm } from "./chart.js";
import { at, make, once, plain, say, show } from "./dom.js";
import { Fields } from "./fields.js";
import { speak } from "./speak.js";
import { count, fine, seconds, sentence, whole } from "./words.js";

export class Comparing {
  // `parameters` are those of the route in OpenAPI; `started` is called when one was taken.
  constructor(words, offers, parameters, started) {
    Object.assign(this, { words, started, shown: null, wanted: null });
    const schemas = Object.fromEntries(
      parameters.map(({ name, schema, description }) => [name, { description, ...schema }]),
    );
    const names = ["items_count", "workers", "budget_s"];
    this.fields = new Fields("compare", schemas, names, offers);
    at("compare-fields").replaceChildren(this.fields.root);
    const start = once(at("compare-button"), () => this.start());
    at("compare-form").addEventListener("submit", (event) => {
      event.preventDefault();
      start();
    });
    at("logarithmic").addEventListener("change", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(at("chart"));
  }

  async start() {
    this.fields.tell(null, at("compare-fault"));
    try {
      const asked = new URLSearchParams(this.fields.values);
      const answer = await ask(`${this.words.api}/compare?${asked}`, {
        method: "POST",
        headers: { Prefer: "respond-async" },
      });
      await this.taken(await answer.json());
    } catch (error) {
      this.fields.tell(error, at("compare-fault"));
    }
  }

  async taken(task) {
    this.wanted = task.task_id;
    const about = task.estimated_duration;
    const words = about === null ? "" : `, which takes about ${seconds(about)}`;
    at("compare-told").replaceChildren(
      `The comparison was taken${words}: `,
      make("a", { href: `#${task.task_id}` }, "see how far it is"),
    );
    speak(`The comparison was taken${words}.`);
    await this.started(task);
  }

  // A comparison is over: show it if somebody waits for it, or if it is the newest one.
  async ended(task, isNew) {
    if (task.task_id === this.wanted) say(at("compare-told"), "");
    if (task.status !== "completed") {
      if (task.task_id === this.wanted) this.wanted = null;
      return;
    }
    const isNewer = this.shown === null || task.created_time > this.shown.created_time;
    if (task.task_id !== this.wanted && !(isNewer && this.wanted === null)) return;
    this.shown = { task_id: task.task_id, created_time: task.created_time };
    this.wanted = null;
    await this.load(task.task_id, isNew);
  }

  async open(id) {
    await this.load(id, false);
    at("found").scrollIntoView();
    at("found").focus();
  }

  async load(id, isNew) {
    try {
      this.comparison = await askJson(`${this.words.api}/compare/${id}`);
    } catch (error) {
      say(at("compare-fault"), plain(error.message));
      return;
    }
    at("logarithmic").checked = needsLogarithm(this.comparison.methods);
    show(at("found"), true);
    this.tell();
    this.draw();
    if (isNew) speak(at("found-best").textContent);
  }

  tell() {
    const found = this.comparison;
    const best = this.words.method(found.best_approach);
    at("found-best").replaceChildren(
      make("b", {}, `${best} is best`),
      ` for ${count(found.items_count, "item")} with ${count(found.workers, "worker")}: ${fine(found.improvement_factor)} times as quick as one item after the other.`,
    );
    say(at("found-reason"), sentence(plain(found.reason)));
    const equal = found.checksums_equal;
    at("found-checksums").className = equal ? "hint" : "fault";
    say(
      at("found-checksums"),
      equal
        ? `All gave the same checksum, over ${count(found.checked_items, "item")}.`
        : `Their checksums differ over ${count(found.checked_items, "item")}: something is wrong.`,
    );
    at("found-rows").replaceChildren(...found.methods.map((each) => this.row(each)));
    const others = found.others_running;
    say(
      at("found-others"),
      others ? `Meanwhile ${count(others, "other task")} ran, which makes all of it take longer.` : "",
    );
    const { machine } = found;
    say(
      at("found-machine"),
      `Measured in turns for ${seconds(found.budget_s)}, in ${count(found.rounds, "round")}, on ${plain(machine.name)}.`,
    );
  }

  row(each) {
    const isBest = each.method === this.comparison.best_approach;
    const about = each.is_estimate
      ? [
          make("span", { class: "figure" }, `≈ ${seconds(each.estimated_seconds)}`),
          make(
            "span",
            { class: "hint" },
            `${seconds(each.estimated_low)} to ${seconds(each.estimated_high)}`,
          ),
        ]
      : [
          make("span", { class: "figure" }, seconds(each.estimated_seconds)),
          make("span", { class: "hint" }, "measured"),
        ];
    return make(
      "tr",
      { class: isBest ? "best" : null, "data-method": each.method },
      make(
        "th",
        { scope: "row" },
        this.words.method(each.method),
        isBest ? make("span", { class: "star" }, " ★ best") : null,
      ),
      make("td", { class: each.is_estimate ? "estimated" : "measured" }, ...about),
      make(
        "td",
        {},
        make("span", { class: "figure" }, seconds(each.measured_seconds)),
        make("span", { class: "hint" }, `for ${count(each.measured_items, "item")}`),
      ),
      make("td", {}, make("span", { class: "figure" }, fine(each.items_per_second))),
      make("td", {}, make("code", { title: plain(each.checksum) }, plain(each.checksum).slice(0, 8))),
    );
  }

  draw() {
    const place = at("chart");
    if (!this.comparison || !place.clientWidth) return;
    const isLogarithmic = at("logarithmic").checked;
    const drawn = [this.comparison, place.clientWidth, isLogarithmic];
    if (drawn.every((each, number) => each === this.drawn?.[number])) return;
    this.drawn = drawn;
    place.replaceChildren(
      chart(this.comparison, {
        width: place.clientWidth,
        isLogarithmic,
        title: (method) => this.words.method(method),
      }),
    );
    const all = whole(this.comparison.items_count);
    say(
      at("chart-caption"),
      isLogarithmic
        ? `Time for ${all} items, the best first. Each line of the grid is ten times the one before, so compare numbers rather than lengths.`
        : `Time for ${all} items, the best first.`,
    );
  }
}
