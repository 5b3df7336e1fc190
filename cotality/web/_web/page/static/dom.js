// Elements of the page. All that anybody has said is text in them, never markup: nothing
// here, and nothing else on the page, reads HTML.

const SVG = "http://www.w3.org/2000/svg";

export const at = (id) => document.getElementById(id);

// An element with attributes, and children that are elements or texts. What is null or
// false is left out; true is an attribute without a value.
export function make(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

export function makeSvg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "click") element.addEventListener("click", value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// What a text may do to its reader: turn others around, hide, or pretend to be a space.
const ODD = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

// A text of somebody else, with signs that are not seen written out.
export function plain(text) {
  return String(text).replace(ODD, (sign) => {
    const number = sign.codePointAt(0).toString(16).padStart(4, "0");
    return `\\u${number}`;
  });
}

export function raw(text, tag = "span") {
  return make(tag, { class: "raw" }, plain(text));
}

// `words in code` of a description become elements.
export function described(text) {
  return String(text)
    .split("`")
    .map((part, number) => (number % 2 ? make("code", {}, part) : part));
}

// Change a text only if it is another one: screen readers and selections stay where they
// are otherwise.
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function show(element, isShown) {
  if (element.hidden === isShown) element.hidden = !isShown;
}

// Make the children of *parent* those of *items*, in their order, and keep the elements of
// those that were there: whoever is at one of them stays there.
export function keyed(parent, items, keyOf, create, update) {
  const before = (parent.keyed ??= new Map());
  const keys = new Set(items.map(keyOf));
  // First: an element that is moved would lose the keyboard.
  for (const [key, element] of before) if (!keys.has(key)) element.remove();
  const after = new Map();
  let next = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    const element = before.get(key) ?? create(item);
    after.set(key, element);
    if (element === next) next = next.nextElementSibling;
    else parent.insertBefore(element, next);
    update(element, item);
  }
  parent.keyed = after;
}

// Does `work` for a button, once at a time. A button that is disabled meanwhile would lose
// the keyboard.
export function once(button, work) {
  let isBusy = false;
  return async (...given) => {
    if (isBusy) return;
    isBusy = true;
    button.setAttribute("aria-disabled", "true");
    try {
      await work(...given);
    } finally {
      isBusy = false;
      button.removeAttribute("aria-disabled");
    }
  };
}
