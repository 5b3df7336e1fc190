// Method cards, and the form that starts a task.

import { askJson } from "./ask.js";
import { at, make, once, say } from "./dom.js";
import { Fields } from "./fields.js";
import { speak } from "./speak.js";
import { lower, seconds } from "./words.js";

export class StartForm {
  // `schema` is that of a task in OpenAPI; `started` is called with what was taken, and
  // `changed` with what is asked for.
  constructor(offers, schema, { started, changed }) {
    Object.assign(this, { offers, started, changed });
    this.first = schema.properties.method.default;
    const cards = offers.methods.map((offer) => this.card(offer));
    at("hint").before(...cards);
    const names = ["items_count", "workers", "batch_size"];
    this.fields = new Fields("start", schema.properties, names, offers);
    this.method = this.choice();
    at("start-fields").replaceChildren(this.fields.root);
    this.fields.root.prepend(this.method.root);
    this.form = at("start-form");
    this.form.addEventListener("change", () => this.follow());
    const start = once(at("start-button"), () => this.start());
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      start();
    });
    this.follow();
  }

  card(offer) {
    const id = `method-${offer.method}`;
    return make(
      "div",
      { class: "card" },
      make("input", {
        type: "radio",
        name: "kind",
        id,
        value: offer.method,
        checked: offer.method === this.first,
        "aria-describedby": `${id}-text`,
      }),
      make("label", { for: id }, offer.title),
      make(
        "div",
        { id: `${id}-text`, class: "card-text" },
        make("p", {}, offer.description),
        make("p", { class: "best" }, make("b", {}, "Best for: "), lower(offer.best_for)),
      ),
    );
  }

  // By which method a background task is done.
  choice() {
    const options = this.offers.methods
      .filter((offer) => offer.method !== "background")
      .map((offer) =>
        make(
          "option",
          { value: offer.method, selected: offer.method === this.first },
          offer.title,
        ),
      );
    const select = make("select", { id: "start-method", name: "method" }, ...options);
    const root = make(
      "div",
      { class: "field" },
      make("label", { for: "start-method" }, "Done by"),
      select,
    );
    return { root, select };
  }

  get kind() {
    return this.form.elements.kind.value;
  }

  set kind(method) {
    this.form.elements.kind.value = method;
    this.follow();
  }

  // What the chosen method does not use is not asked for.
  follow() {
    const isBackground = this.kind === "background";
    const used = isBackground ? this.method.select.value : this.kind;
    this.method.root.hidden = !isBackground;
    this.method.select.disabled = !isBackground;
    const batch = this.fields.all.get("batch_size");
    batch.root.hidden = used !== "batch_async";
    batch.input.disabled = batch.root.hidden;
    this.fields.all.get("workers").input.disabled = ["sequential", "batch_async"].includes(
      used,
    );
    this.changed(this.fields.values);
  }

  async start() {
    const { offer, config } = this.asked();
    this.fields.tell(null, at("start-fault"));
    say(at("start-told"), "");
    try {
      const task = await askJson(offer.path.replace(/^\//, ""), {
        method: "POST",
        json: config,
        headers: { Prefer: "respond-async" },
      });
      this.tell(offer, task);
      await this.started(task);
    } catch (error) {
      this.fields.tell(error, at("start-fault"));
    }
  }

  asked() {
    const offer = this.offers.methods.find(({ method }) => method === this.kind);
    const config = this.fields.values;
    if (!this.method.select.disabled) config.method = this.method.select.value;
    return { offer, config };
  }

  tell(offer, task) {
    const about = task.estimated_duration;
    const words = about === null ? "" : `, which takes about ${seconds(about)}`;
    at("start-told").replaceChildren(
      `${offer.title} was taken${words}: `,
      make("a", { href: `#${task.task_id}` }, "see how it stands"),
    );
    speak(`${offer.title} was taken${words}.`);
  }

  // Fill it in as advice says.
  use(method, config) {
    this.fields.values = config;
    if (config.method) this.method.select.value = config.method;
    this.kind = method;
    at("start").scrollIntoView();
    at("start-button").focus({ preventScroll: true });
  }
}
