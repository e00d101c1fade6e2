// <frontdesk-chat>: the chat on a page. docs/widget.md tells how to use it and how to dress it.

import { Client } from './client.js';
import { h, icon } from './dom.js';
import { draw, update } from './entry.js';
import { sheet } from './style.js';
import { direction, texts } from './texts.js';

const BUBBLE = 'M12 4c5 0 9 3.3 9 7.5S17 19 12 19q-1.6 0-3-.4l-4.5 2 1-3.800C4 15.3 3 13.5 3 11.5 3 7.3 7 4 12 4z';
const CROSS = 'M6 6l12 12M18 6L6 18';
const DOWN = 'M6 9l6 6 6-6';
const ARROW = 'M5 12h13M12 6l6 6-6 6';
const SERVICE = new URL('..', import.meta.url).href;
const PHONE = matchMedia('(max-width: 480px), (max-height: 420px)'); // as in style.js
const TOUCH = matchMedia('(pointer: coarse)');
const GROUP = 300; // seconds within which messages of one author stand together
const ROWS = 200; // messages on the page at most; more are held and drawn when somebody scrolls to them
const STEP = 50; // messages by which that part moves
const FINAL = ['too_long', 'empty', 'unknown_button']; // a second try would end as the first

export class FrontdeskChat extends HTMLElement {
  static observedAttributes = ['server', 'title', 'locale', 'open', 'greeting'];

  /** @type {Client | null} */
  #client = null;
  /** @type {Record<string, any>} the parts that stay */
  #ui = {};
  #setting;
  #nodes = new Map();
  #top = 0; // number of the first message that is drawn
  #drawn = 0; // and as it was
  #whole = true; // drawn to the newest
  #pinned = true; // the newest message is in sight, and is to stay so
  #opener = null;
  #unread = 0;
  #due = false;
  #tick;

  get open() {
    return this.hasAttribute('open');
  }

  set open(open) {
    this.toggleAttribute('open', open);
  }

  /** Opens the chat and sends this as the visitor's words. @param {string} text */
  ask(text) {
    this.open = true;
    this.#send({ text: text.trim() }, text.trim());
  }

  connectedCallback() {
    const locale = spelled(this.getAttribute('locale') || document.documentElement.lang);
    const [t, lang] = texts(locale);
    const base = new URL(this.getAttribute('server') || SERVICE, location.href).href;
    const page = location.origin + location.pathname;
    const customer = this.getAttribute('customer');
    const client = (this.#client = new Client(base, { locale, page, customer }, () => this.#later()));
    const region = navigator.languages.find((one) => one.split('-')[0] === locale) ?? locale; // how it writes dates
    const clock = new Intl.DateTimeFormat(region, { hour: 'numeric', minute: '2-digit' });
    this.#setting = { t, lang, base, clock, locale: region, name: '', press: this.#press, rate: (seq, value) => client.rate(seq, value) };
    this.#nodes.clear();
    this.#build(t, lang, direction(locale));
    PHONE.addEventListener('change', this.#reopen);
    visualViewport?.addEventListener('resize', this.#fit);
    visualViewport?.addEventListener('scroll', this.#fit);
    if (tab('open') && !PHONE.matches) this.open = true;
    if (this.open) this.#show(false);
    else if (client.known) client.connect();
    this.#render();
  }

  disconnectedCallback() {
    this.#client.stop();
    this.#client = null;
    PHONE.removeEventListener('change', this.#reopen);
    visualViewport?.removeEventListener('resize', this.#fit);
    visualViewport?.removeEventListener('scroll', this.#fit);
  }

  attributeChangedCallback(name, before, now) {
    if (!this.#client || before === now) return;
    if (name === 'server' || name === 'locale') {
      this.disconnectedCallback();
      this.connectedCallback();
    } else if (name !== 'open') {
      this.#later();
    } else if (this.open !== this.#ui.panel.open) {
      if (this.open) this.#show(true);
      else this.#hide();
    }
  }

  #build(t, lang, dir) {
    const root = this.shadowRoot ?? this.attachShadow({ mode: 'open' });
    root.adoptedStyleSheets = [sheet];
    const button = (props, ...children) => h('button', { type: 'button', ...props }, ...children);
    const hide = () => (this.open = false);
    const ui = (this.#ui = {
      launcher: button({ class: 'launcher', 'aria-haspopup': 'dialog', click: () => (this.open = !this.open) }),
      news: h('p', { class: 'sr', role: 'status' }),
      face: h('span', { class: 'face', 'aria-hidden': 'true' }),
      name: h('h2', { id: 'name' }),
      owner: h('p', { class: 'owner', role: 'status' }),
      notice: h('p', { class: 'notice', role: 'status' }),
      again: button({ click: () => this.#client.connect() }, t.now),
      list: h('div', { class: 'list' }),
      greeting: h('div', { class: 'row bot' }, h('p', { class: 'said', dir: 'auto' })),
      earlier: button({ class: 'earlier', click: () => this.#earlier() }, t.earlier),
      typing: h('div', { class: 'typing' }, h('span', { class: 'sr' }), h('i'), h('i'), h('i')),
      newest: button({ class: 'newest', click: () => this.#newest() }, t.newest, ' ↓'),
      text: h('textarea', {
        rows: 1,
        placeholder: t.write,
        'aria-label': t.write,
        'aria-describedby': 'count',
        enterkeyhint: 'send',
        dir: 'auto',
        input: () => this.#grow(),
        keydown: this.#key,
      }),
      // without the default the focus stays in the text, and a phone keeps its keyboard
      send: h('button', { class: 'send', 'aria-label': t.send, pointerdown: (event) => event.preventDefault() }, icon(ARROW)),
      count: h('p', { class: 'count', id: 'count' }),
      human: button({ click: () => this.#send({ command: 'human' }, '/human') }, t['/human']),
      restart: button({ click: () => this.#send({ command: 'restart' }, '/restart') }, t['/restart']),
    });
    ui.log = h(
      'div',
      { class: 'log', role: 'log', 'aria-live': 'polite', 'aria-label': t.log, tabindex: 0, scroll: this.#scrolled },
      ui.list,
    );
    ui.log.addEventListener('load', () => this.#pinned && this.#bottom(), true); // a picture has its size now
    ui.panel = h(
      'dialog',
      { class: 'panel', role: 'dialog', 'aria-labelledby': 'name', tabindex: -1, close: () => ui.panel.open || hide() },
      h(
        'header',
        {},
        ui.face,
        h('div', {}, ui.name, ui.owner),
        button({ class: 'hide', 'aria-label': t.close, click: hide }, icon(DOWN)),
      ),
      ui.notice,
      ui.log,
      h(
        'footer',
        {},
        ui.newest,
        h('form', { submit: this.#submit }, ui.text, ui.send),
        ui.count,
        h('div', { class: 'exits' }, ui.human, ui.restart),
      ),
    );
    // The empty title keeps the element's own from showing as a tooltip over everything.
    const whole = { class: 'root', lang, dir, title: '', keydown: this.#escape };
    root.replaceChildren(h('div', whole, ui.launcher, ui.news, ui.panel));
    ui.text.value = tab('draft') ?? '';
  }

  // --- opening and closing ---

  /** On a phone it fills the screen and holds the focus; elsewhere the page beside it stays in use. */
  #show(byHand) {
    const { panel, text, log } = this.#ui;
    const opener = document.activeElement;
    this.#opener = opener;
    panel[PHONE.matches ? 'showModal' : 'show']();
    this.#client.connect();
    this.#grow();
    this.#pinned = true;
    if (byHand) (TOUCH.matches ? log : text).focus();
    else if (!PHONE.matches) this.shadowRoot.activeElement?.blur(); // a dialog takes the focus, asked or not
    tab('open', 1);
    this.#fit();
    this.#render();
  }

  #hide() {
    const inside = this.shadowRoot.activeElement;
    this.#ui.panel.close();
    tab('open', null);
    this.#render();
    const opener = this.#opener;
    if (inside) (opener === this || opener === document.body || !opener?.isConnected ? this.#ui.launcher : opener).focus();
  }

  #reopen = () => {
    if (!this.open) return;
    const inside = this.shadowRoot.activeElement;
    this.#ui.panel.close();
    this.#show(inside);
  };

  /** The keyboard of a phone covers a part of the page; the chat is what it leaves. */
  #fit = () => {
    const { style } = this.#ui.panel;
    style.height = PHONE.matches ? `${visualViewport?.height}px` : '';
    style.top = PHONE.matches ? `${visualViewport?.offsetTop}px` : '';
    if (this.#pinned) this.#bottom();
  };

  #escape = (event) => {
    if (event.key !== 'Escape' || event.isComposing || !this.open) return;
    event.preventDefault();
    event.stopPropagation();
    this.open = false;
  };

  // --- writing ---

  #key = (event) => {
    // 229: Safari ends a composition before it reports the Enter that ended it
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing && event.keyCode !== 229) this.#submit(event);
  };

  #submit = (event) => {
    event.preventDefault();
    const { text, send } = this.#ui;
    if (send.disabled) return;
    const words = text.value.trim();
    text.value = '';
    this.#grow();
    this.#send({ text: words }, words);
    text.focus();
  };

  #press = (entry, title, button, card) => {
    this.#send({ press: { seq: entry.seq, button, card } }, title);
    this.#ui[TOUCH.matches ? 'log' : 'text'].focus();
  };

  #send(body, title) {
    this.#pinned = true;
    if (title) this.#client.send(body, title);
  }

  #grow() {
    const { text, send, count } = this.#ui;
    const { limit } = this.#client;
    const length = [...text.value.trim()].length;
    text.style.height = '';
    text.style.height = `${text.scrollHeight}px`;
    text.setAttribute('aria-invalid', length > limit);
    send.disabled = !length || length > limit;
    say(count, length > limit * 0.9 ? this.#setting.t.count(length, limit) : '');
    count.classList.toggle('over', length > limit);
    tab('draft', text.value || null);
  }

  // --- showing ---

  #later() {
    if (this.#due) return;
    this.#due = true;
    queueMicrotask(() => {
      this.#due = false;
      if (this.#client) this.#render();
    });
  }

  #render() {
    const { t } = this.#setting;
    const client = this.#client;
    const { name, face, owner, human, typing, notice, again } = this.#ui;
    const title = (this.#setting.name = this.getAttribute('title') || client.name || t.chat);
    say(name, title);
    say(face, [...title][0]);
    say(owner, client.owner === 'queue' && client.position ? t.position(client.position) : t[client.owner]);
    say(typing.firstChild, `${title} ${t.typing}`);
    human.hidden = client.owner !== 'bot';
    const problem = client.notice?.code ?? (client.late && 'late');
    say(notice, problem ? (t[problem] ?? client.notice.message) : '', client.late && again);
    this.#list(t, client);
    clearTimeout(this.#tick);
    if (client.wait) this.#tick = setTimeout(() => this.#later(), 1000);
    if (this.open && !document.hidden) client.see();
    this.#count(t, client.unread);
  }

  #count(t, unread) {
    const { launcher, news } = this.#ui;
    const label = this.open ? t.close : t.open;
    launcher.setAttribute('aria-expanded', this.open);
    launcher.setAttribute('aria-label', unread ? `${label}, ${t.unread(unread)}` : label);
    launcher.replaceChildren(
      icon(this.open ? CROSS : BUBBLE),
      unread ? h('span', { class: 'badge', 'aria-hidden': 'true' }, unread > 99 ? '99+' : unread) : '',
    );
    if (unread !== this.#unread) say(news, unread > this.#unread ? t.unread(unread) : '');
    this.#unread = unread;
  }

  #list(t, client) {
    const { log, list, greeting, earlier, typing } = this.#ui;
    const [top, shown, next] = this.#part(client);
    const moved = top !== this.#drawn;
    const reach = (row) => row.getBoundingClientRect().bottom - log.getBoundingClientRect().top;
    const anchor = moved && !this.#pinned && [...list.querySelectorAll('.row')].find((row) => reach(row) > 0);
    const stood = anchor && reach(anchor);
    const nodes = [];
    const kept = new Map();
    const keep = (key, make) => {
      kept.set(key, this.#nodes.get(key) ?? make());
      nodes.push(kept.get(key));
      return kept.get(key);
    };
    if (top > client.first || (client.first > 1 && !client.exhausted && client.ready)) nodes.push(earlier);
    if (!shown.length && (client.ready ? !client.loading : !client.known)) nodes.push(greeting);
    say(greeting.firstChild, this.getAttribute('greeting') || t.greeting);

    const { votes } = client;
    const replies = repliesTo(shown, next);
    const last = shown.findLast((entry) => entry.author === 'user');
    shown.forEach((entry, index) => {
      const before = shown[index - 1];
      const day = dayOf(entry);
      const newDay = !before || day !== dayOf(before);
      if (newDay) keep(day, () => h('p', { class: 'day' }, dayName(day, this.#setting.locale)));
      const node = keep(entry.id ?? entry.seq, () => draw(entry, this.#setting));
      node.classList.toggle('next', !newDay && before.author === entry.author && entry.at - before.at < GROUP);
      update(node, replies[index], votes[entry.seq] ?? entry.rating);
      if (entry.author === 'user') this.#state(node, entry.message, entry === last);
    });
    if (client.typing && this.#whole) nodes.push(typing);
    this.#nodes = kept;
    this.#drawn = top;

    log.setAttribute('aria-live', moved || client.loading ? 'off' : 'polite'); // history is not news
    place(list, nodes);
    if (anchor?.isConnected) log.scrollTop += reach(anchor) - stood;
    else if (this.#pinned) this.#bottom();
    this.#scrolled();
  }

  /** What is drawn of the conversation: from which number, the messages, and what the visitor said next after them. */
  #part({ entries, outbox, first, last }) {
    const newest = Math.max(first, last - STEP + 1);
    if (this.#pinned && last - this.#top >= ROWS) this.#top = newest;
    const top = Math.min(Math.max(this.#top, first), newest);
    const end = this.#pinned ? last + 1 : top + ROWS;
    const shown = entries.slice(top - first, end - first);
    this.#whole = end > last;
    if (this.#whole) return [top, [...shown, ...outbox.map(sketch)]];
    return [top, shown, entries.slice(end - first).find(({ author }) => author === 'user')?.text];
  }

  #earlier() {
    this.#pinned = false;
    this.#top = Math.max(this.#drawn - STEP, 1);
    if (this.#top < this.#client.first) this.#client.earlier();
    this.#render();
  }

  #newest() {
    this.#pinned = true;
    this.#render();
  }

  /** What became of a message the visitor wrote, under it. */
  #state(node, message, last) {
    const { t, lang } = this.#setting;
    const client = this.#client;
    const line = node.querySelector('.state');
    const state = message?.state ?? 'sent';
    const failed = state === 'failed';
    const held = state === 'waiting' && client.wait;
    const shown = held ? 'held' : state === 'waiting' && client.ready ? 'sending' : state;
    node.classList.toggle('pending', state !== 'sent');
    node.classList.toggle('failed', failed);
    const words = last || message ? t[shown] + (failed ? `: ${t[message.code] ?? message.code}` : '') : '';
    const act = (label, click) => h('button', { type: 'button', click }, label);
    const late = client.late && shown === 'waiting';
    if (line.dataset.of !== words + late) {
      line.dataset.of = words + late;
      line.replaceChildren(words, held ? h('span', { 'aria-hidden': 'true' }) : '');
      if (late || (failed && !FINAL.includes(message.code))) line.append(act(failed ? t.retry : t.now, () => client.retry(message)));
      if (failed) line.append(act(t.remove, () => client.remove(message)));
    }
    if (held) line.lastChild.textContent = until(held, lang);
  }

  /** Further down, when the end of what is drawn is in sight. */
  #scrolled = () => {
    const { log, newest } = this.#ui;
    const below = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    this.#pinned = below && this.#whole;
    newest.hidden = this.#pinned;
    if (below && !this.#whole) {
      this.#top = this.#drawn + STEP;
      this.#later();
    }
  };

  #bottom() {
    const { log } = this.#ui;
    log.scrollTop = log.scrollHeight;
  }
}

/** A message on its way, as the entry it will be. */
function sketch(message) {
  return { id: message.id, author: 'user', at: message.at / 1000, text: message.title, message };
}

/** For each entry what the visitor said next; `reply` is what they said after all of them. */
function repliesTo(entries, reply) {
  return entries.map((_, index) => {
    const said = reply;
    const entry = entries[entries.length - 1 - index];
    if (entry.author === 'user') reply = entry.text;
    return said;
  }).reverse();
}

/** "In 8 sec." */
function until(seconds, lang) {
  const format = new Intl.RelativeTimeFormat(lang, { style: 'short' });
  return seconds > 90 ? format.format(Math.ceil(seconds / 60), 'minute') : format.format(seconds, 'second');
}

const dayOf = ({ at }) => new Date(at * 1000).toDateString();

/** "Today", "Yesterday", or the date. */
function dayName(day, locale) {
  const date = new Date(day);
  const ago = Math.round((date - new Date(new Date().toDateString())) / 864e5);
  if (ago < -1) return date.toLocaleDateString(locale, { dateStyle: 'full' });
  const near = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' }).format(ago, 'day');
  return near[0].toLocaleUpperCase(locale) + near.slice(1);
}

/** The children become these nodes, in this order; whatever is in its place is not touched. */
function place(parent, nodes) {
  const kept = new Set(nodes);
  for (const node of [...parent.childNodes]) if (!kept.has(node)) node.remove();
  let next = parent.firstChild;
  for (const node of nodes) {
    if (node === next) next = next.nextSibling;
    else parent.insertBefore(node, next);
  }
}

/** Hidden without words. A live region speaks whenever its text is set, so it is not when it stays the same. */
function say(node, words, action) {
  node.hidden = !words;
  if (node.firstChild?.data !== words) node.replaceChildren(words);
  if (action && words) node.append(action);
}

/** The locale as Intl takes it: pages write en_US, too. */
function spelled(locale) {
  try {
    return Intl.getCanonicalLocales(locale.replaceAll('_', '-'))[0];
  } catch {
    return navigator.language;
  }
}

/** What belongs to this tab alone: whether the chat is open, and words not yet sent. */
function tab(key, value) {
  try {
    if (value === null) sessionStorage.removeItem(`frontdesk:${key}`);
    else if (value) sessionStorage.setItem(`frontdesk:${key}`, value);
    return sessionStorage.getItem(`frontdesk:${key}`);
  } catch {
    return null; // storage is forbidden here
  }
}

customElements.define('frontdesk-chat', FrontdeskChat);

const insert = () => document.querySelector('frontdesk-chat') ?? document.body.append(new FrontdeskChat());
if (document.body) insert();
else addEventListener('DOMContentLoaded', insert);
