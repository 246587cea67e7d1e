// Meters and the two levels of the mixer.

import { control } from "./controls.js";
import { attribute, make, mark, say } from "./dom.js";
import { decibels, level } from "./words.js";

const FALL_DB = 24; // a second
const HOLD_MS = 1500;
const FLOOR = -60;

const share = (db) => Math.max(0, Math.min(1, 1 - db / FLOOR));

class Meter {
  constructor(name, title) {
    this.db = this.peak = FLOOR;
    this.peakAt = this.at = this.read = 0;
    this.bar = make("i.bar");
    this.tick = make("i.tick");
    this.reading = make("span.peak", { "aria-hidden": "true" });
    this.track = make(
      "div.meter",
      { role: "meter", "aria-label": `${title} level`, "aria-valuemin": FLOOR, "aria-valuemax": 0 },
      this.bar,
      this.tick,
    );
    this.track.dataset.meter = name;
    for (const mark of [-48, -36, -24, -12]) {
      const line = make("i.line");
      line.style.left = `${share(mark) * 100}%`;
      this.track.append(line);
    }
  }

  hear(factor) {
    const db = Math.max(FLOOR, decibels(factor));
    const now = performance.now();
    if (db >= this.db) this.db = db;
    if (db >= this.peak || now - this.peakAt > HOLD_MS) {
      this.peak = db;
      this.peakAt = now;
    }
  }

  move(now) {
    const passed = Math.min(0.1, (now - this.at) / 1000);
    this.at = now;
    this.db = Math.max(FLOOR, this.db - FALL_DB * passed);
    this.bar.style.clipPath = `inset(0 ${(1 - share(this.db)) * 100}% 0 0)`;
    this.tick.style.left = `${share(this.peak) * 100}%`;
    mark(this.tick, "on", this.peak > FLOOR);
    mark(this.tick, "hot", this.peak > -1.05);
    if (now - this.read < 200) return;
    this.read = now;
    say(this.reading, level(this.peak));
    attribute(this.track, "aria-valuenow", this.db.toFixed(1));
    attribute(this.track, "aria-valuetext", level(this.db));
  }
}

export class Mixer {
  constructor(app) {
    this.app = app;
    this.store = app.store;
    this.meters = { main: new Meter("main", "Main"), cue: new Meter("cue", "Cue"), input: new Meter("input", "Input") };
    this.limit = make("span.limit", { title: "How much the limiter takes away" });
    this.limitDb = 0;
    this.updates = [];
    this.store.on("live", (live) => this.hear(live));
    this.store.on("health", () => this.showHealth());
  }

  build() {
    const { main, cue, input } = this.meters;
    const gain = control(this.app, "mixer/gain");
    const send = control(this.app, "mixer/cue");
    this.cue = strip("Cue", cue, send.element, null, this.level("mixer/cue"));
    this.input = strip("Input", input);
    const place = document.getElementById("mixer");
    place.replaceChildren(strip("Main", main, gain.element, this.limit, this.level("mixer/gain")), this.cue, this.input);
    gain.element.querySelector("label > span").textContent = "Main level";
    send.element.querySelector("label > span").textContent = "Cue level";
    this.updates.push(gain.update, send.update);
  }

  renew() {
    for (const update of this.updates) update();
    this.showHealth();
  }

  level(address) {
    const shown = make("output.level", {});
    const update = () => say(shown, level(this.store.get(address)));
    this.store.on(address, update);
    this.updates.push(update);
    return shown;
  }

  hear(live) {
    this.meters.main.hear(live.pairs[0] ?? 0);
    this.meters.cue.hear(live.cue);
    this.meters.input.hear(live.input);
    this.limitDb = Math.min(decibels(live.limiter), this.limitDb + 1);
    say(this.limit, this.limitDb < -0.1 ? `Limiting ${level(this.limitDb)}` : "");
  }

  showHealth() {
    const { health } = this.store;
    if (!health || !this.cue) return;
    mark(this.cue, "absent", !health.cue);
    this.cue.title = health.cue ? "" : "This device has no outputs for the cue bus: see --cue.";
    mark(this.input, "absent", !health.stream.inputs);
    this.input.title = health.stream.inputs ? "" : "No inputs are open: see --inputs.";
  }

  move(now) {
    for (const meter of Object.values(this.meters)) meter.move(now);
  }
}

function strip(title, meter, fader = null, limit = null, level = null) {
  const top = make("div.top", {}, make("b", {}, title), level, limit, meter.reading);
  return make("div.strip", { role: "group", "aria-label": title }, top, meter.track, fader);
}
