// What the daemon has to do, what is recorded with it, and the log.

import { control } from "./controls.js";
import { make, say } from "./dom.js";
import { about } from "./words.js";

export class Activity {
  constructor(app) {
    this.app = app;
    this.store = app.store;
    this.jobs = make("div.jobs", { role: "list", "aria-label": "Queue" });
    this.idle = make("p.none", {});
    this.device = make("dl.device", {});
    this.log = make("pre.log", { tabIndex: 0, role: "log", "aria-label": "Log" });
    this.stems = make("input", { type: "text", id: "stems", inputmode: "numeric", placeholder: "none", autocomplete: "off" });
    this.save = make("button", { type: "button", onclick: () => this.saveShow() }, "Save the show");
    this.clock = make("fieldset.clock", {}, make("legend", {}, "Clock"));
    this.element = make(
      "div.panel.activity",
      {},
      make("fieldset", {}, make("legend", {}, "Queue"), this.jobs, this.idle),
      make(
        "fieldset",
        {},
        make("legend", {}, "Recording"),
        make("label.field", { for: "stems", title: "Pads that are recorded to files of their own beside the main bus" }, make("span", {}, "Stems of pads, such as 1,2,5"), this.stems),
        make("div.row", {}, this.save),
      ),
      this.clock,
      make("fieldset", {}, make("legend", {}, "Device"), this.device),
      make("fieldset", {}, make("legend", {}, "Log"), this.log),
    );
    app.learnable(this.save, "show/save");
    this.store.on("jobs", () => this.showJobs());
    this.store.on("log", () => this.showLog());
    this.store.on("health", () => this.showDevice());
  }

  build() {
    this.controls = ["clock/source", "clock/beats", "host/promise"].map((address) => control(this.app, address));
    this.clock.append(...this.controls.map((one) => one.element));
  }

  renew() {
    for (const one of this.controls) one.update();
    this.showJobs();
    this.showLog();
  }

  async saveShow() {
    const outcome = await this.app.link.do("show/save");
    if (outcome) this.app.note(`Saved ${outcome[0]}`);
  }

  showJobs() {
    const { jobs, health } = this.store;
    this.jobs.replaceChildren(...jobs.map((job) => this.job(job)));
    this.idle.hidden = jobs.length > 0;
    const away = health?.daemon === "away";
    say(this.idle, away ? health.why || "No daemon makes sounds: start foleyd serve." : "Nothing to do.");
  }

  job(job) {
    const pad = /^pad-(\d+)$/.exec(job.slot)?.[1];
    const share = job.steps ? job.step / job.steps : pad ? this.store.get("pad/progress", Number(pad)) : 0;
    const eta = job.eta_s ? `about ${about(job.eta_s)}` : "";
    const bar = make("i");
    bar.style.transform = `scaleX(${share})`;
    const state = job.state === "running" ? `${Math.round(share * 100)} %` : job.position ? `${job.position} before it` : "next";
    return make(
      `div.job.${job.state}`,
      { role: "listitem" },
      make("b", {}, pad ? `Pad ${pad}` : job.client || "Job"),
      make("span.prompt", {}, job.prompt),
      make("span.left", {}, [state, eta].filter(Boolean).join(" · ")),
      pad ? make("button.quiet", { type: "button", "aria-label": `Cancel the sound of pad ${pad}`, onclick: () => this.app.link.do("pad/cancel", Number(pad)) }, "Cancel") : null,
      make("div.progress", { "aria-hidden": "true" }, bar),
    );
  }

  showLog() {
    const atEnd = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 30;
    say(this.log, this.store.log.join("\n"));
    if (atEnd) this.log.scrollTop = this.log.scrollHeight;
  }

  showDevice() {
    const { stream, voices, why, daemon, osc, midi, show } = this.store.health;
    const rows = [
      ["Device", stream.device || "none"],
      ["System", stream.host_api],
      ["Channels", `${stream.outputs} out, ${stream.inputs} in`],
      ["Latency", `${(stream.latency_s * 1000).toFixed(1)} ms`],
      ["Real-time", { true: "granted", false: "not granted" }[stream.realtime] ?? "unknown"],
      ["Voices", String(voices)],
      ["OSC", osc],
      ["MIDI", midi],
      ["Show", show],
      ["Daemon", daemon === "connected" ? "connected" : why],
    ].filter(([, text]) => text);
    const text = JSON.stringify(rows);
    if (text === this.shown) return;
    this.shown = text;
    this.device.replaceChildren(...rows.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
    this.showJobs();
  }
}
