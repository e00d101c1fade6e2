// One conversation, as docs/protocol.md tells it: a socket that comes back, a log without holes, an outbox that
// survives a reload. Nothing here touches the page.

/**
 * @typedef {{title: string, subtitle?: string, image?: string, url?: string, buttons?: string[]}} Card
 * @typedef {{seq: number, author: 'user' | 'bot' | 'agent' | 'system', at: number, text: string, id?: string,
 *   buttons?: string[], image?: string, cards?: Card[], source?: {title: string, url: string} | null,
 *   rateable?: boolean}} Entry
 * @typedef {{text: string} | {press: {seq: number, button: number, card?: number}} |
 *   {command: 'restart' | 'human'}} Body
 * @typedef {{id: string, at: number, body: Body, title: string, state: 'waiting' | 'sending' | 'sent' | 'failed',
 *   seq?: number, code?: string}} Message  `title` is what the customer sees of it
 */

const PAGE = 50; // entries fetched after a reload, and by each look further back
const DEAD = 10; // seconds without a frame, once one is due
const ACK = 15; // seconds for an acknowledgement before the socket is given up
const LATE = 2.5; // seconds without a connection before the customer is told

/** A part of localStorage. Where the page may not have any, nothing outlives it. */
class Shelf {
  /** @param {string} name */
  constructor(name) {
    this.prefix = `frontdesk:${name}:`;
  }

  get(key) {
    try {
      return JSON.parse(localStorage.getItem(this.prefix + key) ?? 'null');
    } catch {
      return null;
    }
  }

  /** @param {any} [value] nothing removes it */
  set(key, value) {
    try {
      if (value == null) localStorage.removeItem(this.prefix + key);
      else localStorage.setItem(this.prefix + key, JSON.stringify(value));
    } catch {
      // full or forbidden: the conversation goes on without it
    }
  }

  /** Names of what is kept under this one. */
  list(key) {
    try {
      const start = this.prefix + key;
      return Object.keys(localStorage).filter((name) => name.startsWith(start)).map((name) => name.slice(start.length));
    } catch {
      return [];
    }
  }
}

/** Version 4. crypto.randomUUID is there in secure contexts only, and some shops are on plain http. */
function uuid() {
  const random = (digit) => (digit ^ (crypto.getRandomValues(new Uint8Array(1))[0] & (15 >> (digit / 4)))).toString(16);
  return '10000000-1000-4000-8000-100000000000'.replace(/[018]/g, random);
}

export class Client {
  /** @type {Entry[]} the part of the log that we hold, numbered without holes */
  entries = [];
  /** @type {Message[]} written here and not yet seen in the log */
  outbox = [];
  /** @type {{code: string, message?: string} | null} */
  notice = null;
  owner = 'bot';
  position = 0;
  name = '';
  limit = 4000;
  typing = false;
  ready = false; // welcomed
  late = false; // without a connection for so long that the customer should know
  loading = false; // catching up after a welcome
  exhausted = false; // the server has nothing before our first entry

  #url;
  #greeting;
  #changed;
  #shelf;
  #session = null;
  #base = 0; // entries up to here are not held
  #socket = null;
  #stopped = true;
  #attempts = 0;
  #welcomed = 0;
  #resumeIn = null;
  #inFlight = null;
  #fetching = false;
  #timers = {};
  #every = 25; // seconds until a silent socket is asked

  /**
   * @param {string} server where the service lives
   * @param {{locale: string, page: string}} greeting what `hello` tells about the visitor
   * @param {() => void} changed called after every change
   */
  constructor(server, greeting, changed) {
    const url = new URL('widget/ws', server);
    this.#shelf = new Shelf(url.host + url.pathname);
    url.protocol = url.protocol.replace('http', 'ws');
    this.#url = url.href;
    this.#greeting = greeting;
    this.#changed = changed;
    for (const id of this.#shelf.list('out.')) {
      const kept = this.#shelf.get(`out.${id}`);
      if (kept) this.outbox.push({ id, ...kept, state: kept.code ? 'failed' : 'waiting' });
    }
    this.outbox.sort((one, other) => one.at - other.at);
    addEventListener('storage', this.#shared);
    addEventListener('online', this.#wake);
    document.addEventListener('visibilitychange', this.#wake);
  }

  /** Whether this visitor has something here already. */
  get known() {
    return Boolean(this.#shelf.get('session') || this.outbox.length);
  }

  get first() {
    return this.entries[0]?.seq ?? this.#base + 1;
  }

  get last() {
    return this.entries.at(-1)?.seq ?? this.#base;
  }

  get unread() {
    const seen = this.#shelf.get('seen') ?? 0;
    return this.entries.filter((entry) => entry.seq > seen && entry.author !== 'user').length;
  }

  /** @returns {Record<number, [value: string, noted: boolean]>} */
  get votes() {
    return this.#shelf.get('votes') ?? {};
  }

  connect() {
    this.#stopped = false;
    if (this.#socket) return;
    clearTimeout(this.#timers.pause);
    this.#timers.late ??= setTimeout(() => {
      this.late = true;
      this.#changed();
    }, LATE * 1000);
    const socket = (this.#socket = new WebSocket(this.#url));
    socket.onopen = () => this.#hello();
    socket.onmessage = ({ data }) => socket === this.#socket && this.#frame(JSON.parse(data));
    socket.onclose = ({ code }) => socket === this.#socket && this.#lost(code);
    this.#timer('dog', DEAD, this.#drop);
  }

  /** For good: the element left the page. */
  stop() {
    this.#stopped = true;
    this.#drop();
    removeEventListener('storage', this.#shared);
    removeEventListener('online', this.#wake);
    document.removeEventListener('visibilitychange', this.#wake);
    Object.values(this.#timers).forEach(clearTimeout);
  }

  /** The id is made here, once, and written down before anything is sent. @param {Body} body */
  send(body, title = '') {
    const at = Math.max(Date.now(), (this.outbox.at(-1)?.at ?? 0) + 1);
    const message = { id: uuid(), at, body, title, state: /** @type {const} */ ('waiting') };
    this.outbox.push(message);
    this.#keep(message);
    this.connect();
    this.#pump();
    this.#changed();
  }

  /** A failed message again, as a new one; any other: now instead of later. @param {Message} message */
  retry(message) {
    if (message.state === 'failed') {
      this.remove(message);
      this.send(message.body, message.title);
    } else {
      this.connect();
    }
  }

  /** @param {Message} message */
  remove(message) {
    this.outbox = this.outbox.filter((other) => other !== message);
    this.#shelf.set(`out.${message.id}`);
    this.#changed();
  }

  /** @param {number} seq @param {'up' | 'down' | 'none'} value */
  rate(seq, value) {
    this.#vote(seq, value, false);
    if (this.ready) this.#send({ type: 'feedback', seq, value });
  }

  earlier() {
    if (!this.ready || this.#fetching || this.first <= 1) return;
    this.#fetching = true;
    this.#send({ type: 'history', before: this.first, limit: PAGE });
  }

  /** Everything up to here has been on the screen. */
  see() {
    if ((this.#shelf.get('seen') ?? 0) < this.last) this.#shelf.set('seen', this.last);
  }

  // --- the socket ---

  #send(frame) {
    this.#socket.send(JSON.stringify(frame));
  }

  #timer(name, seconds, then) {
    clearTimeout(this.#timers[name]);
    this.#timers[name] = setTimeout(then, seconds * 1000);
  }

  #hello() {
    const stored = this.#shelf.get('session');
    if (stored && stored.conversation !== this.#session?.conversation) {
      this.#clear();
      this.#base = Math.max(0, (this.#shelf.get('last') ?? 0) - PAGE);
    }
    this.#session = stored ?? this.#session;
    const { token = null, epoch = null } = this.#session ?? {};
    this.#send({ type: 'hello', token, epoch, last_seq: this.last, ...this.#greeting });
  }

  #drop = () => {
    this.#socket?.close();
    this.#lost(0);
  };

  #lost(code) {
    const wasReady = this.ready;
    this.#socket = null;
    this.ready = this.typing = this.#fetching = false;
    this.#release();
    clearTimeout(this.#timers.dog);
    clearTimeout(this.#timers.drain);
    if (code === 1008) {
      this.#stopped = this.late = true;
    } else if (!this.#stopped) {
      if (wasReady && Date.now() - this.#welcomed > 5000) this.#attempts = 0;
      const pause = Math.min(15, 0.5 * 2 ** this.#attempts++) * (0.75 + Math.random() / 2);
      this.#timer('pause', this.#resumeIn ?? pause, () => this.connect());
      this.#resumeIn = null;
    }
    this.#changed();
  }

  /** Back from another tab or a tunnel: do not wait for a timer to find out. */
  #wake = () => {
    if (document.hidden) return;
    if (!this.#stopped) this.connect();
    if (this.ready) this.#ping();
    this.#changed();
  };

  #ping = () => {
    this.#send({ type: 'ping' });
    this.#timer('dog', DEAD, this.#drop);
  };

  #frame(frame) {
    this.#handlers[frame.type]?.(frame);
    if (this.ready) this.#timer('dog', this.#every, this.#ping);
    this.#changed();
  }

  #handlers = {
    __proto__: null,

    welcome: (frame) => {
      const mine = this.#session;
      if (!mine && this.#shelf.get('session')) return this.#drop(); // another tab was first: join its conversation
      const renewed = mine && mine.epoch !== frame.epoch;
      if (renewed) this.#forget();
      const { token, epoch, conversation, owner, name } = frame;
      this.#session = { token, epoch, conversation };
      this.#shelf.set('session', this.#session);
      if (renewed) return this.#drop(); // and ask again, from 0
      Object.assign(this, { owner, name, limit: frame.limits.text, ready: true, late: false, notice: null });
      this.loading = this.last < frame.seq;
      this.#welcomed = Date.now();
      this.#every = frame.ping;
      clearTimeout(this.#timers.late);
      this.#timers.late = null;
      for (const [seq, [value, noted]] of Object.entries(this.votes)) {
        if (!noted) this.#send({ type: 'feedback', seq: Number(seq), value });
      }
      this.#pump();
    },

    entries: ({ entries, more }) => {
      for (const entry of entries) {
        this.#settle(entry);
        if (entry.seq <= this.last) continue;
        if (entry.seq > this.last + 1) return this.#drop(); // a hole: resume from the last one we have
        this.entries.push(entry);
        if (entry.author !== 'user') this.typing = false;
      }
      this.loading = more;
      this.outbox = this.outbox.filter((message) => !(message.seq <= this.last));
      this.#shelf.set('last', this.last);
    },

    history: ({ entries, more }) => {
      this.#fetching = false;
      this.exhausted = !more;
      this.entries.unshift(...entries.filter((entry) => entry.seq < this.first));
    },

    ack: ({ id, seq }) => {
      this.notice = null;
      const message = this.outbox.find((other) => other.id === id);
      if (message) Object.assign(message, { state: 'sent', seq });
      this.#settle({ id });
      this.outbox = this.outbox.filter((other) => !(other.seq <= this.last));
    },

    error: (error) => {
      this.#fetching = false;
      const message = this.outbox.find((other) => other.id === error.id);
      if (error.code === 'bad_token' && this.#session) {
        this.#forget();
        this.#hello();
      } else if (error.retry_after == null || error.code === 'too_many') {
        if (!message) return (this.notice = error.code === 'too_many' ? error : null);
        Object.assign(message, { state: 'failed', code: error.code });
        this.#keep(message);
        this.#release();
      } else {
        this.notice = error; // not yet
        if (this.ready) return this.#timer('ack', error.retry_after, () => this.#release());
        this.#resumeIn = error.retry_after;
        this.#drop();
      }
    },

    noted: ({ seq, value }) => this.#vote(seq, value, true),

    typing: ({ on, for: seconds }) => {
      this.typing = on;
      this.#timer('typing', seconds ?? 10, () => ((this.typing = false), this.#changed()));
    },

    owner: ({ owner, position = 0 }) => Object.assign(this, { owner, position }),

    drain: ({ reconnect_in: seconds }) => {
      this.#resumeIn = seconds;
      this.#timer('drain', seconds, () => ((this.#resumeIn = 0), this.#drop()));
    },
  };

  // --- the outbox: one message in flight, so that they arrive in the order they were written ---

  #pump() {
    if (!this.ready || this.#inFlight) return;
    const next = this.outbox.find((message) => message.state === 'waiting');
    if (!next) return;
    next.state = 'sending';
    this.#inFlight = next;
    this.#send({ type: 'message', id: next.id, ...next.body });
    this.#timer('ack', ACK, this.#drop);
  }

  /** Nothing is in flight any more; what was and is not settled waits again. */
  #release() {
    clearTimeout(this.#timers.ack);
    if (this.#inFlight?.state === 'sending') this.#inFlight.state = 'waiting';
    this.#inFlight = null;
    this.#pump();
    this.#changed();
  }

  /** The server has this message. @param {{id?: string, seq?: number}} entry */
  #settle({ id, seq }) {
    const message = id && this.outbox.find((other) => other.id === id);
    if (!message) return;
    this.#shelf.set(`out.${id}`);
    if (message.state !== 'sent') Object.assign(message, { state: 'sent', seq });
    if (message === this.#inFlight) this.#release();
  }

  /** @param {Message} message */
  #keep({ id, at, body, title, code }) {
    this.#shelf.set(`out.${id}`, { at, body, title, code });
  }

  #vote(seq, value, noted) {
    this.#shelf.set('votes', { ...this.votes, [seq]: [value, noted] });
    this.#changed();
  }

  // --- what tabs share ---

  #shared = ({ key }) => {
    if (!key?.startsWith(this.#shelf.prefix)) return;
    const stored = this.#shelf.get('session');
    if (stored && stored.conversation !== this.#session?.conversation) {
      if (this.#socket) this.#drop();
      this.connect();
    }
    this.#changed();
  };

  /** Another log begins. Buttons of the old one mean nothing in it. */
  #clear() {
    this.entries = [];
    this.#base = 0;
    this.exhausted = this.loading = false;
    for (const message of this.outbox.filter((other) => 'press' in other.body)) this.remove(message);
  }

  #forget() {
    const stored = this.#shelf.get('session');
    if (stored?.token === this.#session?.token) {
      for (const key of ['session', 'last', 'seen', 'votes']) this.#shelf.set(key);
    }
    this.#session = null;
    this.#clear();
  }
}
