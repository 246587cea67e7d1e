// Where the parts of the page meet.

import { Activity } from "./activity.js";
import { make, mark, say, tabs } from "./dom.js";
import { HELP, Keys } from "./keys.js";
import { Link } from "./link.js";
import { Mixer } from "./mixer.js";
import { note } from "./notes.js";
import { Pads } from "./pads.js";
import { Presets } from "./presets.js";
import { Setup } from "./setup.js";
import { Sound } from "./sound.js";
import { Store } from "./store.js";
import { Transport } from "./transport.js";
import { seconds } from "./words.js";

const LOST = "The live host does not answer. Trying again; what it plays goes on without this page.";
const REFUSED = "This browser’s token is not this host’s any more. Open the address that foleyd live shows.";

class App {
  constructor() {
    this.store = new Store();
    this.link = new Link(this.store, (state) => this.connected(state));
    this.link.onFail = (error) => this.failed(error);
    this.listeners = new Map();
    this.selected = 1;
    this.manner = "play";
    this.learning = null;
    this.playing = new Map();
    this.note = note;
    this.keys = new Keys(this);
    this.pads = new Pads(this);
    this.transport = new Transport(this);
    this.mixer = new Mixer(this);
    this.sound = new Sound(this);
    this.setup = new Setup(this);
    this.presets = new Presets(this);
    this.activity = new Activity(this);
    this.buildPanels();
    this.buildManner();
    this.buildHelp();
    this.store.on("live", (live) => this.count(live));
    this.store.on("jobs", () => this.badge());
    document.addEventListener("keydown", (event) => event.key === "Escape" && this.learn(null));
  }

  on(topic, back) {
    if (!this.listeners.has(topic)) this.listeners.set(topic, []);
    this.listeners.get(topic).push(back);
  }

  tell(topic) {
    for (const back of this.listeners.get(topic) ?? []) back();
  }

  connected(state) {
    const banner = document.getElementById("banner");
    banner.hidden = state === "open";
    say(banner, state === "open" ? "" : state === "refused" ? REFUSED : LOST);
    mark(document.body, "lost", state !== "open");
    if (state !== "open") return;
    const { version } = this.store.hello;
    // another foleyd answers now: its page may be another, too
    if (this.version && this.version !== version) location.reload();
    for (const part of [this.pads, this.transport, this.mixer, this.setup, this.sound, this.presets, this.activity]) {
      if (!this.version) part.build?.();
      part.renew();
    }
    this.version = version;
    document.body.classList.remove("waiting");
    this.title();
    this.frame ??= requestAnimationFrame((now) => this.move(now));
  }

  move(now) {
    this.pads.move(this.playing);
    this.sound.move();
    this.mixer.move(now);
    this.transport.move();
    this.frame = requestAnimationFrame((next) => this.move(next));
  }

  count(live) {
    this.playing = new Map();
    for (const [pad] of live.heads) this.playing.set(pad, (this.playing.get(pad) ?? 0) + 1);
  }

  // pads

  select(pad) {
    if (pad === this.selected) return;
    this.selected = pad;
    this.tell("select");
    this.title();
  }

  /** A finger or a key comes down on a pad. */
  hit(pad) {
    this.select(pad);
    if (this.manner !== "play") return;
    if (!this.store.looks.get(pad)) {
      this.choosePanel(0);
      return;
    }
    this.pads.tile(pad)?.flash();
    this.link.do("pad/play", pad, 1);
  }

  lift(pad) {
    if (this.store.get("pad/mode", pad) === "gate") this.link.do("pad/release", pad);
  }

  // panels

  buildPanels() {
    const parts = [this.sound, this.setup, this.presets, this.activity];
    const names = ["Sound", "Pad", "Presets", "Activity"];
    this.heading = make("h2", { id: "selected" });
    document.getElementById("panels").append(...parts.map((part) => part.element));
    document.querySelector(".side").prepend(this.heading);
    this.panelTabs = tabs(document.getElementById("tabs"), names, (index) => this.choosePanel(index));
    parts.forEach((part, index) => {
      const tab = this.panelTabs.buttons[index];
      tab.id = `tab-${names[index].toLowerCase()}`;
      part.element.id = `panel-${names[index].toLowerCase()}`;
      part.element.setAttribute("role", "tabpanel");
      part.element.setAttribute("aria-labelledby", tab.id);
      tab.setAttribute("aria-controls", part.element.id);
    });
    this.waitingJobs = make("span.badge", { "aria-label": "jobs", hidden: true });
    this.panelTabs.buttons[3].append(this.waitingJobs);
    this.parts = parts;
    this.choosePanel(0);
    this.store.on("pad", (pad) => pad === this.selected && this.title());
    this.on("select", () => this.title());
  }

  choosePanel(index) {
    this.panelTabs.pick(index);
    this.parts.forEach((part, place) => (part.element.hidden = place !== index));
  }

  title() {
    const pad = this.selected;
    const name = this.store.title(pad);
    const text = `Pad ${pad}`;
    if (this.heading.dataset.text === text + name) return;
    this.heading.dataset.text = text + name;
    this.heading.replaceChildren(make("b", {}, text), make("span", {}, name || "empty"));
  }

  badge() {
    this.waitingJobs.hidden = !this.store.jobs.length;
    say(this.waitingJobs, String(this.store.jobs.length));
  }

  write() {
    this.choosePanel(0);
    this.sound.prompt.focus();
    this.sound.prompt.select();
  }

  // what a tap does

  buildManner() {
    const buttons = [
      ["play", "Play", "A tap plays the pad and selects it"],
      ["edit", "Select", "A tap selects the pad without a sound"],
    ].map(([manner, label, about]) => {
      const choose = () => {
        this.manner = manner;
        for (const one of buttons) one.setAttribute("aria-checked", one === button);
        mark(document.body, "editing", manner === "edit");
      };
      const button = make("button", { type: "button", role: "radio", title: about, "aria-checked": String(manner === "play"), onclick: choose }, label);
      return button;
    });
    const strip = make("div.segments", { role: "radiogroup", "aria-label": "A tap on a pad" }, ...buttons);
    const help = make("button.quiet", { type: "button", "aria-label": "Keys", title: "Keys (?)", onclick: () => this.help() }, "?");
    document.getElementById("manner").append(strip, help);
  }

  buildHelp() {
    const dialog = document.getElementById("help");
    dialog.append(
      make("h2", { id: "help-title" }, "Keys"),
      make("dl", {}, ...HELP.flatMap(([keys, about]) => [make("dt", {}, keys), make("dd", {}, about)])),
      make("form", { method: "dialog" }, make("button.primary", {}, "Close")),
    );
  }

  help() {
    document.getElementById("help").showModal();
  }

  // MIDI learn

  /** Let `element` be chosen while learning: `target` is bound to the next MIDI message, or unbound. */
  learnable(element, target, pad = () => null) {
    element.classList.add("learnable");
    const choose = (event) => {
      if (!this.learning) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      if (event.type !== "click" && event.type !== "keydown") return;
      const forget = this.learning === "forget";
      const of = pad() === null ? "" : ` of pad ${pad()}`;
      this.link.ask(`midi/${this.learning}`, pad() === null ? [target] : [target, pad()]).then(
        () => note(forget ? `${target}${of} is bound no more.` : `Now move the MIDI control for ${target}${of}.`),
        (error) => this.failed(error),
      );
      this.learn(null);
    };
    for (const type of ["pointerdown", "pointerup", "click"]) element.addEventListener(type, choose, true);
  }

  learn(what) {
    this.learning = what;
    mark(document.body, "learning", what);
    if (what) note(`Choose a control or a pad to ${what}; Escape ends it.`);
  }

  // what happened

  failed(error) {
    note(error.message, "bad");
  }

  async saved(doing) {
    const outcome = await doing;
    if (outcome) note(`Saved ${seconds(outcome[1])} to ${outcome[0]}`);
  }

  stems() {
    const pads = this.activity.stems.value.replaceAll(/[^\d]+/g, ",").replaceAll(/^,|,$/g, "");
    return pads ? [pads] : [];
  }
}

const app = new App();
app.link.open();
