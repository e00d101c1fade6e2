// Nodes without a parser: everything is made by createElement, and data only ever becomes text or a checked address.

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
