// How the selected pad plays: a control for each of its properties.

import { control } from "./controls.js";
import { make } from "./dom.js";

const GROUPS = [
  ["", ["name", "colour"]],
  ["Level", ["gain", "pan", "tune"]],
  ["Press", ["mode", "quantise", "voices", "choke"]],
  ["Envelope", ["attack", "release"]],
  ["Output", ["mute", "solo", "cue", "output"]],
  ["New clips", ["swap", "stretch", "bpm"]],
];

export class Setup {
  constructor(app) {
    this.app = app;
    this.controls = [];
    this.element = make("div.panel.setup", {});
    app.on("select", () => this.update());
  }

  build() {
    const { app } = this;
    const pad = () => app.selected;
    this.controls = [];
    const groups = GROUPS.map(([title, names]) => {
      const made = names.map((name) => control(app, `pad/${name}`, pad));
      this.controls.push(...made);
      return make(
        "fieldset",
        {},
        title ? make("legend", {}, title) : null,
        ...made.map((one) => one.element),
      );
    });
    const learn = (what, label, about) =>
      make("button.quiet", { type: "button", title: about, onclick: () => app.learn(what) }, label);
    this.element.replaceChildren(
      ...groups,
      make(
        "fieldset",
        {},
        make("legend", {}, "MIDI"),
        make(
          "div.row",
          {},
          learn("learn", "Learn", "Then choose a control here or a pad, and move a control of the MIDI device"),
          learn("forget", "Forget", "Then choose a control here or a pad, and it is bound no more"),
        ),
      ),
    );
  }

  renew() {
    this.update();
  }

  update() {
    for (const one of this.controls) one.update();
  }
}
