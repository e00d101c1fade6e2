// How one message looks: made once, then kept up to date.

import { h, icon, link, markdown, safeUrl } from './dom.js';

const BOOK = 'M4 5a2 2 0 0 1 2-2h14v18H6a2 2 0 0 1-2-2zm0 14a2 2 0 0 1 2-2h14M9 8h6';
const THUMB = 'M7 11v9H4v-9zm0 0 4-8c1.5 2 2 1 2 2.5V9h5.500a2 2 0 0 1 2 2.4l-1.2 7a2 2 0 0 1-2 1.6H7';

/**
 * What an entry needs to know of its widget.
 * @typedef {{t: any, base: string, name: string, clock: Intl.DateTimeFormat,
 *   press: (entry: import('./client.js').Entry, title: string, button: number, card?: number) => void,
 *   rate: (seq: number, value: 'up' | 'down' | 'none') => void}} Setting
 */

/** @param {import('./client.js').Entry} entry @param {Setting} setting */
export function draw(entry, setting) {
  const { t, base } = setting;
  if (entry.author === 'system') return row(entry, h('div', { class: 'said', dir: 'auto' }, markdown(entry.text, base)));
  const mine = entry.author === 'user';
  const words = (mine && entry.text[0] === '/' && t[entry.text]) || entry.text; // a command reads like its button
  const said = words && h('div', { class: 'said', dir: 'auto' }, mine ? words : markdown(words, base));
  const who = h('span', { class: 'sr' }, `${mine ? t.you : setting.name}: `);
  if (mine) return row(entry, who, said, meta(entry, setting));
  return row(
    entry,
    who,
    said,
    picture(entry.image, t.picture, base),
    entry.cards?.length && h('div', { class: 'cards', role: 'list', tabindex: 0 }, ...entry.cards.map(card(entry, setting))),
    choices(entry, entry.buttons, setting),
    meta(entry, setting),
  );
}

function row(entry, ...children) {
  return h('div', { class: `row ${entry.author}` }, ...children.map((child) => child || null));
}

function picture(image, alt, base) {
  const src = safeUrl(image, base);
  return src && link(src, base, { class: 'picture' }, h('img', { src, alt, loading: 'lazy' }));
}

const card = (entry, setting) => (data, index) => {
  const src = safeUrl(data.image, setting.base);
  return h(
    'div',
    { class: 'card', role: 'listitem', dir: 'auto' },
    src && h('img', { src, alt: data.title, loading: 'lazy' }),
    h('strong', {}, data.url ? link(data.url, setting.base, {}, data.title) : data.title),
    data.subtitle && h('span', {}, data.subtitle),
    choices(entry, data.buttons, setting, index),
  );
};

function choices(entry, titles, { t, press }, card) {
  if (!titles?.length) return null;
  const buttons = titles.map((title, button) =>
    h('button', { type: 'button', class: 'choice', dir: 'auto', click: () => press(entry, title, button, card) }, title),
  );
  return h('div', { class: 'choices', role: 'group', 'aria-label': t.choices }, ...buttons);
}

function meta(entry, { t, base, clock, rate }) {
  const at = new Date(entry.at * 1000);
  const thumb = (value) =>
    h(
      'button',
      {
        type: 'button',
        class: `thumb ${value}`,
        title: t[value],
        'aria-label': t[value],
        'aria-pressed': 'false',
        click: ({ currentTarget }) => rate(entry.seq, currentTarget.ariaPressed === 'true' ? 'none' : value),
      },
      icon(THUMB),
    );
  return h(
    'div',
    { class: 'meta' },
    entry.source &&
      h(
        'span',
        { class: 'source' },
        icon(BOOK),
        h('span', { dir: 'auto' }, t.source),
        link(entry.source.url, base, { dir: 'auto' }, entry.source.title),
      ),
    h('time', { datetime: at.toISOString() }, clock.format(at)),
    h('span', { class: 'state' }),
    entry.rateable && h('span', { class: 'thumbs' }, thumb('up'), thumb('down')),
  );
}

/**
 * The parts that change: which choice was taken, whether choices still stand, the thumbs.
 * @param {HTMLElement} node @param {string | undefined} reply what the customer said next @param {string | undefined} vote
 */
export function update(node, reply, vote) {
  for (const button of node.querySelectorAll('button.choice')) {
    const pressed = button.textContent === reply;
    button.setAttribute('aria-pressed', String(pressed));
    button.toggleAttribute('disabled', pressed || (reply !== undefined && !button.closest('.card')));
  }
  for (const value of ['up', 'down']) {
    node.querySelector(`.thumb.${value}`)?.setAttribute('aria-pressed', String(vote === value));
  }
}
