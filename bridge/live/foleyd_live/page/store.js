// Every value that the host has told, and who wants to hear of it.

export class Store {
  constructor() {
    this.rows = new Map();
    this.values = new Map();
    this.looks = new Map();
    this.candidates = new Map();
    this.hello = null;
    this.health = null;
    this.jobs = [];
    this.banks = [];
    this.setlist = [];
    this.log = [];
    this.live = null;
    this.liveAt = 0;
    this.listeners = new Map();
  }

  /** Call `back(detail)` whenever `topic` has news: a property's address, or the type of a message. */
  on(topic, back) {
    if (!this.listeners.has(topic)) this.listeners.set(topic, new Set());
    this.listeners.get(topic).add(back);
  }

  tell(topic, detail) {
    for (const back of this.listeners.get(topic) ?? []) back(detail);
  }

  get(address, pad = null) {
    const key = pad === null ? address : `${address} ${pad}`;
    return this.values.get(key) ?? this.rows.get(address)?.default;
  }

  /** What a pad is called; empty for one that has nothing. */
  title(pad) {
    const preset = this.get("pad/preset", pad).split("/").pop();
    return this.get("pad/name", pad) || preset || this.get("pad/prompt", pad) || this.looks.get(pad)?.name || "";
  }

  put(address, pad, value) {
    const key = pad === null ? address : `${address} ${pad}`;
    if (this.get(address, pad) === value) return;
    this.values.set(key, value);
    this.tell(address, pad);
    if (pad !== null) this.tell("pad", pad);
  }

  /** Take in a message of the host. */
  take(message) {
    TAKERS[message.type]?.(this, message);
    this.tell(message.type, message);
  }
}

const TAKERS = {
  hello(store, message) {
    store.hello = message;
    store.rows = new Map(message.properties.map((row) => [`${row.scope}/${row.name}`, row]));
    store.values = new Map(
      message.values.map(([address, pad, value]) => [pad === null ? address : `${address} ${pad}`, value]),
    );
    store.looks.clear();
    store.candidates.clear();
    store.jobs = [];
    store.setlist = [];
    store.log = [];
  },
  changes(store, message) {
    for (const [address, pad, value] of message.values) store.put(address, pad, value);
  },
  shape(store, message) {
    store.looks.set(message.pad, message.look && { ...message.look, wave: bytes(message.look.wave) });
    store.tell("pad", message.pad);
  },
  candidates(store, message) {
    store.candidates.set(
      message.pad,
      message.candidates.map((one) => ({ ...one, look: one.look && { ...one.look, wave: bytes(one.look.wave) } })),
    );
  },
  health(store, message) {
    store.health = message.health;
  },
  jobs(store, message) {
    store.jobs = message.jobs;
  },
  banks(store, message) {
    store.banks = message.banks;
  },
  setlist(store, message) {
    store.setlist = message.entries;
  },
  log(store, message) {
    store.log = message.lines;
  },
  live(store, message) {
    store.live = message;
    store.liveAt = performance.now();
  },
};

function bytes(text) {
  return Int8Array.from(atob(text), (sign) => sign.charCodeAt(0));
}
