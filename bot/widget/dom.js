// Nodes from data that nobody has checked: made by createElement alone, where data is text or a checked address.

/**
 * @param {string} tag
 * @param {Record<string, any>} [props] attributes; a function listens to the event of that name; null and false are left out
 * @param {...(Node | string | null | undefined | false)} children
 * @returns {any}
 */
export function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === 'function') node.addEventListener(name, value);
    else if (value != null && value !== false) node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.filter((child) => child != null && child !== false && child !== ''));
  return node;
}

const SVG = 'http://www.w3.org/2000/svg';

/** A drawing of one line, on a field of 24 by 24. @param {string} path */
export function icon(path) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  const line = document.createElementNS(SVG, 'path');
  line.setAttribute('d', path);
  svg.append(line);
  return svg;
}

/**
 * The whole address, or null unless it is of a kind that cannot run code.
 * @param {unknown} address
 * @param {string} base relative addresses are the service's, whatever page we are on
 * @param {string[]} [kinds]
 */
export function safeUrl(address, base, kinds = ['http:', 'https:']) {
  try {
    const url = new URL(/** @type {string} */ (address || 'about:blank'), base);
    return kinds.includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/** A link, or its text alone if the address is not one to follow. @param {string} address @param {...any} children */
export function link(address, base, props, ...children) {
  const href = safeUrl(address, base, ['http:', 'https:', 'mailto:']);
  return href ? h('a', { href, target: '_blank', rel: 'noopener', ...props }, ...children) : h('span', props, ...children);
}

// --- the little Markdown that answers use: paragraphs, bold, italics, code, lists and links ---

// One alternative for each thing; bounded, so that no text takes long.
const INLINE = new RegExp(
  [
    /\\([!-/:-@[-`{-~])/, // 1 an escaped sign
    /`([^`\n]{1,999})`/, // 2 code
    /\*\*(?=\S)([^]{0,999}?\S)\*\*/, // 3 bold
    /(?<!\w)__(?=\S)([^]{0,999}?\S)__(?!\w)/, // 4 bold
    /\*(?=[^\s*])([^]{0,999}?[^\s*])\*(?!\*)/, // 5 italics
    /(?<!\w)_(?=[^\s_])([^]{0,999}?[^\s_])_(?!\w)/, // 6 italics
    /!?\[([^\]\n]{1,500})\]\(<?([^\s<>]{1,2000}?)>?(?:\s+"[^"\n]{0,500}")?\)/, // 7 text, 8 address
    /<?(https?:\/\/[^\s<>"]{1,2000}[^\s<>".,;:!?)\]'*_])>?/, // 9 a bare address
  ]
    .map((part) => part.source)
    .join('|'),
  'g',
);
const BULLET = /^\s{0,8}(?:[-*+•]|(\d{1,9})[.)])\s+(.*)$/;

/** @param {string} text @param {string} base @returns {(Node | string)[]} */
function inline(text, base, depth = 0) {
  if (depth > 5) return [text];
  const nodes = [];
  let from = 0;
  for (const match of text.matchAll(INLINE)) {
    const [whole, escaped, code, strong, strong2, em, em2, label, address, bare] = match;
    nodes.push(text.slice(from, match.index));
    from = match.index + whole.length;
    const inside = (part) => inline(part, base, depth + 1);
    if (escaped) nodes.push(escaped);
    else if (code) nodes.push(h('code', {}, code));
    else if (strong ?? strong2) nodes.push(h('strong', {}, ...inside(strong ?? strong2)));
    else if (em ?? em2) nodes.push(h('em', {}, ...inside(em ?? em2)));
    else if (label) nodes.push(link(address, base, {}, ...inside(label)));
    else nodes.push(link(bare, base, {}, bare));
  }
  nodes.push(text.slice(from));
  return nodes;
}

/** Lines of one paragraph, kept as lines. */
function paragraph(lines, base) {
  const nodes = inline(lines.join('\n').replace(/^#{1,6}\s+(.*)$/gm, '**$1**'), base);
  return h('p', {}, ...nodes);
}

/** @param {string} text @param {string} base addresses are relative to it */
export function markdown(text, base) {
  const blocks = document.createDocumentFragment();
  let lines = [];
  let list = null;
  const flush = () => {
    if (lines.length) blocks.append(paragraph(lines, base));
    lines = [];
  };
  const parts = text.replace(/\r\n?/g, '\n').split(/^```.*\n([^]*?)(?:\n?^```[ \t]*$|$(?![^]))/m);
  parts.forEach((part, index) => {
    if (index % 2) return blocks.append(h('pre', {}, h('code', {}, part)));
    for (const line of part.split('\n')) {
      const [, number, item] = line.match(BULLET) ?? [];
      if (item != null) {
        flush();
        const tag = number ? 'OL' : 'UL';
        if (list?.tagName !== tag) blocks.append((list = h(tag, { start: number })));
        list.append(h('li', {}, ...inline(item, base)));
      } else if (list && /^\s{2,}\S/.test(line)) {
        list.lastChild.append(' ', ...inline(line.trim(), base)); // an item over several lines
      } else {
        if (line.trim()) list = null;
        if (line.trim()) lines.push(line);
        else flush();
      }
    }
    flush();
    list = null;
  });
  return blocks;
}
