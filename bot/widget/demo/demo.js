// The demo shop: its goods, the demo customer's orders, and the questions that open the chat.

const chat = document.querySelector('frontdesk-chat');

const GOODS = [
  ['alma-sofa', 'Alma sofa', 'A three-seater in wool fabric', '1190.00'],
  ['fjord-floor-lamp', 'Fjord floor lamp', 'Ash wood and steel, linen shade', '179.00'],
  ['tarn-oak-table', 'Tarn oak table', 'Oiled oak for six', '649.00'],
  ['clover-rug', 'Clover rug', 'Woven by hand from new wool', '189.00'],
  ['copper-kettle', 'Copper kettle', 'Whistles when the water boils', '74.00'],
  ['ember-cast-iron-pan', 'Ember cast-iron pan', 'Ready seasoned, for all hobs', '79.00'],
  ['lumen-pendant', 'Lumen pendant', 'A ball of opal glass', '129.00'],
  ['alma-armchair', 'Alma armchair', 'Same wool fabric as the sofa', '590.00'],
  ['cove-towel-set', 'Cove towel set', 'Organic cotton, four pieces', '29.40'],
  ['brook-bookshelf', 'Brook bookshelf', 'Oak veneer, five shelves', '349.00'],
  ['heron-desk', 'Heron desk', 'A drawer and a cable tray', '329.00'],
  ['heron-chair', 'Heron chair', 'A swivel chair with a wool felt pad', '189.00'],
  ['marsh-bed', 'Marsh bed', 'Solid oak, slats included', '790.00'],
  ['bramble-bed-linen', 'Bramble bed linen', 'European flax, washed soft', '119.00'],
  ['pebble-dinner-set', 'Pebble dinner set', 'Stoneware for four', '96.00'],
  ['dune-wine-glasses', 'Dune wine glasses', 'Four, in crystal glass', '54.00'],
  ['sage-planter', 'Sage planter', 'Light clay that withstands frost', '34.00'],
  ['juniper-garden-chair', 'Juniper garden chair', 'Folds flat, sold in pairs', '119.00'],
  ['hazel-chopping-board', 'Hazel chopping board', 'Walnut, with a juice groove', '39.00'],
  ['sorrel-blanket', 'Sorrel blanket', 'Lambswool with fringes', '89.00'],
];

const STATES = {
  placed: 'Placed',
  packed: 'Packed',
  shipped: 'On its way',
  delivered: 'Delivered',
  returned: 'Returned',
  cancelled: 'Cancelled',
};

/** What one would ask about an order in that state. */
const QUESTIONS = {
  placed: (number) => ['Change the address', `I want to change the delivery address of order ${number}`],
  packed: (number) => ['Where is it?', `Where is my order ${number}?`],
  shipped: (number) => ['Where is it?', `Where is my order ${number}?`],
  delivered: (number) => ['Send it back', `I want to return something from order ${number}`],
  returned: (number) => ['Where is my money?', `Where is my refund for order ${number}?`],
  cancelled: (number) => ['Where is my money?', `Where is my refund for order ${number}?`],
};
const WARRANTY_DAYS = 60;

function make(tag, props = {}, ...children) {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children);
  return node;
}

const day = (iso) => new Date(iso).toLocaleDateString('en', { day: 'numeric', month: 'long', year: 'numeric' });
const slug = (name) => name.toLowerCase().replaceAll(' ', '-');
const picture = (name) =>
  make('img', { src: `/demo/products/${slug(name)}.svg`, alt: '', width: 400, height: 300, loading: 'lazy' });

/** A line as the shop gives it: a text, or a product and how many. */
function line(item) {
  const product = item.product ?? String(item).replace(/^\d+ x /, '');
  const quantity = item.quantity ?? Number(/^(\d+) x /.exec(item)?.[1] ?? 1);
  return { product, text: quantity > 1 ? `${quantity} × ${product}` : product };
}

function note(order) {
  if (order.note) return order.note;
  if (order.delivered_on) return `Delivered on ${day(order.delivered_on)}`;
  return order.due_on && order.state === 'shipped' ? `Arrives on ${day(order.due_on)}` : '';
}

function question(order, state) {
  const old = order.delivered_on && Date.now() - new Date(order.delivered_on) > WARRANTY_DAYS * 864e5;
  if (old) return ['Something broke', `Something from order ${order.number} broke, is it under warranty?`];
  return QUESTIONS[state]?.(order.number);
}

function card(order) {
  const state = order.status ?? order.state;
  const items = order.items.map(line);
  const placed = order.placed ?? order.placed_on;
  const [label, words] = question(order, state) ?? [];
  return make(
    'li',
    { className: 'order' },
    make('div', { className: 'thumbs' }, ...items.map(({ product }) => picture(product))),
    make(
      'div',
      { className: 'facts' },
      make('h3', {}, order.number, make('span', { className: `state ${state}` }, STATES[state] ?? state)),
      make('p', {}, items.map(({ text }) => text).join(', ')),
      make('p', { className: 'quiet' }, [placed && `Ordered on ${day(placed)}`, note(order)].filter(Boolean).join(' · ')),
    ),
    make(
      'div',
      { className: 'sum' },
      make('strong', {}, order.total),
      ...(label ? [make('button', { className: 'small', onclick: () => chat.ask(words) }, label)] : []),
    ),
  );
}

async function showOrders() {
  const list = document.querySelector('#order-list');
  try {
    const response = await fetch('/demo/orders', { signal: AbortSignal.timeout(10_000) });
    if (!response.ok) throw new Error(response.statusText);
    const { customer, orders } = await response.json();
    document.querySelector('#customer').textContent =
      `You are signed in as ${customer.name}, ${customer.email}. The assistant knows that, too.`;
    list.replaceChildren(...orders.map(card));
  } catch {
    list.replaceChildren(
      make(
        'li',
        { className: 'loading' },
        'Your orders are taking a break. The assistant is still there; ask it about anything else.',
      ),
    );
  }
  list.removeAttribute('aria-busy');
}

function showGoods() {
  const tile = ([, name, about, price]) => {
    const words = `Is the ${name} in stock?`;
    return make(
      'li',
      { className: 'good' },
      picture(name),
      make('h3', {}, name),
      make('p', { className: 'quiet' }, about),
      make('p', { className: 'price' }, `${price} EUR`),
      make('button', { className: 'small', ariaLabel: words, onclick: () => chat.ask(words) }, 'Is it in stock?'),
    );
  };
  document.querySelector('#goods').append(...GOODS.map(tile));
}

for (const button of document.querySelectorAll('[data-ask]')) {
  button.addEventListener('click', () => (button.dataset.ask ? chat.ask(button.dataset.ask) : (chat.open = true)));
}
showGoods();
showOrders();
