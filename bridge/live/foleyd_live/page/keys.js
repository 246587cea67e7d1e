// The computer's keyboard: four rows of four keys are the pads, wherever their letters are printed.

const CODES = [
  ["Digit1", "Digit2", "Digit3", "Digit4"],
  ["KeyQ", "KeyW", "KeyE", "KeyR"],
  ["KeyA", "KeyS", "KeyD", "KeyF"],
  ["KeyZ", "KeyX", "KeyC", "KeyV"],
].flat();

export const HELP = [
  ["1 2 3 4 · Q W E R · A S D F · Z X C V", "Press a pad of the bank that is shown"],
  ["Page Up, Page Down", "The bank before, the next bank"],
  ["Arrow keys on a pad", "Select its neighbour"],
  ["/", "Write what the selected pad should sound like"],
  ["Enter in the prompt", "Make the sound"],
  ["Backspace", "Stop the selected pad"],
  ["N, M, L", "Make another of the selected pad: near it, of its kind, as a loop"],
  ["K", "Morph the selected pad to the words that are written"],
  ["[ and ]", "Move the selected pad's fader"],
  ["Shift + Escape", "Stop everything"],
];

export class Keys {
  constructor(app) {
    this.app = app;
    this.down = new Map();
    this.letters = new Map();
    document.addEventListener("keydown", (event) => this.press(event));
    document.addEventListener("keyup", (event) => this.release(event.code));
    window.addEventListener("blur", () => [...this.down.keys()].forEach((code) => this.release(code)));
    navigator.keyboard?.getLayoutMap?.().then((map) => {
      this.letters = map;
      app.pads?.showBank();
    }, () => {});
  }

  /** What is printed on the key of a place in the bank. */
  label(place) {
    const code = CODES[place] ?? "";
    return (this.letters.get?.(code) ?? code.replace(/^(Key|Digit)/, "")).toUpperCase();
  }

  press(event) {
    if (event.code === "Escape" && event.shiftKey) {
      this.app.link.do("host/panic");
      return;
    }
    if (isTyping(event.target)) {
      if (event.code === "Escape") event.target.blur();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const place = CODES.indexOf(event.code);
    if (place >= 0) {
      event.preventDefault();
      if (event.repeat || this.down.has(event.code)) return;
      const pad = this.app.pads.pad(place);
      this.down.set(event.code, pad);
      this.app.hit(pad);
      return;
    }
    const other = OTHERS[event.key];
    if (!other || event.repeat) return;
    event.preventDefault();
    other(this.app);
  }

  release(code) {
    const pad = this.down.get(code);
    this.down.delete(code);
    if (pad !== undefined) this.app.lift(pad);
  }
}

const FADER_STEP = 0.1;

const OTHERS = {
  PageUp: (app) => turn(app, -1),
  PageDown: (app) => turn(app, 1),
  Backspace: (app) => app.link.do("pad/stop", app.selected),
  n: (app) => app.link.do("pad/vary", app.selected),
  m: (app) => app.link.do("pad/like", app.selected),
  l: (app) => app.link.do("pad/loop", app.selected),
  k: (app) => app.sound.toWords("pad/morph"),
  "[": (app) => slide(app, -FADER_STEP),
  "]": (app) => slide(app, FADER_STEP),
  "/": (app) => app.write(),
  "?": (app) => app.help(),
};

function slide(app, by) {
  const place = app.store.get("pad/fader", app.selected) + by;
  app.link.set("pad/fader", app.selected, Math.min(1, Math.max(0, Number(place.toFixed(2)))));
}

function turn(app, by) {
  const bank = app.store.get("host/bank") + by;
  const row = app.store.rows.get("host/bank");
  if (bank >= row.low && bank <= row.high) app.link.set("host/bank", null, bank);
}

function isTyping(element) {
  if (element.isContentEditable || ["TEXTAREA", "SELECT"].includes(element.tagName)) return true;
  return element.tagName === "INPUT" && !["range", "checkbox", "color", "button"].includes(element.type);
}
