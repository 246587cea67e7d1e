// Numbers as people read them.

export const seconds = (value) => (value >= 60 ? clock(value) : `${value.toFixed(value < 10 ? 2 : 1)} s`);

export function clock(value) {
  const whole = Math.floor(value);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** A time that is only expected. */
export const about = (value) => (value >= 60 ? clock(value) : `${Math.max(1, Math.round(value))} s`);

export const decibels = (factor) => (factor > 1e-6 ? 20 * Math.log10(factor) : -Infinity);

export function level(db) {
  if (db <= -60) return "−∞ dB";
  return `${db > 0.05 ? "+" : db < -0.05 ? "−" : ""}${Math.abs(db).toFixed(1)} dB`;
}

/** A property's value with its unit. */
export function value(row, given) {
  if (row.kind === "switch") return given ? "on" : "off";
  if (row.kind !== "number") return String(given);
  if (row.unit === "dB") return level(given);
  const digits = row.high - row.low > 200 ? 0 : row.high - row.low > 20 ? 1 : 2;
  const text = `${given < 0 ? "−" : ""}${Math.abs(given).toFixed(digits)}`;
  return row.unit ? `${text} ${row.unit === "semitones" ? "st" : row.unit}` : text;
}

const TITLES = {
  beats: "Beats of a bar",
  bpm: "Clip tempo",
  cue: "Cue send",
  promise: "When a sound is late for its bar",
  source: "What keeps the time",
};

/** What a property is called on the page. */
export function title(name) {
  return TITLES[name] ?? name[0].toUpperCase() + name.slice(1);
}
