// Waveforms: drawn once into a bitmap, with playheads over them.

const SURFACE = [27, 31, 39];

/** A colour that is readable on a pad, of any that people choose: lightened until it stands out. */
export function readable(colour) {
  let rgb = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  for (let step = 0; step < 20 && contrast(rgb, SURFACE) < 4.5; step++) {
    rgb = rgb.map((part) => Math.round(part + (255 - part) * 0.12));
  }
  return `rgb(${rgb.join(" ")})`;
}

function contrast(a, b) {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
}

function luminance(rgb) {
  const [r, g, b] = rgb.map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

export class Wave {
  constructor(canvas) {
    this.canvas = canvas;
    this.wave = null;
    this.loop = null;
    this.colour = "#8fb4ff";
    this.heads = [];
    this.bitmap = null;
    new ResizeObserver(() => this.fresh()).observe(canvas);
  }

  show(look, colour) {
    const wave = look?.wave ?? null;
    if (wave === this.wave && colour === this.colour) return;
    this.wave = wave;
    this.loop = look?.loop ?? null;
    this.colour = colour;
    this.fresh();
  }

  /** Draw playheads at these shares of the clip; the rest stays. */
  play(heads) {
    if (!heads.length && !this.heads.length) return;
    this.heads = heads;
    this.draw();
  }

  fresh() {
    const scale = window.devicePixelRatio || 1;
    const width = Math.round(this.canvas.clientWidth * scale);
    const height = Math.round(this.canvas.clientHeight * scale);
    if (!width || !height) return;
    this.canvas.width = width;
    this.canvas.height = height;
    this.bitmap = this.wave ? this.picture(width, height, scale) : null;
    this.draw();
  }

  picture(width, height, scale) {
    const bitmap = new OffscreenCanvas(width, height);
    const brush = bitmap.getContext("2d");
    const points = this.wave.length / 2;
    const bar = Math.max(1, Math.round(2 * scale));
    const step = bar + Math.max(1, Math.round(scale));
    const middle = height / 2;
    brush.fillStyle = this.colour;
    for (let x = 0; x + bar <= width; x += step) {
      const from = Math.floor((x / width) * points);
      const to = Math.max(from + 1, Math.floor(((x + step) / width) * points));
      let low = 0;
      let high = 0;
      for (let at = from; at < to && at < points; at++) {
        low = Math.min(low, this.wave[2 * at]);
        high = Math.max(high, this.wave[2 * at + 1]);
      }
      const top = middle - (high / 127) * (middle - 1);
      const bottom = middle - (low / 127) * (middle - 1);
      const tall = Math.max(bar, bottom - top);
      brush.beginPath();
      brush.roundRect(x, (top + bottom - tall) / 2, bar, tall, bar / 2);
      brush.fill();
    }
    return bitmap;
  }

  draw() {
    const { width, height } = this.canvas;
    const brush = this.canvas.getContext("2d");
    brush.clearRect(0, 0, width, height);
    if (!this.bitmap) return;
    const playing = this.heads.length > 0;
    brush.globalAlpha = playing ? 0.45 : 0.85;
    brush.drawImage(this.bitmap, 0, 0);
    brush.globalAlpha = 1;
    if (!playing) return;
    const furthest = Math.max(...this.heads) * width;
    if (furthest > 0) brush.drawImage(this.bitmap, 0, 0, furthest, height, 0, 0, furthest, height);
    const thick = Math.max(2, Math.round(2 * (window.devicePixelRatio || 1)));
    brush.fillStyle = "#ffffff";
    for (const head of this.heads) {
      brush.fillRect(Math.min(width - thick, Math.round(head * width - thick / 2)), 0, thick, height);
    }
  }
}

/** Where the playheads of a pad are now: told 20 times a second, carried on in between. */
export function heads(store, pad) {
  const look = store.looks.get(pad);
  if (!store.live || !look) return [];
  const told = store.live.heads.filter(([which, share]) => which === pad && share >= 0);
  if (!told.length) return [];
  const rate = 2 ** (store.get("pad/tune", pad) / 12);
  const moved = (Math.min(250, performance.now() - store.liveAt) / 1000 / look.seconds) * rate;
  const looping = ["loop", "toggle"].includes(store.get("pad/mode", pad));
  const [start, end] = look.loop ?? [0, 1];
  return told.map(([, share]) => {
    const at = share + moved;
    if (looping && at >= end && end > start) return start + ((at - start) % (end - start));
    return Math.min(1, at);
  });
}
