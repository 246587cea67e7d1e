// The fields of a recipe beside its words; what is left alone is the model's own.

import { labelled, make } from "./dom.js";

const FIRST = new Set(["seconds", "seed"]);
const MOST_COUNT = 8;
const DRAFT_STEPS = 4;

export class Recipe {
  constructor(fields) {
    this.fields = fields;
    this.inputs = new Map();
    const row = (name) => fields.find((field) => field.name === name);
    this.lengthUnit = make(
      "select",
      { "aria-label": "Length", onchange: () => this.showLength() },
      ...[
        ["auto", "auto"],
        ["seconds", "seconds"],
        ["bars", "bars"],
      ].map(([value, text]) => make("option", { value }, text)),
    );
    this.length = make("input", { type: "number", step: "any", min: "0", value: "2", "aria-label": "Length as a number", hidden: true });
    this.seed = make("input", { type: "number", min: "0", step: "1", placeholder: "random", title: row("seed").help });
    this.count = make("select", {}, ...Array.from({ length: MOST_COUNT }, (_, at) => make("option", { value: String(at + 1) }, String(at + 1))));
    this.draft = make("select", { title: `Hear a version of ${DRAFT_STEPS} steps until the sound is there` }, ...["no", "yes"].map((value) => make("option", { value }, value)));
    this.early = make("select", { title: "Presses play the sound while it is still being made, a little softer" }, ...["no", "yes"].map((value) => make("option", { value }, value)));
    const length = make("div.field", {}, make("span", {}, "Length"), make("div.pair", {}, this.lengthUnit, this.length));
    const more = fields.filter((field) => !FIRST.has(field.name));
    this.element = make(
      "div.recipe",
      {},
      make("div.three", {}, length, labelled("Candidates", this.count), labelled("Seed", this.seed)),
      make(
        "details",
        {},
        make("summary", {}, "More of the recipe"),
        make("div.two", {}, labelled("Draft first", this.draft), labelled("Hear it early", this.early)),
        ...more.filter((field) => field.kind === "text").map((field) => this.field(field)),
        make("div.two", {}, ...more.filter((field) => field.kind !== "text").map((field) => this.field(field))),
      ),
    );
  }

  showLength() {
    const unit = this.lengthUnit.value;
    this.length.hidden = unit === "auto";
    this.length.value = unit === "bars" ? "1" : "2";
    if (unit !== "auto") this.length.focus();
  }

  field(row) {
    const input = row.kind === "choice" || row.kind === "switch" ? choice(row) : box(row);
    input.title = row.help;
    input.id = `recipe-${row.name}`;
    this.inputs.set(row.name, input);
    const text = row.name.replace("_", " ");
    return labelled(text[0].toUpperCase() + text.slice(1) + (row.unit && row.kind === "number" ? ` (${row.unit})` : ""), input);
  }

  /** What was filled in, as the names and values that a render takes. Throws a sentence for what is no
   * number. */
  pairs() {
    const pairs = {};
    if (Number(this.count.value) > 1) pairs.count = Number(this.count.value);
    if (this.draft.value === "yes") pairs.draft = DRAFT_STEPS;
    if (this.early.value === "yes") pairs.early = 1;
    if (this.lengthUnit.value !== "auto") pairs[this.lengthUnit.value] = numberOf(this.length, "The length");
    if (this.seed.value || this.seed.validity.badInput) pairs.seed = numberOf(this.seed, "The seed");
    for (const row of this.fields) {
      const input = this.inputs.get(row.name);
      if (!input || (!input.value && !input.validity.badInput)) continue;
      if (row.kind === "switch") pairs[row.name] = Number(input.value);
      else if (row.kind === "number" || row.kind === "integer") pairs[row.name] = numberOf(input, row.name);
      else pairs[row.name] = input.value;
    }
    return pairs;
  }
}

function choice(row) {
  const choices = row.kind === "switch" ? [["1", "on"], ["0", "off"]] : row.choices.map((one) => [one, one]);
  return make(
    "select",
    {},
    make("option", { value: "" }, usual(row)),
    ...choices.map(([value, text]) => make("option", { value }, text)),
  );
}

function box(row) {
  if (row.kind === "text" || row.kind === "name") {
    return make("input", { type: "text", maxlength: String(row.high ?? 255), placeholder: row.default || "none" });
  }
  return make("input", {
    type: "number",
    min: String(row.low),
    max: String(row.high),
    step: row.kind === "integer" ? "1" : "any",
    placeholder: usual(row),
  });
}

function usual(row) {
  if (row.default === null) return "model’s own";
  if (row.kind === "switch") return row.default ? "on (as usual)" : "off (as usual)";
  return `${row.default}`;
}

function numberOf(input, what) {
  const value = input.valueAsNumber;
  if (!Number.isFinite(value)) throw new Error(`${what} is not a number: write one, or leave it empty.`);
  return value;
}
