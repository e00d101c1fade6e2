// The widget's own words, and the direction they are read in.

const en = {
  chat: 'Chat',
  open: 'Open chat',
  close: 'Close chat',
  unread: (n) => (n === 1 ? '1 unread message' : `${n} unread messages`),
  greeting: 'Hello! How can we help you today?',
  log: 'Conversation',
  you: 'You',
  write: 'Write a message',
  send: 'Send',
  '/human': 'Talk to a person',
  '/restart': 'Start over',
  earlier: 'Earlier messages',
  newest: 'Newest messages',
  bot: 'Digital assistant',
  queue: 'Waiting for a person',
  position: (n) => `Waiting for a person, you are number ${n}`,
  agent: 'A person is answering',
  typing: 'is typing',
  sending: 'Sending',
  waiting: 'Waiting for the connection',
  held: 'Waiting, next try ',
  sent: 'Sent',
  failed: 'Not sent',
  now: 'Try now',
  retry: 'Try again',
  remove: 'Remove',
  up: 'Helpful',
  down: 'Not helpful',
  source: 'Source:',
  picture: 'Picture',
  choices: 'Choices',
  count: (n, limit) => `${n} of ${limit} characters`,
  late: 'No connection at the moment. Nothing you write is lost.',
  too_long: 'this message is too long',
  empty: 'there is nothing in it to read',
  id_conflict: 'something went wrong',
  unknown_button: 'this choice is no longer there',
  rate_limited: 'That was quick. Your message follows by itself.',
  busy: 'Many people are writing. Your message follows by itself.',
  unavailable: 'We have a problem here. Your message follows by itself.',
  too_many: 'Too many chats are open from here. Please try again later.',
};

/** @type {typeof en} */
const zh = {
  chat: '在线客服',
  open: '打开聊天',
  close: '关闭聊天',
  unread: (n) => `${n} 条未读消息`,
  greeting: '您好！请问有什么可以帮您？',
  log: '对话',
  you: '您',
  write: '输入消息',
  send: '发送',
  '/human': '转人工客服',
  '/restart': '重新开始',
  earlier: '更早的消息',
  newest: '最新消息',
  bot: '智能助手',
  queue: '正在等待人工客服',
  position: (n) => `正在等待人工客服，您排在第 ${n} 位`,
  agent: '人工客服为您服务',
  typing: '正在输入',
  sending: '正在发送',
  waiting: '等待连接',
  held: '等待中，下次重试：',
  sent: '已发送',
  failed: '未发送',
  now: '立即重试',
  retry: '重试',
  remove: '删除',
  up: '有帮助',
  down: '没有帮助',
  source: '来源：',
  picture: '图片',
  choices: '选项',
  count: (n, limit) => `${n} / ${limit} 字`,
  late: '暂时没有连接，您写的内容不会丢失。',
  too_long: '消息太长',
  empty: '消息没有内容',
  id_conflict: '出了点问题',
  unknown_button: '该选项已不存在',
  rate_limited: '您发得太快了，消息稍后自动发送。',
  busy: '当前咨询较多，消息稍后自动发送。',
  unavailable: '服务出现问题，消息稍后自动发送。',
  too_many: '打开的聊天过多，请稍后再试。',
};

const languages = { en, zh };

/** Words that a language lacks are English. @param {string} locale @returns {[texts: typeof en, language: string]} */
export function texts(locale) {
  const language = locale.toLowerCase().split('-')[0];
  return languages[language] ? [{ ...en, ...languages[language] }, language] : [en, 'en'];
}

/** @param {string} locale */
export function direction(locale) {
  return /^(ar|arc|ckb|dv|fa|he|iw|ks|ps|sd|ug|ur|yi)\b/i.test(locale) ? 'rtl' : 'ltr';
}
