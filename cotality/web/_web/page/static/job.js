// All about one job, over the page.

import { Problem, askJson } from "./ask.js";
import { confirmed } from "./confirm.js";
import { at, make, once, plain, raw, say, show } from "./dom.js";
import { speak } from "./speak.js";
import { chip, marked, moment, took } from "./words.js";

const LOOK_MS = 2000;
const IN_ADDRESS = "#job=";

export class JobDialog {
  // `changed` is called when something was done to it.
  constructor(changed) {
    this.changed = changed;
    this.dialog = at("job");
    this.timer = null;
    at("job-close").addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("close", () => this.closed());
    window.addEventListener("hashchange", () => this.openFromAddress());
    const posted = (what) => () =>
      askJson(`dead/${what}`, { method: "POST", json: { ids: [this.id] } });
    this.does("job-retry", posted("requeue"), "It runs again.");
    this.does("job-forget", posted("purge"), "It is forgotten.", "Forget this job? Nothing of it is kept.");
    this.does("job-cancel", () => askJson(this.path, { method: "DELETE" }), "It is cancelled.");
  }

  get path() {
    return `jobs/${encodeURIComponent(this.id)}`;
  }

  // The address says which job is shown, so that it can be sent to others.
  openFromAddress() {
    if (!location.hash.startsWith(IN_ADDRESS)) return;
    let id;
    try {
      id = decodeURIComponent(location.hash.slice(IN_ADDRESS.length));
    } catch {
      return; // no id of ours
    }
    if (id !== this.id || !this.dialog.open) this.open(id);
  }

  async open(id) {
    this.id = id;
    history.replaceState(null, "", `${IN_ADDRESS}${encodeURIComponent(id)}`);
    this.clear(id);
    if (!this.dialog.open) this.dialog.showModal();
    await this.look();
  }

  clear(id) {
    say(at("job-title"), "Job");
    say(at("job-id"), plain(id));
    show(at("job-status"), false);
    show(at("job-body"), false);
    say(at("job-fault"), "");
  }

  closed() {
    clearTimeout(this.timer);
    this.id = null;
    history.replaceState(null, "", location.pathname + location.search);
  }

  async look() {
    clearTimeout(this.timer);
    const { id } = this;
    let isOver = false;
    try {
      const job = await askJson(this.path);
      if (id !== this.id) return; // closed, or another one, meanwhile
      this.draw(job);
      isOver = ["SUCCEEDED", "FAILED", "CANCELLED"].includes(job.status);
    } catch (error) {
      if (id !== this.id) return;
      say(at("job-fault"), plain(error.message));
      isOver = error instanceof Problem && error.retryAfter === null;
    }
    if (!isOver && this.dialog.open) this.timer = setTimeout(() => this.look(), LOOK_MS);
  }

  draw(job) {
    say(at("job-title"), plain(job.name));
    marked(at("job-status"), job.status);
    show(at("job-status"), true);
    show(at("job-body"), true);
    const error = [job.error_type, job.error].filter(Boolean).join(": ");
    say(at("job-fault"), plain(error));
    at("job-facts").replaceChildren(...facts(job));
    const isOver = ["SUCCEEDED", "FAILED", "CANCELLED"].includes(job.status);
    this.offer("job-retry", job.status === "FAILED");
    this.offer("job-forget", job.status === "FAILED");
    this.offer("job-cancel", !isOver);
    show(at("no-attempts"), job.attempts.length === 0);
    show(at("job-attempts"), job.attempts.length > 0);
    at("job-runs").replaceChildren(...job.attempts.flatMap(run));
    say(at("job-arguments"), plain(job.arguments));
    show(at("job-trace"), job.traceback !== null);
    say(at("job-traceback"), plain(job.traceback ?? ""));
  }

  // A button that goes away leaves the keyboard in the dialog.
  offer(id, isOffered) {
    const had = document.activeElement === at(id);
    show(at(id), isOffered);
    if (had && !isOffered) at("job-close").focus();
  }

  does(id, act, told, question = null) {
    const work = async () => {
      if (question !== null && !(await confirmed(question, "Forget"))) return;
      const job = this.id;
      try {
        const { left = {} } = await act();
        const [reason] = Object.values(left);
        if (reason !== undefined) say(at("job-fault"), plain(reason));
        else speak(told);
        this.changed();
        if (job !== this.id) return;
        if (id === "job-forget" && reason === undefined) this.dialog.close();
        else await this.look();
      } catch (error) {
        say(at("job-fault"), plain(error.message));
      }
    };
    at(id).addEventListener("click", once(at(id), work));
  }
}

function facts(job) {
  const { progress } = job;
  const told = [
    ["Queue", raw(job.queue)],
    ["Priority", String(job.priority)],
    ["Attempts", String(job.attempt)],
    ["Enqueued", moment(job.enqueued)],
    ["Due", moment(job.due)],
    ["Last begun", moment(job.started)],
    ["Over", moment(job.ended)],
    ["Took", took(job.started, job.ended)],
  ];
  if (job.worker !== null) told.push(["Worker", raw(job.worker)]);
  if (job.key !== null) told.push(["Key", raw(job.key)]);
  if (progress) {
    const all = progress.total === null ? "" : ` of ${progress.total}`;
    told.push(["Progress", raw(`${progress.done}${all} ${progress.message}`.trim())]);
  }
  return told.map(([name, value]) =>
    make("div", {}, make("dt", {}, name), make("dd", {}, value)),
  );
}

// A row for each run, and one below it for what it has raised.
function run(attempt) {
  const row = make(
    "tr",
    { class: attempt.error === null ? null : "open" },
    make("th", { scope: "row", class: "number" }, String(attempt.number)),
    make("td", {}, chip(attempt.outcome)),
    make("td", {}, moment(attempt.started)),
    make("td", {}, took(attempt.started, attempt.ended)),
    make("td", {}, raw(attempt.worker)),
  );
  const error = [attempt.error_type, attempt.error].filter(Boolean).join(": ");
  if (!error) return [row];
  const text = make("td", { colspan: 5 }, make("p", { class: "fault raw clipped" }, plain(error)));
  return [row, make("tr", { class: "below" }, text)];
}
