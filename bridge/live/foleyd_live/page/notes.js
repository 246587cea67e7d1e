// What has just happened, in a sentence that goes away by itself.

import { make } from "./dom.js";

const STAY_MS = { good: 5000, bad: 9000 };
const MOST = 4;

export function note(text, kind = "good") {
  const place = document.getElementById("notes");
  for (const one of place.children) {
    if (one.dataset.text === text) one.remove();
  }
  const element = make(
    `div.note.${kind}`,
    {},
    make("span", {}, text),
    make("button", { type: "button", "aria-label": "Dismiss", onclick: () => element.remove() }, "×"),
  );
  element.dataset.text = text;
  place.append(element);
  while (place.children.length > MOST) place.firstChild.remove();
  setTimeout(() => element.remove(), STAY_MS[kind]);
}
