// <frontdesk-chat>: the chat on a page. docs/widget.md tells how to use it and how to dress it.

import { Client } from './client.js';
import { h, icon } from './dom.js';
import { draw, update } from './entry.js';
import { sheet } from './style.js';
import { direction, texts } from './texts.js';

const BUBBLE = 'M12 4c5 0 9 3.3 9 7.5S17 19 12 19q-1.6 0-3-.4L4.5 20.5 5.6 16.8C4 15.4 3 13.5 3 11.5 3 7.3 7 4 12 4z';
const CROSS = 'M6 6l12 12M18 6L6 18';
const DOWN = 'M6 9.5l6 6 6-6';
const ARROW = 'M5 12h13M12.5 6l6 6-6 6';
const SERVICE = new URL('..', import.meta.url).href;
const PHONE = matchMedia('(max-width: 480px), (max-height: 420px)');
const TOUCH = matchMedia('(pointer: coarse)');
const GROUP = 300; // seconds within which messages of one author stand together

export class FrontdeskChat extends HTMLElement {
  static observedAttributes = ['server', 'title', 'locale', 'open', 'greeting'];

  /** @type {Client | null} */
  #client = null;
  #nodes = new Map();
  #ui = /** @type {Record<string, any>} */ ({});
  #pinned = true;
  #opener = null;
  #unread = 0;
  #due = false;

  get open() {
    return this.hasAttribute('open');
  }

  set open(open) {
    this.toggleAttribute('open', open);
  }

  /** Opens the chat and sends this as the visitor's words. @param {string} text */
  ask(text) {
    this.open = true;
    this.#say(text);
  }

  connectedCallback() {
    const locale = this.getAttribute('locale') || document.documentElement.lang || navigator.language;
    const [t, lang] = texts(locale);
    const base = new URL(this.getAttribute('server') || SERVICE, location.href).href;
    const page = location.origin + location.pathname;
    this.#client = new Client(base, { locale, page }, () => this.#later());
    this.setting = { t, base, locale, name: '', press: this.#press, rate: (seq, value) => this.#client.rate(seq, value) };
    this.#nodes.clear();
    this.#build(t, lang, direction(locale));
    PHONE.addEventListener('change', this.#reopen);
    visualViewport?.addEventListener('resize', this.#fit);
    visualViewport?.addEventListener('scroll', this.#fit);
    const stayed = remember('open') && !PHONE.matches;
    if (stayed && !this.open) this.open = true;
    else if (this.open) this.#show(false);
    else if (this.#client.known) this.#client.connect();
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
    if (name === 'open') {
      if ((before == null) === (now == null)) return;
      if (this.open) this.#show(true);
      else this.#hide();
    } else if (name === 'server' || name === 'locale') {
      this.disconnectedCallback();
      this.connectedCallback();
    } else {
      this.#later();
    }
  }

  // --- the parts that stay ---

  #build(t, lang, dir) {
    const root = this.shadowRoot ?? this.attachShadow({ mode: 'open' });
    root.adoptedStyleSheets = [sheet];
    const button = (label, click, ...children) =>
      h('button', { type: 'button', click, ...label }, ...children);
    const named = (label, className) => ({ 'aria-label': label, class: className });
    const ui = (this.#ui = {
      badge: h('span', { class: 'badge', 'aria-hidden': 'true' }),
      news: h('p', { class: 'sr', role: 'status' }),
      face: h('span', { class: 'face', 'aria-hidden': 'true' }),
      name: h('h2', { id: 'name' }),
      owner: h('p', { class: 'owner', role: 'status' }),
      notice: h('p', { class: 'notice', role: 'status' }),
      list: h('div', { class: 'list' }),
      greeting: h('div', { class: 'row bot' }, h('p', { class: 'said', dir: 'auto' })),
      earlier: button({ class: 'earlier' }, () => this.#client.earlier(), t.earlier),
      typing: h('div', { class: 'typing' }, h('span', { class: 'sr' }), h('i'), h('i'), h('i')),
      newer: button({ class: 'newer' }, () => this.#bottom(), t.newer, ' ↓'),
      text: h('textarea', {
        rows: 1,
        placeholder: t.write,
        'aria-label': t.write,
        'aria-describedby': 'count',
        enterkeyhint: 'send',
        dir: 'auto',
        input: () => this.#grow(),
        keydown: (event) => this.#key(event),
      }),
      send: h('button', { class: 'send', 'aria-label': t.send, pointerdown: (event) => event.preventDefault() }, icon(ARROW)),
      count: h('p', { class: 'count', id: 'count' }),
      human: button({}, () => this.#client.send({ command: 'human' }), t.human),
      restart: button({}, () => this.#client.send({ command: 'restart' }), t.restart),
    });
    ui.launcher = button({ class: 'launcher', 'aria-haspopup': 'dialog' }, () => (this.open = !this.open));
    ui.log = h(
      'div',
      { class: 'log', role: 'log', 'aria-live': 'polite', 'aria-label': t.log, tabindex: 0, scroll: () => this.#scrolled() },
      ui.list,
    );
    ui.log.addEventListener('load', () => this.#pinned && this.#bottom(), true); // a picture arrived
    ui.panel = h(
      'dialog',
      { class: 'panel', role: 'dialog', 'aria-labelledby': 'name', tabindex: -1, close: () => (this.open = false) },
      h('header', {}, ui.face, h('div', {}, ui.name, ui.owner), button(named(t.close, 'tool'), () => (this.open = false), icon(DOWN))),
      ui.notice,
      ui.log,
      h(
        'div',
        { class: 'foot' },
        ui.newer,
        h('form', { submit: (event) => this.#submit(event) }, ui.text, ui.send),
        ui.count,
        h('div', { class: 'exits' }, ui.human, ui.restart),
      ),
    );
    // An empty title keeps the element's own from showing as a tooltip over everything.
    const whole = h('div', { class: 'root', lang, dir, title: '', keydown: this.#escape }, ui.launcher, ui.news, ui.panel);
    root.replaceChildren(whole);
    ui.text.value = remember('draft') ?? '';
  }

  // --- opening and closing ---

  /** On a phone it fills the screen and keeps the focus; elsewhere the page beside it stays in use. */
  #show(focus) {
    const { panel, text, log } = this.#ui;
    const opener = document.activeElement;
    this.#opener = opener === document.body ? null : opener;
    if (PHONE.matches) panel.showModal();
    else panel.show();
    this.#client.connect();
    this.#fit();
    this.#grow();
    if (focus) (TOUCH.matches ? log : text).focus();
    else this.#opener?.focus();
    remember('open', true);
    this.#pinned = true;
    this.#render();
  }

  #hide() {
    const inside = this.shadowRoot.activeElement;
    this.#ui.panel.close();
    remember('open', null);
    const opener = this.#opener;
    if (inside) (opener?.isConnected && opener !== this ? opener : this.#ui.launcher).focus();
    this.#render();
  }

  #reopen = () => {
    if (!this.open) return;
    this.#ui.panel.removeAttribute('open'); // close() would tell that the visitor closed it
    this.#ui.panel[PHONE.matches ? 'showModal' : 'show']();
    this.#fit();
  };

  /** The keyboard of a phone covers a part of the page; the chat is what it leaves. */
  #fit = () => {
    const phone = PHONE.matches && visualViewport;
    this.#ui.panel.style.height = phone ? `${visualViewport.height}px` : '';
    this.#ui.panel.style.top = phone ? `${visualViewport.offsetTop}px` : '';
    if (this.#pinned) this.#bottom();
  };

  #escape = (event) => {
    if (event.key !== 'Escape' || event.isComposing || !this.open) return;
    event.preventDefault();
    event.stopPropagation();
    this.open = false;
  };

  // --- writing ---

  #key(event) {
    // 229: Safari ends a composition before it reports the Enter that ended it
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    this.#submit(event);
  }

  #submit(event) {
    event.preventDefault();
    const { text, send } = this.#ui;
    if (send.disabled) return;
    this.#say(text.value);
    text.value = '';
    this.#grow();
    text.focus();
  }

  #say(words) {
    const text = words.trim();
    if (!text) return;
    this.#pinned = true;
    this.#client.send({ text }, text);
  }

  #press = (entry, title, button, card) => {
    this.#pinned = true;
    this.#client.send({ press: { seq: entry.seq, button, ...(card == null ? {} : { card }) } }, title);
    this.#ui[TOUCH.matches ? 'log' : 'text'].focus();
  };

  #grow() {
    const { text, send, count } = this.#ui;
    const { limit } = this.#client;
    const length = [...text.value.trim()].length;
    text.style.height = '';
    text.style.height = `${text.scrollHeight}px`;
    send.disabled = !length || length > limit;
    count.hidden = length < limit * 0.9;
    count.textContent = count.hidden ? '' : this.setting.t.count(length, limit);
    count.classList.toggle('over', length > limit);
    text.setAttribute('aria-invalid', length > limit);
    remember('draft', text.value || null);
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
    const { t } = this.setting;
    const ui = this.#ui;
    const client = this.#client;
    const name = this.getAttribute('title') || client.name || t.chat;
    this.setting.name = name;
    ui.name.textContent = name;
    ui.face.textContent = [...name][0].toUpperCase();
    say(ui.owner, client.owner === 'queue' && client.position ? t.position(client.position) : t[client.owner]);
    ui.human.hidden = client.owner !== 'bot';
    ui.typing.firstChild.textContent = `${name} ${t.typing}`;
    this.#notice(t, client);
    this.#list(t, client);
    if (this.open && !document.hidden) client.see();
    this.#count(t, client.unread);
  }

  #count(t, unread) {
    const { launcher, badge, news } = this.#ui;
    const label = this.open ? t.close : t.open;
    launcher.setAttribute('aria-expanded', this.open);
    launcher.setAttribute('aria-label', unread ? `${label}, ${t.unread(unread)}` : label);
    launcher.replaceChildren(icon(this.open ? CROSS : BUBBLE), ...(unread ? [badge] : []));
    badge.textContent = unread > 99 ? '99+' : unread;
    say(news, unread > this.#unread ? t.unread(unread) : unread ? news.textContent : '');
    this.#unread = unread;
  }

  #notice(t, client) {
    const { notice } = this.#ui;
    const { code, message } = client.notice ?? { code: client.late ? 'late' : '' };
    const words = code && (t[code] ?? message ?? t.late);
    if (words === notice.dataset.words) return;
    notice.dataset.words = words;
    notice.hidden = !words;
    const again = client.late && h('button', { type: 'button', click: () => client.connect() }, t.now);
    notice.replaceChildren(words, ...(again ? [again] : []));
  }

  #list(t, client) {
    const { log, list, greeting, earlier, typing, newer } = this.#ui;
    const nodes = [];
    const kept = new Map();
    const keep = (key, make) => {
      const node = this.#nodes.get(key) ?? make();
      kept.set(key, node);
      nodes.push(node);
      return node;
    };
    const written = client.outbox.filter((message) => !('command' in message.body)).map((message) => ({ message, ...sketch(message) }));
    const shown = [...client.entries, ...written].filter((entry) => entry.author !== 'user' || entry.text);
    const replies = repliesTo(shown);
    const { votes } = client;
    const fromEnd = log.scrollHeight - log.scrollTop;
    const prepended = this.first > client.first;
    this.first = client.first;

    if (client.first > 1 && !client.exhausted && client.ready) nodes.push(earlier);
    if (!shown.length && !client.loading && (client.ready || !client.known)) nodes.push(greeting);
    greeting.firstChild.textContent = this.getAttribute('greeting') || t.greeting;
    shown.forEach((entry, index) => {
      const before = shown[index - 1];
      const day = new Date(entry.at * 1000).toDateString();
      const newDay = !before || day !== new Date(before.at * 1000).toDateString();
      if (newDay) keep(`day ${day}`, () => h('p', { class: 'day' }, dayName(entry.at, this.setting.locale)));
      const node = keep(entry.id ?? entry.seq, () => draw(entry, this.setting));
      const after = shown[index + 1];
      const together = (one, other) => one?.author === other?.author && Math.abs(one.at - other.at) < GROUP;
      node.classList.toggle('next', !newDay && together(entry, before));
      update(node, replies[index], votes[entry.seq]?.[0]);
      this.#state(t, client, node, entry.message, !after || (entry.author === 'user' && !shown.slice(index + 1).some((one) => one.author === 'user')));
    });
    if (client.typing) nodes.push(typing);
    this.#nodes = kept;

    log.setAttribute('aria-live', client.loading || prepended ? 'off' : 'polite');
    const grew = place(list, nodes);
    if (prepended) log.scrollTop = log.scrollHeight - fromEnd;
    else if (this.#pinned) this.#bottom();
    newer.hidden = this.#pinned || !(grew || !newer.hidden);
  }

  /** What became of a message the customer wrote, under it. */
  #state(t, client, node, message, last) {
    const place = node.querySelector('.state');
    if (!place) return;
    let [state, words, action] = ['', node.matches('.user') && last ? t.sent : '', null];
    if (message) {
      state = message.state === 'sent' ? '' : message.state === 'failed' ? 'failed' : 'pending';
      words = t[message.state === 'waiting' && client.ready ? 'sending' : message.state];
      if (state === 'failed') words += `: ${t[message.code] ?? t.id_conflict}`;
      if (message.state === 'waiting' && client.late) action = t.now;
      if (state === 'failed') action = t.retry;
    }
    node.classList.toggle('pending', state === 'pending');
    node.classList.toggle('failed', state === 'failed');
    if (place.dataset.words === `${words}${action}`) return;
    place.dataset.words = `${words}${action}`;
    const button = (label, click) => label && h('button', { type: 'button', click }, label);
    place.replaceChildren(
      words,
      button(action, () => client.retry(message)) || '',
      button(state === 'failed' && t.remove, () => client.remove(message)) || '',
    );
  }

  #scrolled() {
    const { log, newer } = this.#ui;
    this.#pinned = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    if (this.#pinned) newer.hidden = true;
  }

  #bottom() {
    const { log, newer } = this.#ui;
    log.scrollTop = log.scrollHeight;
    newer.hidden = true;
  }
}

/** A message on its way, drawn as the entry it will be. */
function sketch({ id, at, title }) {
  return { id, seq: 0, author: 'user', at: at / 1000, text: title };
}

/** For each entry what the customer said next. */
function repliesTo(entries) {
  let reply;
  const replies = [];
  for (let index = entries.length - 1; index >= 0; index--) {
    replies[index] = reply;
    if (entries[index].author === 'user') reply = entries[index].text;
  }
  return replies;
}

/** "Today", "Yesterday", or the date. */
function dayName(at, locale) {
  const day = new Date(at * 1000);
  const ago = Math.round((new Date(day.toDateString()) - new Date(new Date().toDateString())) / 864e5);
  const near = ago > -2 && new Intl.RelativeTimeFormat(locale, { numeric: 'auto' }).format(ago, 'day');
  return near ? near[0].toLocaleUpperCase() + near.slice(1) : day.toLocaleDateString(locale, { dateStyle: 'full' });
}

/** Children become these nodes, in this order; whatever is in its place is not touched. Tells whether one was added. */
function place(parent, nodes) {
  const wanted = new Set(nodes);
  for (const node of [...parent.childNodes]) if (!wanted.has(node)) node.remove();
  let next = parent.firstChild;
  let grew = false;
  for (const node of nodes) {
    if (node === next) {
      next = next.nextSibling;
    } else {
      grew ||= !node.parentNode;
      parent.insertBefore(node, next);
    }
  }
  return grew;
}

/** A live region speaks when its text changes, so it is left alone when it does not. */
function say(node, words) {
  if (node.textContent !== words) node.textContent = words;
}

/** What belongs to this tab alone: whether the chat is open, and words not sent. */
function remember(key, value) {
  try {
    const name = `frontdesk:${key}`;
    if (value === null) sessionStorage.removeItem(name);
    else if (value !== undefined) sessionStorage.setItem(name, value);
    return sessionStorage.getItem(name);
  } catch {
    return null;
  }
}

customElements.define('frontdesk-chat', FrontdeskChat);

function insert() {
  if (!document.querySelector('frontdesk-chat')) document.body.append(document.createElement('frontdesk-chat'));
}
if (document.readyState === 'loading') addEventListener('DOMContentLoaded', insert);
else insert();
