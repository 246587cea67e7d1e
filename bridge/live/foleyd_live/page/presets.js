// The preset browser, and the show's setlist.

import { attribute, make, mark, say } from "./dom.js";

export class Presets {
  constructor(app) {
    this.app = app;
    this.store = app.store;
    this.search = make("input", {
      id: "search",
      type: "search",
      placeholder: "Search presets",
      "aria-label": "Search presets",
      autocomplete: "off",
      oninput: () => this.show(),
    });
    this.list = make("div.list", {});
    this.setlist = make("div.setlist", { role: "group", "aria-label": "Setlist" });
    const step = (name, label) =>
      make("button.quiet", { type: "button", onclick: () => app.link.do(name, app.selected) }, label);
    this.now = make("span.now");
    this.steps = make("div.row.steps", {}, step("preset/previous", "Previous"), this.now, step("preset/next", "Next"));
    this.element = make("div.panel.presets", {}, this.setlist, this.search, this.steps, this.list);
    this.store.on("banks", () => this.show());
    this.store.on("setlist", () => this.showSetlist());
    this.store.on("host/setlist", () => this.showSetlist());
    this.store.on("pad/preset", () => this.showNow());
    app.on("select", () => this.showNow());
  }

  renew() {
    this.show();
    this.showSetlist();
    this.showNow();
  }

  show() {
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const banks = this.store.banks
      .map((bank) => [bank, bank.presets.filter((preset) => words.every((word) => text(bank, preset).includes(word)))])
      .filter(([bank, presets]) => presets.length || !words.length);
    this.list.replaceChildren(...banks.map(([bank, presets]) => this.bank(bank, presets)));
    if (!banks.length) {
      this.list.append(make("p.none", {}, words.length ? "No preset has these words." : "There are no presets yet."));
    }
    this.showNow();
  }

  bank(bank, presets) {
    const load = make(
      "button.quiet",
      {
        type: "button",
        "aria-label": `Load the bank ${bank.title || bank.name} on the shown pads`,
        title: "Put the whole bank on the pads that are shown",
        onclick: () => this.load(bank.name),
      },
      "Load all",
    );
    return make(
      "section.bank",
      {},
      make("header", {}, make("h3", { title: bank.about }, bank.title || bank.name), load),
      ...presets.map((preset) => this.preset(preset)),
    );
  }

  preset(preset) {
    const button = make(
      "button.preset",
      { type: "button", onclick: () => this.load(preset.preset, this.app.selected) },
      make("b", {}, preset.name),
      make("span", {}, preset.prompt || preset.category),
      make("small", {}, [preset.category, ...preset.tags].filter(Boolean).join(" · ")),
    );
    button.dataset.preset = preset.preset;
    return button;
  }

  load(...args) {
    this.app.link.do("preset/load", ...args);
  }

  showNow() {
    const preset = this.store.get("pad/preset", this.app.selected) ?? "";
    this.steps.hidden = !preset;
    say(this.now, preset.split("/").pop());
    for (const button of this.list.querySelectorAll(".preset")) {
      const on = button.dataset.preset === preset;
      mark(button, "on", on);
      attribute(button, "aria-pressed", on);
    }
  }

  showSetlist() {
    const entries = this.store.setlist;
    const now = this.store.get("host/setlist");
    this.setlist.hidden = !entries.length;
    if (!entries.length) return;
    const go = (name, label, able) =>
      make("button", { type: "button", disabled: !able, onclick: () => this.app.link.do(name) }, label);
    const places = make(
      "select",
      { "aria-label": "Entry of the setlist", onchange: () => this.app.link.do("setlist/go", Number(places.value)) },
      make("option", { value: "0", disabled: true }, "not begun"),
      ...entries.map((entry, place) => make("option", { value: String(place + 1) }, `${place + 1}. ${entry}`)),
    );
    places.value = String(now);
    this.setlist.replaceChildren(
      make("h3", {}, "Setlist"),
      make("div.row", {}, go("setlist/previous", "Back", now > 1), places, go("setlist/next", "Next", now < entries.length)),
    );
  }
}

const text = (bank, preset) =>
  [bank.title, bank.name, preset.name, preset.category, preset.prompt, ...preset.tags].join(" ").toLowerCase();
