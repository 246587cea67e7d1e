// The selected pad's sound: what it is, what it should be, and what came of the last wish.

import { control } from "./controls.js";
import { attribute, labelled, make, mark, oncePerFrame, say } from "./dom.js";
import { Recipe } from "./recipe.js";
import { heads, readable, Wave } from "./wave.js";
import { about, seconds } from "./words.js";

export class Sound {
  constructor(app) {
    this.app = app;
    this.store = app.store;
    this.prompts = new Map();
    this.refresh = oncePerFrame(() => this.update());
    this.element = make("div.panel.sound", {});
    app.on("select", () => this.changePad());
    this.store.on("pad", (pad) => pad === app.selected && this.refresh());
    this.store.on("health", () => this.refresh());
    this.store.on("candidates", ({ pad }) => pad === app.selected && this.showCandidates());
    this.store.on("pad/clip", (pad) => pad === app.selected && this.showCandidates());
  }

  build() {
    const { app } = this;
    const act = (name, label, about) =>
      make("button.quiet", { type: "button", title: about, onclick: () => app.link.do(name, app.selected) }, label);
    this.canvas = make("canvas.wave", { "aria-hidden": "true" });
    this.wave = new Wave(this.canvas);
    this.file = make("a.file", { draggable: true, ondragstart: (event) => this.drag(event) });
    this.facts = make("span.told");
    this.why = make("p.why", { role: "alert" });
    this.undo = act("pad/undo", "Undo", "The clip that the pad had before");
    this.redo = act("pad/redo", "Redo", "Undo the undo");
    this.clear = act("pad/clear", "Clear", "Take the clip off the pad; undo brings it back");
    this.vary = act("pad/vary", "Vary", "Make a sound near this one");
    this.like = act("pad/like", "More like this", "Make a sound of this kind, by ear");
    this.loop = act("pad/loop", "Make it loop", "Make this sound anew as a loop without a seam");
    this.fader = control(app, "pad/fader", () => app.selected);
    this.stage = make("div.clip", {}, this.canvas, make("div.under", {}, this.facts, this.file));
    this.candidates = make("div.candidates", { role: "group", "aria-label": "Candidates" });
    this.element.replaceChildren(
      this.stage,
      this.fader.element,
      make("div.row", {}, this.undo, this.redo, this.clear),
      make("div.row", { role: "group", "aria-label": "Make another of it" }, this.vary, this.like, this.loop),
      this.why,
      this.buildWish(),
      this.candidates,
      this.buildInput(),
    );
    app.learnable(this.undo, "pad/undo", () => app.selected);
    app.learnable(this.redo, "pad/redo", () => app.selected);
    app.learnable(this.vary, "pad/vary", () => app.selected);
    app.learnable(this.like, "pad/like", () => app.selected);
    app.learnable(this.loop, "pad/loop", () => app.selected);
  }

  renew() {
    this.changePad();
  }

  buildWish() {
    this.prompt = make("textarea", {
      id: "prompt",
      rows: 2,
      maxlength: "1000",
      placeholder: "glass breaking on a stone floor",
      oninput: () => this.prompts.set(this.app.selected, this.prompt.value),
      onkeydown: (event) => this.typed(event),
    });
    this.recipe = new Recipe(this.store.hello.fields);
    this.render = make("button.primary", { type: "submit", id: "render" }, "Make sound");
    const other = (name, label, about) =>
      make("button", { type: "button", title: about, onclick: () => this.toWords(name) }, label);
    this.restyle = other("pad/restyle", "Restyle", "Make the pad's sound say these words");
    this.morph = other("pad/morph", "Morph", "Make the way from the pad's sound to these words, for a fader");
    this.byBar = make("input", { type: "checkbox", id: "by-bar" });
    this.bar = make("i");
    this.left = make("span", {});
    this.cancel = make("button.quiet", { type: "button", onclick: () => this.app.link.do("pad/cancel", this.app.selected) }, "Cancel");
    this.work = make("div.work", { hidden: true }, make("div.progress", {}, this.bar), this.left, this.cancel);
    return make(
      "form.wish",
      { onsubmit: (event) => this.submit(event), autocomplete: "off" },
      labelled("What to hear", this.prompt, "label.field.tall"),
      this.recipe.element,
      make(
        "div.row.go",
        {},
        this.render,
        make("label.check", { for: "by-bar", title: "Ready by the next bar, or as the host's promise says" }, this.byBar, make("span", {}, "By the next bar")),
      ),
      make("div.row.other", { role: "group", "aria-label": "Turn the pad's sound into these words" }, this.restyle, this.morph),
      this.work,
    );
  }

  /** Turn what the pad has into the words that are written. */
  toWords(name) {
    const pad = this.app.selected;
    const words = this.prompt.value.trim();
    if (words && words !== this.store.get("pad/prompt", pad)) return this.app.link.do(name, pad, words);
    this.app.write();
    return this.app.note("Write first what the sound should turn into.");
  }

  buildInput() {
    const keep = make("button", { type: "button", onclick: () => this.take("input/keep", 10) }, "Keep last 10 s");
    const restyle = make(
      "button",
      { type: "button", title: "Make the last 4 s of the input sound like the words above", onclick: () => this.restyleInput() },
      "Restyle last 4 s",
    );
    this.punch = make("button", { type: "button", onclick: () => this.togglePunch() }, "Punch in");
    this.app.learnable(keep, "input/keep");
    this.input = make(
      "fieldset.input",
      {},
      make("legend", {}, "From the input"),
      make("div.row", {}, keep, restyle, this.punch),
    );
    return this.input;
  }

  restyleInput() {
    const prompt = this.prompt.value.trim();
    if (prompt) this.app.link.do("input/restyle", this.app.selected, prompt, 4);
    else this.prompt.focus();
  }

  typed(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.prompt.form.requestSubmit();
  }

  submit(event) {
    event.preventDefault();
    const prompt = this.prompt.value.trim();
    if (!prompt) {
      this.prompt.focus();
      return;
    }
    let pairs;
    try {
      pairs = this.recipe.pairs();
    } catch (error) {
      this.app.note(error.message, "bad");
      return;
    }
    if (this.byBar.checked) pairs.by = "bar";
    this.app.link.ask("pad/render", [this.app.selected, prompt], pairs).catch((error) => this.app.failed(error));
  }

  async take(name, ...args) {
    const pad = this.app.selected;
    const outcome = await this.app.link.do(name, ...args);
    if (outcome) this.app.link.do("pad/load", pad, String(outcome[0]));
  }

  togglePunch() {
    if (this.store.health?.punched) this.take("input/out");
    else this.app.link.do("input/in");
  }

  drag(event) {
    const { href, download } = this.file;
    event.dataTransfer.effectAllowed = "copy";
    event.dataTransfer.setData("DownloadURL", `audio/wav:${download}:${href}`);
    event.dataTransfer.setData("text/uri-list", href);
  }

  changePad() {
    if (!this.prompt) return;
    const pad = this.app.selected;
    this.prompt.value = this.prompts.get(pad) ?? this.store.get("pad/prompt", pad);
    this.showCandidates();
    this.update();
  }

  update() {
    if (!this.prompt) return;
    const pad = this.app.selected;
    const of = (name) => this.store.get(`pad/${name}`, pad);
    const look = this.store.looks.get(pad) ?? null;
    if (!this.prompts.has(pad) && document.activeElement !== this.prompt) this.prompt.value = of("prompt");
    this.wave.show(look, readable(of("colour")));
    mark(this.stage, "bare", !look);
    say(this.facts, look ? [seconds(look.seconds), this.store.title(pad)].join(" · ") : "No clip on this pad yet");
    this.file.hidden = !look?.file;
    if (look?.file) {
      this.file.href = new URL(`/clip/${pad}`, location.href).href;
      this.file.download = look.file;
      say(this.file, "Save, or drag to a DAW");
    }
    this.clear.disabled = !look;
    const idle = look && this.store.health?.daemon !== "away";
    for (const button of [this.vary, this.like, this.loop, this.restyle, this.morph]) button.disabled = !idle;
    this.fader.element.hidden = of("stages") < 2;
    this.fader.update();
    this.showWork(of("state"), of("progress"), of("eta"));
    this.why.hidden = !of("why");
    say(this.why, of("why"));
    const health = this.store.health;
    this.input.hidden = !health?.stream.inputs;
    say(this.punch, health?.punched ? "Punch out" : "Punch in");
    this.render.disabled = health?.daemon === "away";
    attribute(this.render, "title", health?.daemon === "away" ? health.why || "No daemon makes sounds: start foleyd serve." : "");
  }

  showWork(state, progress, eta) {
    this.work.hidden = !["queued", "rendering"].includes(state);
    this.bar.style.transform = `scaleX(${progress})`;
    const left = eta > 0 ? `, about ${about(eta)}` : "";
    say(this.left, state === "queued" ? `Queued${left}` : `Making ${Math.round(progress * 100)} %${left}`);
  }

  showCandidates() {
    if (!this.candidates) return;
    const pad = this.app.selected;
    const all = this.store.candidates.get(pad) ?? [];
    this.candidates.hidden = all.length < 2;
    const colour = readable(this.store.get("pad/colour", pad));
    this.candidates.replaceChildren(
      make("h3", {}, `${all.length} candidates`),
      ...all.map((one, place) => this.candidate(pad, one, place, colour)),
    );
  }

  candidate(pad, { clip, seconds: length, seed, look }, place, colour) {
    const canvas = make("canvas.wave", { "aria-hidden": "true" });
    new Wave(canvas).show(look, colour);
    const number = place + 1;
    const on = clip === this.store.get("pad/clip", pad);
    return make(
      `div.candidate${on ? ".on" : ""}`,
      {},
      make("b", {}, String(number)),
      canvas,
      make("span", { title: seed === null ? "" : `Seed ${seed}` }, seconds(length)),
      make("button", { type: "button", "aria-label": `Hear candidate ${number} on the cue bus`, onclick: () => this.app.link.do("cue/play", clip) }, "Cue"),
      make("button", { type: "button", "aria-label": `Put candidate ${number} on the pad`, onclick: () => this.app.link.do("pad/choose", pad, number) }, on ? "On pad" : "Use"),
    );
  }

  move() {
    this.wave?.play(heads(this.store, this.app.selected));
  }
}
