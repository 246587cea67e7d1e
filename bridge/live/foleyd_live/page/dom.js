// Elements in one line, and the few gestures that several parts share.

/** An element: `make("button.quiet", {onclick, "aria-label": "…"}, "text", child, …)`. */
export function make(what, attributes = {}, ...children) {
  const [tag, ...classes] = what.split(".");
  const element = document.createElement(tag || "div");
  if (classes.length) element.className = classes.join(" ");
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && !name.startsWith("aria-") && typeof value !== "string") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Set text only where it differs, so that screen readers and layout are left alone otherwise. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A class that is there or not. */
export function mark(element, name, on) {
  element.classList.toggle(name, Boolean(on));
}

/** An attribute, set only where it differs. */
export function attribute(element, name, value) {
  if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

/** Tabs: arrow keys move, `choose(index)` is called, and the strip shows `strip.pick(index)`. */
export function tabs(strip, labels, choose) {
  const buttons = labels.map((label, index) =>
    make("button", { role: "tab", type: "button", onclick: () => choose(index) }, ...[label].flat()),
  );
  strip.append(...buttons);
  strip.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const now = buttons.indexOf(document.activeElement);
    const next = (now + step + buttons.length) % buttons.length;
    choose(next);
    buttons[next].focus();
    event.preventDefault();
  });
  const pick = (index) =>
    buttons.forEach((button, place) => {
      attribute(button, "aria-selected", place === index);
      button.tabIndex = place === index ? 0 : -1;
    });
  return { buttons, pick };
}

let names = 0;
/** A label and its control, tied together. */
export function labelled(text, control, what = "label.field") {
  control.id ||= `control-${++names}`;
  return make(what, { for: control.id }, make("span", {}, text), control);
}

/** Call `work` at most once a frame. */
export function oncePerFrame(work) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      work();
    });
  };
}
