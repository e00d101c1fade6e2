// How it looks. Every colour and measure comes from a custom property that the page may set; docs/widget.md lists them.

const dark = `
  --a: var(--frontdesk-accent, #9ccfb8);
  --on: var(--frontdesk-on-accent, #10251d);
  --bg: var(--frontdesk-background, #1b1c1a);
  --soft: var(--frontdesk-surface, #2a2c29);
  --ink: var(--frontdesk-text, #f0ede6);
  --mute: var(--frontdesk-muted, #b0aba0);
  --line: var(--frontdesk-border, #3d403b);
  --bad: #f4a896;
  color-scheme: dark;
`;

export const sheet = new CSSStyleSheet();
sheet.replaceSync(`
:host {
  all: initial;
  --a: var(--frontdesk-accent, #2c5f4f);
  --on: var(--frontdesk-on-accent, #fff);
  --bg: var(--frontdesk-background, #fffdf9);
  --soft: var(--frontdesk-surface, #f3efe7);
  --ink: var(--frontdesk-text, #25231f);
  --mute: var(--frontdesk-muted, #686258);
  --line: var(--frontdesk-border, #e3ddd1);
  --bad: #a3341f;
  --r: var(--frontdesk-radius, 20px);
  --edge: var(--frontdesk-inset, 20px);
  color-scheme: light;
}
@media (prefers-color-scheme: dark) { :host(:not([color-scheme=light])) {${dark}} }
:host([color-scheme=dark]) {${dark}}
:host([hidden]) { display: none; }

* { box-sizing: border-box; }
.root {
  font: 15px/1.5 var(--frontdesk-font, system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif);
  color: var(--ink);
}
button, textarea { font: inherit; color: inherit; }
button { border: 0; padding: 0; background: none; cursor: pointer; }
button:disabled { cursor: default; }
a { color: var(--a); }
svg {
  width: 20px;
  height: 20px;
  fill: none;
  stroke: currentColor;
  stroke-width: 1.75;
  stroke-linecap: round;
  stroke-linejoin: round;
}
:focus-visible { outline: 2px solid var(--a); outline-offset: 2px; }
[hidden] { display: none !important; }
.sr { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

.launcher, .face, .hide, .send, .thumb {
  display: grid;
  place-items: center;
  flex: none;
  width: 38px;
  height: 38px;
  border-radius: 50%;
}
.launcher, .face, .send:enabled, .user .said, .choice:is(:hover:enabled, [aria-pressed=true]) {
  background: var(--a);
  color: var(--on);
}
.said, .typing, .notice, .send, .card img { background: var(--soft); }
.owner, .day, .meta, .count, .hide, .send, .exits button, .system .said, .card > span { color: var(--mute); }
.owner, .notice, .day, .count, .card > span, .system .said, .earlier, .newest, .exits button { margin: 0; font-size: 13px; }
.earlier, .newest, .exits button { padding: 4px 14px; border-radius: 99px; }
:is(.hide, .thumb, .earlier, .exits button):hover { background: var(--soft); color: var(--ink); }

.launcher, .panel {
  position: fixed;
  z-index: var(--frontdesk-layer, 2147483000);
  inset: auto;
  inset-inline-end: max(var(--edge), env(safe-area-inset-right));
}
:host([position=start]) :is(.launcher, .panel) { inset-inline: max(var(--edge), env(safe-area-inset-left)) auto; }
.launcher {
  inset-block-end: max(var(--edge), env(safe-area-inset-bottom));
  width: 58px;
  height: 58px;
  box-shadow: 0 1px 2px #0003, 0 8px 24px #0003;
}
.launcher svg { width: 26px; height: 26px; }
.badge {
  position: absolute;
  inset: -3px -3px auto auto;
  min-width: 22px;
  padding: 0 6px;
  border-radius: 11px;
  background: #b3261e;
  color: #fff;
  font-size: 12px;
  font-weight: 600;
  line-height: 22px;
}

.panel {
  inset-block-end: calc(max(var(--edge), env(safe-area-inset-bottom)) + 72px);
  width: min(var(--frontdesk-width, 392px), 100vw - 2 * var(--edge));
  height: min(var(--frontdesk-height, 660px), 100vh - 112px);
  max-width: none;
  max-height: none;
  margin: 0;
  padding: 0;
  border: 1px solid var(--line);
  border-radius: var(--r);
  background: var(--bg);
  color: inherit;
  box-shadow: 0 2px 6px #0000000f, 0 24px 60px -12px #00000047;
  overflow: hidden;
}
.panel[open] { display: flex; flex-direction: column; animation: rise .2s ease-out; }
@keyframes rise { from { opacity: 0; transform: translateY(8px); } }
@keyframes dot { 30% { opacity: 1; transform: translateY(-3px); } }

header { display: flex; align-items: center; gap: 12px; padding: 14px 16px; border-bottom: 1px solid var(--line); }
header div { flex: 1; min-width: 0; }
.face { font-weight: 600; text-transform: uppercase; }
h2 {
  margin: 0;
  font-size: 16px;
  line-height: 1.3;
  font-weight: 600;
  overflow: hidden;
  text-overflow: ellipsis;
  white-space: nowrap;
}
.notice { padding: 8px 16px; }
/* words of another direction than the page's keep their full stop at their end */
.owner, .notice, .count, .state { unicode-bidi: plaintext; }
[dir=rtl] :is(.owner, .notice) { text-align: right; }
:is(.notice, .state) button { margin-inline-start: 6px; color: var(--a); font-weight: 600; text-decoration: underline; }

.log { flex: 1; overflow: hidden auto; overscroll-behavior: contain; overflow-anchor: none; padding: 16px; }
.log:focus-visible { outline-offset: -3px; }
.list { display: flex; flex-direction: column; min-height: 100%; }
.list::before { content: ''; flex: 1; }
.list > :is(.day, .earlier) { align-self: center; margin-top: 12px; }
.earlier { color: var(--a); font-weight: 600; }

.row {
  display: flex;
  flex-direction: column;
  align-items: flex-start;
  gap: 6px;
  margin-top: 14px;
  animation: rise .2s ease-out;
}
.row.next { margin-top: 6px; }
.row:has(+ .next) time { display: none; }
.row.user { align-items: flex-end; }
.row.system { align-items: center; }
.said {
  max-width: 86%;
  padding: 9px 14px;
  border: 1px solid transparent;
  border-radius: 18px;
  border-end-start-radius: 6px;
  overflow-wrap: anywhere;
  white-space: pre-wrap;
}
.user .said { border-end-start-radius: 18px; border-end-end-radius: 6px; }
.system .said { padding: 0; background: none; text-align: center; }
.said :is(p, ul, ol, pre) { margin: 0; }
.said * + :is(p, ul, ol, pre) { margin-top: 8px; }
.said :is(ul, ol) { padding-inline-start: 20px; white-space: normal; }
code { font: .9em ui-monospace, Menlo, Consolas, monospace; }
pre { white-space: inherit; }

.picture { max-width: 86%; }
.picture img { display: block; max-width: 100%; max-height: 260px; min-height: 40px; border-radius: 14px; }
.cards {
  display: flex;
  gap: 10px;
  max-width: calc(100% + 32px);
  margin-inline: -16px;
  padding: 2px 16px 8px;
  overflow-x: auto;
}
.card {
  display: flex;
  flex-direction: column;
  flex: none;
  width: 212px;
  padding-bottom: 12px;
  border: 1px solid var(--line);
  border-radius: 16px;
  overflow: hidden;
  overflow-wrap: anywhere;
}
.card img { width: 100%; aspect-ratio: 3 / 2; object-fit: cover; }
.card > :not(img) { margin: 0 14px; }
.card strong { margin-top: 10px; font-weight: 600; }
.card strong a { color: inherit; }
.card .choices { margin-top: auto; padding-top: 10px; }
.choices { display: flex; flex-wrap: wrap; gap: 8px; }
.choice {
  padding: 6px 14px;
  border: 1px solid var(--a);
  border-radius: 18px;
  color: var(--a);
  font-size: 14px;
  font-weight: 500;
  text-align: start;
  overflow-wrap: anywhere;
}
.choice:disabled:not([aria-pressed=true]) { border-color: var(--line); color: var(--mute); }

.meta { display: flex; flex-wrap: wrap; align-items: center; gap: 2px 10px; padding: 0 4px; font-size: 12px; }
.source { display: flex; align-items: center; gap: 5px; width: 100%; }
.meta svg { flex: none; width: 16px; height: 16px; }
.state:empty { display: none; }
.failed .state, .count.over { color: var(--bad); }
.thumbs { display: flex; }
.thumb { width: 28px; height: 28px; }
.thumb[aria-pressed=true] { background: var(--soft); color: var(--a); }
.thumb[aria-pressed=true] svg { fill: currentColor; fill-opacity: .25; }
.down svg { transform: rotate(180deg); }

.typing {
  display: flex;
  align-self: flex-start;
  gap: 4px;
  margin-top: 14px;
  padding: 14px;
  border-radius: 18px;
  border-end-start-radius: 6px;
}
.typing i {
  width: 7px;
  height: 7px;
  border-radius: 50%;
  background: var(--mute);
  opacity: .45;
  animation: dot 1.2s infinite;
}
.typing i + i { animation-delay: .15s; }
.typing i + i + i { animation-delay: .3s; }

footer { position: relative; padding: 10px 12px max(8px, env(safe-area-inset-bottom)); border-top: 1px solid var(--line); }
.newest {
  position: absolute;
  inset-block-end: calc(100% + 10px);
  inset-inline: 0;
  width: max-content;
  margin: auto;
  background: var(--ink);
  color: var(--bg);
}
form { display: flex; align-items: flex-end; padding: 3px; border: 1px solid var(--line); border-radius: 22px; }
form:focus-within { border-color: var(--a); box-shadow: 0 0 0 1px var(--a); }
textarea {
  flex: 1;
  height: 38px;
  max-height: 132px;
  padding: 7px 12px;
  border: 0;
  background: none;
  resize: none;
  line-height: 24px;
}
textarea:focus-visible { outline: none; }
textarea::placeholder { color: var(--mute); opacity: 1; }
[dir=rtl] .send svg { transform: scaleX(-1); }
.count { margin: 4px 12px 0; text-align: end; }
.exits { display: flex; justify-content: center; margin-top: 4px; }

@media (max-width: 480px), (max-height: 420px) {
  .panel, :host([position=start]) .panel { inset: 0; width: 100%; height: 100%; border: 0; border-radius: 0; }
  header { padding-top: max(14px, env(safe-area-inset-top)); }
  textarea { font-size: 16px; }
}
@media (prefers-reduced-motion: reduce) {
  * { animation: none !important; }
}
`);
