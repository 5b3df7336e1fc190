// A field of a form, with the limits that the service tells.

import { described, make, plain, say } from "./dom.js";
import { whole } from "./words.js";

// `schema` is that of OpenAPI; what may be left out has null among its kinds there.
export class Field {
  constructor(prefix, name, schema, { label, unit, placeholder = "" }) {
    this.name = name;
    const number = schema.anyOf?.find((each) => each.type !== "null") ?? schema;
    this.isWhole = number.type === "integer";
    const id = `${prefix}-${name}`;
    this.input = make("input", {
      id,
      name,
      type: "number",
      inputmode: this.isWhole ? "numeric" : "decimal",
      min: number.minimum ?? number.exclusiveMinimum,
      max: number.maximum,
      step: this.isWhole ? 1 : "any",
      required: !schema.anyOf,
      placeholder,
      value: schema.default,
      "aria-describedby": `${id}-hint ${id}-fault`,
    });
    const hint = make("p", { class: "hint", id: `${id}-hint` }, limits(number), " ");
    hint.append(...described(schema.description ?? number.description ?? ""));
    this.fault = make("p", { class: "fault", id: `${id}-fault` });
    this.root = make(
      "div",
      { class: "field", "data-field": name },
      make("label", { for: id }, label, unit ? unseen(unit) : null),
      make("div", { class: "given" }, this.input, unit ? sign(unit) : null),
      hint,
      this.fault,
    );
  }

  // Undefined if nothing is said.
  get value() {
    return this.input.value === "" ? undefined : Number(this.input.value);
  }

  set value(value) {
    this.input.value = value ?? "";
  }

  set problem(text) {
    say(this.fault, plain(text));
    if (text) this.input.setAttribute("aria-invalid", "true");
    else this.input.removeAttribute("aria-invalid");
  }
}

const SECONDS = { s: "seconds" };
const unseen = (unit) => make("span", { class: "unseen" }, `, in ${SECONDS[unit] ?? unit}`);
const sign = (unit) => make("span", { "aria-hidden": "true" }, unit);

export class Check {
  constructor(prefix, name, schema, { label }) {
    this.name = name;
    const id = `${prefix}-${name}`;
    this.input = make("input", { id, name, type: "checkbox", checked: schema.default });
    this.root = make(
      "div",
      { class: "check", "data-field": name },
      this.input,
      make("label", { for: id }, label),
    );
  }

  get value() {
    return this.input.checked;
  }

  set value(value) {
    this.input.checked = value;
  }

  set problem(text) {
    this.input.setCustomValidity(text);
  }
}

function limits(number) {
  const low = number.minimum ?? number.exclusiveMinimum;
  const high = number.maximum;
  if (low === undefined || high === undefined) return "";
  const above = number.minimum === undefined ? "more than " : "";
  return make("span", { class: "limits" }, `${above}${whole(low)} to ${whole(high)}.`);
}
