// The pads of the bank that is shown: a press plays, and their state is read from across a stage.

import { attribute, make, mark, oncePerFrame, say, tabs } from "./dom.js";
import { heads, readable, Wave } from "./wave.js";
import { about, seconds } from "./words.js";

const BUSY = new Set(["loading", "queued", "rendering"]);

export class Pads {
  constructor(app) {
    this.app = app;
    this.store = app.store;
    this.tiles = [];
    this.dirty = new Set();
    this.refresh = oncePerFrame(() => this.draw());
    this.store.on("pad", (pad) => this.touch(pad));
    this.store.on("host/bank", () => this.showBank());
    app.on("select", () => this.touchAll());
  }

  /** Build what depends on the host's tables. */
  build() {
    const { pads, bank } = this.store.hello;
    this.size = bank;
    const strip = document.getElementById("banks");
    const labels = Array.from({ length: pads / bank }, (_, index) => [
      make("b", {}, "ABCDEFGH"[index]),
      make("span", {}, `${index * bank + 1}–${(index + 1) * bank}`),
    ]);
    this.tabs = tabs(strip, labels, (index) => this.app.link.set("host/bank", null, index + 1));
    this.tabs.buttons.forEach((button, index) => {
      button.setAttribute("aria-label", `Bank ${index + 1}, pads ${index * bank + 1} to ${(index + 1) * bank}`);
      button.setAttribute("aria-controls", "pads");
    });
    const grid = document.getElementById("pads");
    this.tiles = Array.from({ length: bank }, (_, place) => new Tile(this.app, place));
    grid.append(...this.tiles.map((tile) => tile.element));
    grid.addEventListener("keydown", (event) => this.walk(event));
  }

  renew() {
    this.showBank();
  }

  get first() {
    return (this.store.get("host/bank") - 1) * this.size + 1;
  }

  pad(place) {
    return this.first + place;
  }

  tile(pad) {
    return this.tiles[pad - this.first];
  }

  showBank() {
    if (!this.tabs) return;
    this.tabs.pick(this.store.get("host/bank") - 1);
    this.tiles.forEach((tile, place) => tile.be(this.first + place));
    this.touchAll();
    if (!this.tile(this.app.selected)) {
      this.app.select(this.first + ((this.app.selected - 1) % this.size));
    }
  }

  touch(pad) {
    this.dirty.add(pad);
    this.refresh();
  }

  touchAll() {
    for (const tile of this.tiles) this.dirty.add(tile.pad);
    this.refresh();
  }

  draw() {
    for (const pad of this.dirty) this.tile(pad)?.update();
    this.dirty.clear();
  }

  /** Once a frame: what moves. */
  move(playing) {
    for (const tile of this.tiles) tile.move(playing.get(tile.pad) ?? 0);
  }

  walk(event) {
    const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 4, ArrowUp: -4 }[event.key];
    const now = this.tiles.findIndex((tile) => tile.element.contains(event.target));
    const next = this.tiles[now + by];
    if (!by || !next) return;
    this.app.select(next.pad);
    next.press.focus();
    event.preventDefault();
  }
}

class Tile {
  constructor(app, place) {
    this.app = app;
    this.store = app.store;
    this.place = place;
    this.pad = place + 1;
    this.playing = 0;
    this.press = make("button.press", { type: "button" });
    this.number = make("b.number");
    this.key = make("kbd", { "aria-hidden": "true" });
    this.flags = make("span.flags");
    this.canvas = make("canvas.wave", { "aria-hidden": "true" });
    this.name = make("span.name");
    this.fact = make("span.fact");
    this.bar = make("i");
    this.progress = make("div.progress", { "aria-hidden": "true" }, this.bar);
    this.stop = make("button.stop", { type: "button", onclick: () => app.link.do("pad/stop", this.pad) });
    this.stop.append(make("span", { "aria-hidden": "true" }));
    this.element = make(
      "div.pad",
      {},
      this.press,
      make("div.head", {}, this.number, this.key, this.flags),
      this.canvas,
      make("div.foot", {}, this.name, this.fact),
      this.progress,
      this.stop,
    );
    this.wave = new Wave(this.canvas);
    this.listen();
  }

  listen() {
    const { press } = this;
    press.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      press.setPointerCapture(event.pointerId);
      this.app.hit(this.pad);
    });
    for (const end of ["pointerup", "pointercancel"]) {
      press.addEventListener(end, () => this.app.lift(this.pad));
    }
    press.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      if (!event.repeat) this.app.hit(this.pad);
    });
    press.addEventListener("keyup", (event) => {
      if (event.key === "Enter" || event.key === " ") this.app.lift(this.pad);
    });
    // a screen reader's own press comes as a click without a pointer
    press.addEventListener("click", (event) => {
      if (event.detail === 0 && event.pointerType === "") this.app.hit(this.pad);
    });
    press.addEventListener("contextmenu", (event) => event.preventDefault());
    this.app.learnable(press, "pad/play", () => this.pad);
  }

  be(pad) {
    this.pad = pad;
    this.element.dataset.pad = String(pad);
    say(this.number, String(pad));
    say(this.key, this.app.keys.label(this.place));
  }

  flash() {
    this.element.classList.add("hit");
    clearTimeout(this.flashing);
    this.flashing = setTimeout(() => this.element.classList.remove("hit"), 140);
  }

  update() {
    const { store, pad, element } = this;
    const of = (name) => store.get(`pad/${name}`, pad);
    const look = store.looks.get(pad);
    const state = of("state");
    const colour = of("colour");
    if (colour !== this.colour) {
      this.colour = colour;
      element.style.setProperty("--own", readable(colour));
    }
    this.wave.show(look, readable(colour));
    const name = store.title(pad);
    say(this.name, name || (state === "empty" ? "Empty" : ""));
    say(this.fact, fact(state, of("progress"), of("eta"), look));
    this.bar.style.transform = `scaleX(${state === "rendering" ? of("progress") : 0})`;
    const flags = [of("mode") === "one-shot" ? "" : of("mode"), of("cue") ? "cue" : ""];
    this.flags.replaceChildren(
      ...flags.filter(Boolean).map((flag) => make("span", {}, flag)),
      ...(of("solo") ? [make("span.solo", {}, "solo")] : []),
      ...(of("mute") ? [make("span.mute", {}, "mute")] : []),
    );
    for (const word of ["empty", "loading", "queued", "rendering", "failed"]) mark(element, word, state === word);
    mark(element, "bare", !look);
    mark(element, "muted", of("mute"));
    mark(element, "selected", pad === this.app.selected);
    this.press.tabIndex = pad === this.app.selected ? 0 : -1;
    element.title = of("why");
    this.describe(name, state);
  }

  describe(name, state) {
    const parts = [`Pad ${this.pad}`, name || "empty"];
    if (BUSY.has(state) || state === "failed") parts.push(state);
    if (this.playing) parts.push("playing");
    attribute(this.press, "aria-label", parts.join(", "));
    attribute(this.stop, "aria-label", `Stop pad ${this.pad}`);
  }

  move(playing) {
    if (playing !== this.playing) {
      this.playing = playing;
      mark(this.element, "playing", playing);
      this.app.pads.touch(this.pad);
    }
    this.wave.play(playing ? heads(this.store, this.pad) : []);
  }
}

function fact(state, progress, eta, look) {
  const left = eta > 0 ? about(eta) : "";
  if (state === "rendering") return [`${Math.round(progress * 100)} %`, left].filter(Boolean).join(" · ");
  if (state === "queued") return ["queued", left].filter(Boolean).join(" · ");
  if (state === "loading" || state === "failed") return state;
  return look ? seconds(look.seconds) : "";
}
