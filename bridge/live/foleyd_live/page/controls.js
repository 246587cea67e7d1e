// A control for every kind of property, made from the table that the host tells.

import { attribute, labelled, make, mark, say } from "./dom.js";
import { title, value as worded } from "./words.js";

const SWATCHES = [
  ["#5b8def", "Blue"],
  ["#2fb6a8", "Teal"],
  ["#69b34c", "Green"],
  ["#d9a92f", "Yellow"],
  ["#d9534f", "Red"],
  ["#c65fa8", "Pink"],
  ["#8e6fd8", "Violet"],
];

/** A control of the property at `address`; `pad()` is the pad it is about, null for the host's own. */
export function control(app, address, pad = () => null) {
  const row = app.store.rows.get(address);
  const made = KINDS[kind(row)](app, row, pad);
  made.element.title = row.about;
  made.element.dataset.property = address;
  if (row.learn) app.learnable(made.element, address, pad);
  app.store.on(address, (which) => {
    if (which === null || which === pad()) made.update();
  });
  return made;
}

function kind(row) {
  if (row.kind === "choice") return row.choices.length > 4 ? "list" : "segments";
  return row.kind;
}

const KINDS = { number, integer, switch: toggle, segments, list, text, colour };

/** Long times need fine steps where they are short: the fader's way is a cube for those. */
function curve(row) {
  const bend = row.unit === "ms" ? 3 : 1;
  const span = row.high - row.low;
  return {
    place: (value) => ((value - row.low) / span) ** (1 / bend),
    value: (place) => row.low + span * place ** bend,
  };
}

export function number(app, row, pad) {
  const address = `${row.scope}/${row.name}`;
  const way = curve(row);
  const digits = row.unit === "ms" ? 0 : row.high - row.low > 20 ? 1 : 2;
  let held = false;
  const set = (wished) => {
    const value = Math.min(row.high, Math.max(row.low, wished));
    app.link.set(address, pad(), Number(value.toFixed(digits)));
  };
  const fader = make("input", {
    type: "range",
    min: "0",
    max: "1",
    step: "0.001",
    oninput: () => set(way.value(fader.valueAsNumber)),
    onpointerdown: () => (held = true),
    onpointerup: () => (held = false),
    onpointercancel: () => (held = false),
    ondblclick: () => app.link.set(address, pad(), row.default),
  });
  const exact = make("input.exact", {
    type: "number",
    min: String(row.low),
    max: String(row.high),
    step: String(10 ** -digits),
    inputmode: "decimal",
    "aria-label": `${title(row.name)}${row.unit ? ` in ${row.unit}` : ""}`,
    onchange: () => (Number.isFinite(exact.valueAsNumber) ? set(exact.valueAsNumber) : update()),
  });
  const field = labelled(title(row.name), fader, "label.field");
  const unit = make("span.unit", { "aria-hidden": "true" }, row.unit === "semitones" ? "st" : row.unit);
  function update() {
    const value = app.store.get(address, pad());
    if (!held) fader.value = String(way.place(value));
    fader.style.setProperty("--share", String(way.place(value)));
    fader.style.setProperty("--zero", String(row.low < 0 && row.high > 0 ? way.place(0) : 0));
    attribute(fader, "aria-valuetext", worded(row, value));
    if (document.activeElement !== exact) exact.value = value.toFixed(digits);
  }
  const element = make("div.number", {}, field, make("span.reading", {}, exact, unit));
  return { element, update };
}

function integer(app, row, pad) {
  const address = `${row.scope}/${row.name}`;
  const step = (by) => {
    const value = app.store.get(address, pad()) + by;
    if (value >= row.low && value <= row.high) app.link.set(address, pad(), value);
  };
  const shown = make("output", {});
  const less = make("button", { type: "button", "aria-label": `${title(row.name)} down`, onclick: () => step(-1) }, "−");
  const more = make("button", { type: "button", "aria-label": `${title(row.name)} up`, onclick: () => step(1) }, "+");
  const element = make(
    "div.integer",
    { role: "group", "aria-label": title(row.name) },
    make("span", {}, title(row.name)),
    make("div.stepper", {}, less, shown, more),
  );
  const update = () => {
    const value = app.store.get(address, pad());
    say(shown, row.low === 0 && value === 0 ? "off" : String(value));
    less.disabled = value <= row.low;
    more.disabled = value >= row.high;
  };
  return { element, update };
}

function toggle(app, row, pad) {
  const address = `${row.scope}/${row.name}`;
  const element = make(
    "button.toggle",
    { type: "button", onclick: () => app.link.set(address, pad(), app.store.get(address, pad()) ? 0 : 1) },
    title(row.name),
  );
  const update = () => attribute(element, "aria-pressed", Boolean(app.store.get(address, pad())));
  return { element, update };
}

function segments(app, row, pad) {
  const address = `${row.scope}/${row.name}`;
  const buttons = row.choices.map((choice) =>
    make("button", { type: "button", role: "radio", onclick: () => app.link.set(address, pad(), choice) }, choice),
  );
  const strip = make("div.segments", { role: "radiogroup", "aria-label": title(row.name) }, ...buttons);
  strip.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!by) return;
    const next = (buttons.indexOf(document.activeElement) + by + buttons.length) % buttons.length;
    buttons[next].click();
    buttons[next].focus();
    event.preventDefault();
  });
  const update = () => {
    const now = row.choices.indexOf(app.store.get(address, pad()));
    buttons.forEach((button, place) => {
      attribute(button, "aria-checked", place === now);
      button.tabIndex = place === now ? 0 : -1;
    });
  };
  return { element: make("div.choice", {}, make("span", {}, title(row.name)), strip), update };
}

function list(app, row, pad) {
  const address = `${row.scope}/${row.name}`;
  const box = make(
    "select",
    { onchange: () => app.link.set(address, pad(), box.value) },
    ...row.choices.map((choice) => make("option", { value: choice }, choice)),
  );
  return { element: labelled(title(row.name), box), update: () => (box.value = app.store.get(address, pad())) };
}

function text(app, row, pad) {
  const address = `${row.scope}/${row.name}`;
  const box = make("input", {
    type: "text",
    maxlength: "200",
    autocomplete: "off",
    onchange: () => app.link.set(address, pad(), box.value),
  });
  const update = () => {
    if (document.activeElement !== box) box.value = app.store.get(address, pad());
  };
  return { element: labelled(title(row.name), box), update };
}

function colour(app, row, pad) {
  const address = `${row.scope}/${row.name}`;
  const set = (value) => app.link.set(address, pad(), value);
  const swatches = SWATCHES.map(([value, name]) => {
    const button = make("button.swatch", { type: "button", "aria-label": name, onclick: () => set(value) });
    button.style.backgroundColor = value;
    return button;
  });
  const own = make("input", { type: "color", "aria-label": "Another colour", oninput: () => set(own.value) });
  const update = () => {
    const now = app.store.get(address, pad());
    swatches.forEach((button, place) => attribute(button, "aria-pressed", SWATCHES[place][0] === now));
    own.value = now;
    mark(own, "chosen", !SWATCHES.some(([value]) => value === now));
  };
  const strip = make("div.swatches", { role: "group", "aria-label": title(row.name) }, ...swatches, own);
  return { element: make("div.choice", {}, make("span", {}, title(row.name)), strip), update };
}
