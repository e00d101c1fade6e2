// One conversation, as docs/protocol.md tells it: a socket that comes back, a log without holes, an outbox that
// survives a reload. Nothing here touches the page.

/**
 * @typedef {{title: string, subtitle?: string, image?: string, url?: string, buttons?: string[]}} Card
 * @typedef {{seq: number, author: 'user' | 'bot' | 'agent' | 'system', at: number, text: string, id?: string,
 *   buttons?: string[], image?: string, cards?: Card[], source?: {title: string, url: string} | null,
 *   rateable?: boolean, rating?: 'up' | 'down' | null}} Entry
 * @typedef {{text: string} | {press: {seq: number, button: number, card?: number}} |
 *   {command: 'restart' | 'human'}} Body
 * @typedef {{id: string, at: number, body: Body, title: string, state: 'waiting' | 'sending' | 'sent' | 'failed',
 *   seq?: number, code?: string, due?: number}} Message  `title` is what the customer sees of it; `due` is when this
 *   tab may send what another one wrote
 */

const PAGE = 50; // entries fetched after a reload, and by each look further back
const DEAD = 10; // seconds without a frame, once one is due
const ACK = 15; // seconds for an acknowledgement before the socket is given up
const LATE = 2.5; // seconds without a connection before the customer is told
const SHORTEST = 2; // seconds within which a lost connection is first tried again
const LONGEST = 15; // and within which it always is
const LASTED = 5; // seconds after which a connection counts as one
const TURN = 3; // seconds that a tab has for sending what was written in it, before the others do

/** A part of localStorage; of the tab's own where that is full. Where the page may have neither, nothing outlives it. */
class Shelf {
  /** @param {string} name */
  constructor(name) {
    this.prefix = `frontdesk:${name}:`;
  }

  get(key) {
    return attempt(() => JSON.parse(sessionStorage.getItem(this.prefix + key) ?? localStorage.getItem(this.prefix + key)));
  }

  /** @param {any} [value] nothing removes it */
  set(key, value) {
    const name = this.prefix + key;
    const put = (store) => (value == null ? store.removeItem(name) : store.setItem(name, JSON.stringify(value)), true);
    if (attempt(() => put(localStorage))) value = null;
    attempt(() => put(sessionStorage));
  }

  /** Names of what is kept under this one. */
  list(key) {
    const names = attempt(() => [...Object.keys(sessionStorage), ...Object.keys(localStorage)]) ?? [];
    return names.map((name) => this.name(name, key)).filter(Boolean);
  }

  /** The name within this part, if it begins so. @param {string | null} name */
  name(name, key = '') {
    const start = this.prefix + key;
    return name?.startsWith(start) ? name.slice(start.length) : '';
  }
}

/** Storage may be forbidden, full, or hold what we did not write: then there is nothing. */
function attempt(ask) {
  try {
    return ask();
  } catch {
    return null;
  }
}

/** In their order, and each with what we count on, whatever else a server of another age sends. @returns {Entry[]} */
function sound(entries) {
  const numbered = [...(entries ?? [])].filter((entry) => entry?.seq > 0);
  return numbered
    .map((entry) => ({ ...entry, text: `${entry.text ?? ''}`, at: entry.at || Date.now() / 1000 }))
    .sort((one, other) => one.seq - other.seq);
}

const now = () => performance.now() / 1000;

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
  until = 0; // when a message that was told "not yet" is sent again, as performance.now() in seconds
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
  #lostAt = null; // since when there is no connection that lasted
  #welcomed = -Infinity;
  #resumeAt = 0; // when the server asked us to come back
  #draining = false;
  #inFlight = null;
  #fetching = false;
  #timers = {};
  #every = 25; // seconds until a silent socket is asked

  /**
   * @param {string} server where the service lives
   * @param {{locale: string, page: string, customer: string?}} greeting what `hello` tells about the visitor
   * @param {() => void} changed called after every change
   */
  constructor(server, greeting, changed) {
    const url = new URL('widget/ws', server);
    this.#shelf = new Shelf(url.host + url.pathname);
    url.protocol = url.protocol.replace('http', 'ws');
    this.#url = url.href;
    this.#greeting = greeting;
    this.#changed = changed;
    for (const id of this.#shelf.list('out.')) this.#take(id, this.#shelf.get(`out.${id}`));
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

  /** Seconds until what the server could not take is sent again. */
  get wait() {
    return this.ready && this.notice ? Math.max(0, Math.ceil(this.until - now())) : 0;
  }

  /** Thumbs that the server has not noted yet. @returns {Record<number, 'up' | 'down' | 'none'>} */
  get votes() {
    return this.#shelf.get('votes') ?? {};
  }

  connect() {
    this.#stopped = false;
    if (this.#socket) return;
    clearTimeout(this.#timers.pause);
    this.#lostAt ??= now();
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
    this.#shelf.set('votes', { ...this.votes, [seq]: value });
    if (this.ready) this.#send({ type: 'feedback', seq, value });
    this.#changed();
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

  /** A new connection, now: it brings what is missing. */
  #again() {
    this.#resumeAt = now();
    this.#drop();
  }

  #lost(code) {
    if (now() - this.#welcomed > LASTED) this.#lostAt = now();
    this.#welcomed = Infinity;
    this.#socket = null;
    this.ready = this.typing = this.#fetching = this.#draining = false;
    this.#release();
    for (const name of ['dog', 'drain', 'gap']) clearTimeout(this.#timers[name]);
    if (code === 1008) {
      this.#stopped = this.late = true;
    } else if (!this.#stopped) {
      // docs/protocol.md, "Coming back": all at once, clients would find the server down again
      const longest = Math.min(LONGEST, Math.max(SHORTEST, (now() - this.#lostAt) / 2));
      const pause = this.#resumeAt ? this.#resumeAt - now() : Math.random() * longest;
      this.#timer('pause', pause, () => this.connect());
    }
    this.#resumeAt = 0;
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
    this.#handlers[frame?.type]?.(frame); // what we do not know was not meant for us
    if (this.ready) this.#timer('dog', this.#every, this.#ping);
    this.#changed();
  }

  #handlers = {
    __proto__: null,

    welcome: (frame) => {
      const mine = this.#session;
      if (!mine && this.#shelf.get('session')) return this.#again(); // another tab was first: join its conversation
      // A log that is shorter than what we saw of it was put back from a copy.
      const renewed = mine && (mine.epoch !== frame.epoch || frame.seq < this.last);
      if (renewed) this.#forget();
      const { token, epoch, conversation, owner, position = 0, name, ratings, ping = 25, limits } = frame;
      this.#session = { token, epoch, conversation };
      this.#shelf.set('session', this.#session);
      if (renewed) return this.#again(); // and ask from 0
      Object.assign(this, { owner, position, name, limit: limits?.text ?? 4000, ready: true, late: false });
      Object.assign(this, { notice: null, until: 0 });
      this.loading = this.last < frame.seq;
      this.#welcomed = now();
      this.#every = ping;
      clearTimeout(this.#timers.late);
      this.#timers.late = null;
      if (!(this.#shelf.get('seen') <= frame.seq)) this.#shelf.set('seen', frame.seq);
      if (ratings) for (const entry of this.entries) entry.rating = ratings[entry.seq];
      this.#vote();
      this.#pump();
    },

    entries: ({ entries, more }) => {
      for (const entry of sound(entries)) {
        if (entry.seq > this.last + 1) return this.#again(); // a hole: resume from the last one we have
        if (entry.id) this.#settle(entry.id);
        if (entry.seq <= this.last) continue;
        this.entries.push(entry);
        if (entry.author !== 'user') this.typing = false;
      }
      this.loading = more;
      this.#shelf.set('last', this.last);
    },

    history: ({ entries, more }) => {
      const older = sound(entries).filter((entry) => entry.seq < this.first);
      this.#fetching = false;
      this.exhausted = !more;
      if (older.at(-1)?.seq === this.first - 1) this.entries.unshift(...older);
    },

    ack: ({ id, seq }) => {
      this.notice = null;
      const message = this.outbox.find((other) => other.id === id);
      if (!message) return;
      Object.assign(message, { state: 'sent', seq });
      this.#shelf.set(`out.${id}`);
      if (seq <= this.last) this.#settle(id);
      else this.#timer('gap', TURN, () => this.last < seq && this.#again()); // we should have seen it by then
      if (message === this.#inFlight) this.#release();
    },

    error: (error) => {
      const { id, code, retry_after: seconds } = error;
      const message = this.outbox.find((other) => other.id === id);
      const later = seconds * (1 + Math.random() / 2); // others were told the same
      this.#fetching = false;
      if (code === 'bad_token' && this.#session) {
        this.#forget();
        this.#hello();
      } else if (code === 'too_many') {
        this.notice = error;
      } else if (seconds != null && !this.ready) {
        this.notice = error;
        this.#resumeAt = now() + later;
        this.#drop();
      } else if (!message) {
        if (seconds != null) this.#timer('votes', later, () => this.#vote()); // or a look back, which waits for a hand
      } else if (seconds != null) {
        this.notice = error; // not yet
        this.until = now() + later;
      } else {
        Object.assign(message, { state: 'failed', code });
        this.#keep(message);
      }
      if (message && message === this.#inFlight) this.#release();
    },

    noted: ({ seq, value }) => {
      this.#rated(seq, value);
      const { [seq]: mine, ...others } = this.votes;
      if (mine === value) this.#shelf.set('votes', others);
    },

    typing: ({ on, for: seconds }) => {
      this.typing = on;
      this.#timer('typing', seconds ?? 10, () => ((this.typing = false), this.#changed()));
    },

    owner: ({ owner, position = 0 }) => Object.assign(this, { owner, position }),

    drain: ({ reconnect_in: seconds }) => {
      this.#draining = true; // whatever is written now goes to the next server
      this.#resumeAt = now() + seconds;
      this.#timer('drain', seconds, this.#drop);
    },
  };

  // --- the outbox: one message in flight, so that they arrive in the order they were written ---

  #pump() {
    if (!this.ready || this.#inFlight || this.#draining) return;
    const waiting = this.outbox.filter((message) => message.state === 'waiting');
    const next = waiting.find(({ due = 0 }) => due <= now()) ?? waiting[0];
    if (!next) return;
    const wait = Math.max(next.due ?? 0, this.until) - now();
    if (wait > 0) return this.#timer('pump', wait, () => this.#pump());
    next.state = 'sending';
    this.#inFlight = next;
    this.#send({ type: 'message', id: next.id, ...next.body });
    this.#timer('ack', ACK, this.#drop);
    this.#changed();
  }

  /** Nothing is in flight any more; what was and is not settled waits again. */
  #release() {
    clearTimeout(this.#timers.ack);
    if (this.#inFlight?.state === 'sending') this.#inFlight.state = 'waiting';
    this.#inFlight = null;
    this.#pump();
    this.#changed();
  }

  /** The message is in the log that we hold. */
  #settle(id) {
    const message = this.outbox.find((other) => other.id === id);
    if (!message) return;
    this.remove(message);
    if (message === this.#inFlight) this.#release();
  }

  /** @param {Message} message */
  #keep({ id, at, body, title, code }) {
    this.#shelf.set(`out.${id}`, { at, body, title, code });
  }

  /** A message that was kept, by us or by another tab. */
  #take(id, kept, due = 0) {
    if (!kept?.body || this.entries.some((entry) => entry.id === id)) return;
    const state = kept.code ? 'failed' : 'waiting';
    const message = this.outbox.find((other) => other.id === id);
    if (message) Object.assign(message, kept, { state });
    else this.outbox.push({ id, ...kept, state, due });
    this.outbox.sort((one, other) => one.at - other.at);
  }

  #rated(seq, value) {
    const entry = this.entries[seq - this.first];
    if (entry) entry.rating = value;
  }

  #vote() {
    if (!this.ready) return;
    for (const [seq, value] of Object.entries(this.votes)) this.#send({ type: 'feedback', seq: Number(seq), value });
  }

  // --- what tabs share ---

  #shared = ({ key, newValue, oldValue }) => {
    const name = this.#shelf.name(key);
    if (!name) return;
    const [before, after] = [oldValue, newValue].map((text) => attempt(() => JSON.parse(text)));
    if (name.startsWith('out.')) this.#beside(name.slice(4), after);
    if (name === 'votes') {
      // what is no longer there was noted
      for (const [seq, value] of Object.entries(before ?? {})) if (!after?.[seq]) this.#rated(seq, value);
    }
    const stored = this.#shelf.get('session');
    if (stored && stored.conversation !== this.#session?.conversation) {
      if (this.#socket) this.#drop();
      this.connect();
    }
    this.#changed();
  };

  /** Another tab has kept a message, or let go of it: acknowledged, or removed by hand. */
  #beside(id, kept) {
    const message = this.outbox.find((other) => other.id === id);
    if (kept) {
      if (message !== this.#inFlight || !message) this.#take(id, kept, now() + TURN);
      this.#pump();
    } else if (message?.state === 'failed') {
      this.outbox = this.outbox.filter((other) => other !== message);
    } else if (message) {
      message.state = 'sent';
      if (message === this.#inFlight) this.#release();
    }
  }

  /** Another log begins. What was sent is in it or lost with the old one, and buttons of that mean nothing here. */
  #clear() {
    this.entries = [];
    this.#base = 0;
    this.exhausted = this.loading = false;
    this.outbox = this.outbox.filter(({ state }) => state !== 'sent');
    for (const message of this.outbox.filter((other) => 'press' in other.body)) {
      Object.assign(message, { state: 'failed', code: 'unknown_button' });
      this.#keep(message);
    }
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
