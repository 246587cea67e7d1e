// The socket to the host: it comes back by itself, and asks each value's last setting once a frame.

const PATIENCE = [500, 1000, 2000, 3000];

export class Link {
  /** `state` is called with "open", "lost" or "refused". */
  constructor(store, state) {
    this.store = store;
    this.state = state;
    this.socket = null;
    this.tries = 0;
    this.ids = 0;
    this.waiting = new Map();
    this.settings = new Map();
    this.onFail = () => {};
    document.addEventListener("visibilitychange", () => this.see());
  }

  open() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/socket`);
    this.socket = socket;
    socket.addEventListener("open", () => {
      this.tries = 0;
      this.see();
    });
    socket.addEventListener("message", (event) => this.hear(JSON.parse(event.data)));
    socket.addEventListener("close", () => this.closed(socket));
  }

  /** Do an action; its outcome. Rejects with the host's sentence. */
  ask(name, args = [], pairs = {}) {
    const id = ++this.ids;
    const sent = this.send({ do: name, args, pairs, id });
    if (!sent) return Promise.reject(new Error("The live host does not answer: wait until it is back."));
    return new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }));
  }

  /** Do an action; a failure is shown to whoever is there. */
  do(name, ...args) {
    return this.ask(name, args).catch((error) => {
      this.onFail(error);
      return null;
    });
  }

  /** Set a property: here at once, there with the next frame. */
  set(address, pad, value) {
    const key = `${address} ${pad}`;
    if (!this.settings.size) requestAnimationFrame(() => this.flush());
    this.settings.set(key, { set: address, pad, value });
    this.store.put(address, pad, value);
  }

  flush() {
    for (const setting of this.settings.values()) this.send(setting);
    this.settings.clear();
  }

  see() {
    this.send({ see: !document.hidden });
  }

  send(message) {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }

  hear(message) {
    if (message.type === "done") this.settle(message.id)?.resolve(message.outcome);
    else if (message.type === "fail") {
      const error = Object.assign(new Error(message.message), { code: message.code, about: message.about });
      const asked = this.settle(message.id);
      if (asked) asked.reject(error);
      else this.onFail(error);
    } else {
      this.store.take(message);
      if (message.type === "hello") this.state("open");
    }
  }

  settle(id) {
    const asked = this.waiting.get(id);
    this.waiting.delete(id);
    return asked;
  }

  async closed(socket) {
    if (socket !== this.socket) return;
    for (const { reject } of this.waiting.values()) {
      reject(new Error("The connection to the live host was lost before it answered."));
    }
    this.waiting.clear();
    this.settings.clear();
    this.state((await refused()) ? "refused" : "lost");
    const wait = PATIENCE[Math.min(this.tries++, PATIENCE.length - 1)];
    setTimeout(() => this.open(), wait);
  }
}

/** Whether the host is there and does not know this browser's token. */
async function refused() {
  try {
    return (await fetch("/icon.svg", { cache: "no-store" })).status === 403;
  } catch {
    return false;
  }
}
