// The bar at the top: how the host is, its tempo, recording, panic.

import { attribute, make, mark, say } from "./dom.js";
import { clock } from "./words.js";

const KHZ = (rate) => `${rate % 1000 ? (rate / 1000).toFixed(1) : rate / 1000} kHz`;

export class Transport {
  constructor(app) {
    this.app = app;
    this.store = app.store;
    this.facts = {};
    for (const [name, about] of [
      ["Audio", "The device, its sample rate and the frames of a block"],
      ["Load", "Share of a block that mixing takes"],
      ["Xruns", "Blocks that came too late since the start"],
      ["Sounds", "The daemon that makes sounds"],
    ]) {
      const shown = make("span.shown", {}, "–");
      this.facts[name] = shown;
      const fact = make("div.fact", { title: about }, make("span.what", {}, name), shown);
      fact.dataset.fact = name.toLowerCase();
      document.getElementById("facts").append(fact);
    }
    this.buildTempo();
    this.buildTape();
    this.store.on("health", () => this.showHealth());
    for (const name of ["tempo", "beats", "source"]) this.store.on(`clock/${name}`, () => this.showClock());
  }

  buildTempo() {
    const { link } = this.app;
    this.dots = make("div.beats", { "aria-hidden": "true" });
    this.tempo = make("input.exact", {
      id: "tempo",
      type: "number",
      min: "20",
      max: "400",
      step: "0.1",
      inputmode: "decimal",
      "aria-label": "Tempo in beats a minute",
      onchange: () => this.setTempo(),
    });
    const tap = make("button", { type: "button", id: "tap", onpointerdown: () => link.do("clock/tap") }, "Tap");
    tap.addEventListener("click", (event) => event.detail === 0 && link.do("clock/tap"));
    const align = make(
      "button",
      { type: "button", title: "Now is the first beat of a bar", onclick: () => link.do("clock/align") },
      "Align",
    );
    this.app.learnable(tap, "clock/tap");
    this.app.learnable(align, "clock/align");
    const bpm = make("label.tempo", {}, this.tempo, make("span", { "aria-hidden": "true" }, "bpm"));
    this.app.learnable(bpm, "clock/tempo");
    document.getElementById("transport").append(this.dots, bpm, tap, align);
  }

  buildTape() {
    const { link } = this.app;
    this.record = make("button.record", { type: "button", id: "record", onclick: () => this.toggleRecord() });
    this.recordText = make("span", {}, "Record");
    this.record.append(make("i", { "aria-hidden": "true" }), this.recordText);
    const keep = make(
      "button",
      {
        type: "button",
        id: "keep",
        title: "Write the last 30 seconds of the main bus to a WAV",
        onclick: () => this.app.saved(link.do("record/keep", 30)),
      },
      "Keep 30 s",
    );
    const panic = make(
      "button.panic",
      { type: "button", id: "panic", title: "End everything that sounds (Shift + Escape)", onpointerdown: () => link.do("host/panic") },
      "Stop all",
    );
    panic.addEventListener("click", (event) => event.detail === 0 && link.do("host/panic"));
    this.app.learnable(keep, "record/keep");
    this.app.learnable(panic, "host/panic");
    document.getElementById("tape").append(this.record, keep, panic);
  }

  renew() {
    this.showClock();
  }

  setTempo() {
    const row = this.store.rows.get("clock/tempo");
    const wished = this.tempo.valueAsNumber;
    if (wished >= row.low && wished <= row.high) this.app.link.set("clock/tempo", null, wished);
    else this.showClock();
  }

  toggleRecord() {
    if (!Number.isFinite(this.store.health?.recording)) this.app.link.do("record/start", ...this.app.stems());
    else this.app.saved(this.app.link.do("record/stop"));
  }

  showClock() {
    const beats = this.store.get("clock/beats");
    while (this.dots.children.length < beats) this.dots.append(make("i"));
    while (this.dots.children.length > beats) this.dots.lastChild.remove();
    if (document.activeElement !== this.tempo) this.tempo.value = this.store.get("clock/tempo").toFixed(1);
    const source = this.store.get("clock/source");
    this.tempo.disabled = source === "midi";
    this.tempo.parentElement.title = source === "midi" ? "The tempo follows MIDI clock: see Activity" : "";
  }

  showHealth() {
    const { stream, daemon, why, recording } = this.store.health;
    const audio = { open: `${KHZ(stream.rate)} · ${stream.block}`, lost: "device lost", closed: "off" }[stream.state];
    this.tell("Audio", audio, stream.state === "open" ? "" : "bad", stream.why || `${stream.device} (${stream.host_api})`);
    const load = Math.round(stream.load * 100);
    const most = Math.round(stream.load_most * 100);
    const shares = `Mixing takes ${load} % of a block, and took ${most} % at most of late`;
    this.tell("Load", `${load} %`, most >= 90 ? "bad" : most >= 60 ? "warn" : "", shares);
    this.tell("Xruns", String(stream.xruns), stream.xruns ? "warn" : "");
    this.tell("Sounds", daemon === "connected" ? "ready" : "away", daemon === "connected" ? "good" : "warn", why);
    const on = recording !== null;
    mark(this.record, "on", on);
    attribute(this.record, "aria-pressed", on);
    say(this.recordText, on ? `Stop ${clock(recording)}` : "Record");
  }

  tell(name, text, grade, why = "") {
    const shown = this.facts[name];
    say(shown, text);
    shown.className = `shown ${grade}`;
    if (why) shown.parentElement.title = why;
  }

  move() {
    const { live } = this.store;
    if (!live) return;
    const since = (performance.now() - this.store.liveAt) / 60000;
    const beat = live.beat + Math.min(since * this.store.get("clock/tempo"), 0.5);
    const dots = this.dots.children;
    const now = ((Math.floor(beat) % dots.length) + dots.length) % dots.length;
    if (now === this.beat) return;
    this.beat = now;
    for (let place = 0; place < dots.length; place++) mark(dots[place], "now", place === now);
  }
}
