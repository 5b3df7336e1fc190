// What to use here, from what was measured on this machine.

import { askJson } from "./ask.js";
import { at, make, once, plain, say, show } from "./dom.js";
import { lower, seconds, sentence, upper } from "./words.js";

// `use` fills in the form.
export class Advice {
  constructor(words, use) {
    Object.assign(this, { words, use, advice: [], asked: {} });
    const button = at("advice-again");
    button.addEventListener("click", once(button, () => this.load()));
  }

  async load() {
    try {
      this.tell(await askJson(`${this.words.api}/recommendations`));
      say(at("advice-fault"), "");
    } catch (error) {
      say(at("advice-fault"), plain(error.message));
    }
  }

  tell({ machine, based_on, advice }) {
    say(
      at("advice-machine"),
      `${plain(machine.name)}: an item computes for ${seconds(machine.cpu_seconds_per_item)}, its query takes ${seconds(machine.query_seconds)}, its look-up ${seconds(machine.lookup_seconds)}. ${sentence(plain(based_on))}`,
    );
    at("advice-list").replaceChildren(...advice.map((each) => this.card(each)));
    this.advice = advice;
    this.hint(this.asked);
  }

  // Beside the methods: what is best for that which is nearest to what a form asks for.
  hint(asked) {
    this.asked = asked;
    const [first] = [...this.advice].sort(
      (one, other) => distance(one.config, asked) - distance(other.config, asked),
    );
    show(at("hint"), first !== undefined);
    if (first === undefined) return;
    say(at("hint-title"), `Here: ${this.words.method(first.method)}`);
    say(at("hint-text"), `For ${lower(plain(first.case))}: ${about(first)}.`);
  }

  card(each) {
    const others = Object.entries(each.others)
      .filter(([method]) => method !== each.method)
      .map(([method, time]) => `${this.words.method(method)} ${seconds(time)}`);
    const title = upper(plain(each.case));
    const button = make(
      "button",
      {
        type: "button",
        "aria-label": `Fill in the form for: ${title}`,
        click: () => this.use(this.methodOf(each), each.config),
      },
      "Fill in the form",
    );
    return make(
      "li",
      { class: "advice" },
      make("h3", {}, title),
      make(
        "p",
        { class: "pick" },
        make("b", {}, this.words.method(each.method)),
        ` ${about(each)}`,
      ),
      make("p", {}, sentence(plain(each.reason))),
      others.length ? make("p", { class: "hint" }, `The others, estimated: ${others.join(", ")}.`) : null,
      make("div", { class: "acts" }, button),
    );
  }

  // A route may be that of another method, such as in the background.
  methodOf(each) {
    return this.words.methodAt(each.route) ?? each.method;
  }
}

const about = (each) =>
  each.is_estimate
    ? `about ${seconds(each.estimated_seconds)}, estimated`
    : `${seconds(each.estimated_seconds)}, measured`;

// Whether queries are slow counts first, and then how many items there are.
function distance(config, asked) {
  const isOther = config.simulate_db_delay !== (asked.simulate_db_delay ?? true);
  const items = asked.items_count ?? config.items_count;
  return (isOther ? 100 : 0) + Math.abs(Math.log(config.items_count / items));
}
