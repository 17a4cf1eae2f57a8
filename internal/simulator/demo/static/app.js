'use strict';
// The page draws the state that GET state returns, again after each change in the event stream.
// Message HTML comes sanitised from the simulated Webex; everything else is set as text.
const $ = id => document.getElementById(id);
const el = (tag, attrs = {}, ...kids) => {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attrs)) {
    if (v === undefined || v === null || v === false) continue;
    if (k === 'class') e.className = v;
    else if (k.startsWith('on')) e.addEventListener(k.slice(2), v);
    else e.setAttribute(k, v === true ? '' : v);
  }
  e.append(...kids.filter(k => k !== null && k !== undefined && k !== false));
  return e;
};
let state = null, room = null, parent = null;
const seen = new Map();    // room id -> time of the newest message that was looked at
const versions = new Map(); // message id -> edits drawn, to flash what changed
const drafts = new Map();  // card input -> what was typed, kept over a redraw

const post = async (path, body) => {
  const r = await fetch(path, {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify(body)});
  if (!r.ok) alert(await r.text());
};
const clock = t => new Date(t).toLocaleTimeString([], {hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23'});
const hue = s => [...s].reduce((h, c) => (h * 31 + c.charCodeAt(0)) % 360, 7);
const avatar = (name, cls = '') => {
  const a = el('span', {class: 'avatar ' + cls, 'aria-hidden': 'true'}, name.split(/\s+/).map(w => w[0]).join('').slice(0, 2).toUpperCase());
  a.style.background = `hsl(${hue(name)} 45% 42%)`;
  return a;
};

function drawMeters() {
  const m = state.relay;
  const rows = [['events in', m.events], ['messages out', m.messages], ['still to tell', m.pending], ['oldest untold', m.oldest.toFixed(1) + ' s']];
  $('meters').replaceChildren(...rows.map(([k, v]) => el('div', {}, el('dt', {}, k), el('dd', {}, String(v)))));
}

// A direct chat has no title of its own: it is called after the person in it.
const person = email => state.webex.people.find(p => p.email === email) || {name: email};
const title = r => r.type === 'group' ? r.title : r.members.map(person).filter(p => !p.bot).map(p => p.name).join(', ') + ' and the bot';

function drawRooms() {
  const list = state.webex.rooms.map(r => {
    if (r.id === room) seen.set(r.id, Math.max(0, ...r.messages.map(m => Date.parse(m.created))));
    const unread = r.messages.filter(m => Date.parse(m.created) > (seen.get(r.id) || 0)).length;
    return el('li', {}, el('button', {type: 'button', 'aria-current': String(r.id === room), onclick: () => { room = r.id; parent = null; draw(true); }},
      avatar(title(r), r.type === 'group' ? 'space' : ''), el('span', {}, title(r)), unread ? el('span', {class: 'badge'}, String(unread)) : null));
  });
  $('rooms').replaceChildren(...list);
  const who = $('person');
  if (!who.options.length) {
    who.replaceChildren(...state.people.map(p => el('option', {value: p.email}, `${p.name}${p.role ? ' (' + p.role + ')' : ''}`)));
  }
}

function textBlock(b) {
  const cls = ['tb', b.isSubtle ? 'subtle' : '', b.weight === 'Bolder' || b.weight === 'bolder' ? 'bolder' : '', (b.size || '').toLowerCase()].join(' ');
  // Cards know a little markdown; here it is shown as plain words without its escapes.
  return el('div', {class: cls}, String(b.text).replace(/\\([\\`*_{}\[\]()#+\-.!~|<>@&:])/g, '$1').replace(/\*\*/g, ''));
}

function textRun(r) {
  if (typeof r === 'string') r = {text: r};
  const cls = [r.isSubtle ? 'subtle' : '', /^bolder$/i.test(r.weight || '') ? 'bolder' : '', (r.size || '').toLowerCase()].join(' ');
  const tag = /^monospace$/i.test(r.fontType || '') ? 'code' : r.italic ? 'em' : 'span';
  if (r.selectAction && r.selectAction.url) return el('a', {class: cls, href: r.selectAction.url, target: '_blank', rel: 'noopener'}, r.text);
  return el(tag, {class: cls}, r.text);
}

function cardElement(b, inputs, key) {
  switch (b.type) {
    case 'RichTextBlock': return el('div', {class: 'tb'}, ...(b.inlines || []).map(textRun));
    case 'TextBlock': return textBlock(b);
    case 'Input.Text': {
      const i = el(b.isMultiline ? 'textarea' : 'input', {placeholder: b.placeholder || b.label, maxlength: b.maxLength, 'aria-label': b.label || b.placeholder || b.id, rows: 2});
      i.value = drafts.get(key + b.id) || b.value || '';
      i.addEventListener('input', () => drafts.set(key + b.id, i.value));
      i.dataset.key = key + b.id;
      inputs.push(() => [b.id, i.value, key + b.id]);
      return i;
    }
    case 'FactSet': return el('dl', {class: 'facts'}, ...(b.facts || []).flatMap(f => [el('dt', {}, f.title), el('dd', {}, textBlock({text: f.value}))]));
    case 'Container': return el('div', {}, ...(b.items || []).map(i => cardElement(i, inputs, key)));
    case 'ColumnSet': return el('div', {}, ...(b.columns || []).flatMap(c => (c.items || []).map(i => cardElement(i, inputs, key))));
    case 'ActionSet': return el('div', {class: 'actions'}, ...(b.actions || []).map(a => cardAction(a, inputs, key)));
    default: return el('div', {class: 'subtle'}, '(' + b.type + ')');
  }
}

function cardAction(a, inputs, key) {
  if (a.type === 'Action.OpenUrl') return el('button', {type: 'button', onclick: () => window.open(a.url, '_blank', 'noopener')}, a.title + ' ↗');
  return el('button', {type: 'button', class: a.style === 'positive' ? 'primary' : '', onclick: () => {
    const values = Object.assign({}, a.data);
    for (const read of inputs) { const [id, value, draft] = read(); values[id] = value; drafts.delete(draft); }
    post('press', {message: key, person: $('person').value, inputs: values});
  }}, a.title);
}

function drawCard(m) {
  const inputs = [];
  const card = m.card;
  return el('div', {class: 'card'}, ...(card.body || []).map(b => cardElement(b, inputs, m.id)),
    (card.actions || []).length ? el('div', {class: 'actions'}, ...card.actions.map(a => cardAction(a, inputs, m.id))) : null);
}

function drawMessage(m, replies) {
  const root = !m.parentId;
  const before = versions.get(m.id);
  const changed = before !== undefined && before !== (m.edits || 0);
  versions.set(m.id, m.edits || 0);
  const text = el('div', {class: 'text'});
  if (m.html) text.innerHTML = m.html; else text.textContent = m.text;
  const file = (m.files || [])[0];
  const meta = el('div', {class: 'meta'}, el('b', {}, m.from.name), m.from.bot ? el('span', {class: 'botmark'}, 'bot') : null, el('span', {}, clock(m.created)),
    m.edits ? el('span', {class: 'edited'}, `edited ${m.edits}×`) : null,
    el('button', {type: 'button', class: 'link reply', onclick: () => { parent = {id: m.parentId || m.id, text: m.text}; drawComposer(); $('say').focus(); }}, 'reply in thread'));
  return el('article', {class: 'msg' + (root ? ' root' : '') + (root && changed ? ' flash' : '')}, avatar(m.from.name),
    el('div', {class: 'body'}, meta, m.card ? drawCard(m) : text,
      file ? el('a', {class: 'file', href: state.webexURL + file.url, target: '_blank', rel: 'noopener'}, '📎 ' + file.name) : null,
      replies && replies.length ? el('div', {class: 'thread'}, ...replies.map(r => drawMessage(r))) : null));
}

function drawChat(jump) {
  const r = state.webex.rooms.find(r => r.id === room);
  $('room-title').textContent = title(r);
  $('room-members').textContent = r.members.map(e => person(e).name).join(', ');
  const box = $('messages');
  const active = document.activeElement, focus = active && active.dataset ? active.dataset.key : null;
  const caret = focus ? active.selectionStart : 0;
  const atEnd = jump || box.scrollHeight - box.scrollTop - box.clientHeight < 90;
  const top = box.scrollTop;
  const replies = new Map();
  for (const m of r.messages) if (m.parentId) replies.set(m.parentId, [...(replies.get(m.parentId) || []), m]);
  const roots = r.messages.filter(m => !m.parentId);
  box.replaceChildren(...(roots.length ? roots.map(m => drawMessage(m, replies.get(m.id))) : [el('p', {class: 'empty'}, 'Nothing was said here yet.')]));
  box.scrollTop = atEnd ? box.scrollHeight : top;
  if (focus) {
    const again = box.querySelector(`[data-key="${CSS.escape(focus)}"]`);
    if (again) { again.focus({preventScroll: true}); again.setSelectionRange(caret, caret); }
  }
}

function drawComposer() {
  const r = state.webex.rooms.find(r => r.id === room);
  $('mention').hidden = r.type !== 'group';
  $('replying').hidden = !parent;
  if (parent) $('replying-to').textContent = 'in the thread of: ' + parent.text.split('\n')[0].slice(0, 90);
  const open = state.zabbix.problems.find(p => !p.resolved);
  const some = parent ? ['ack on it', 'comment calling the provider', 'show', 'close', 'unack']
    : ['help', 'problems', open ? `ack ${open.id} on it` : 'problems high', open ? `show ${open.id}` : 'problems unacked', 'akc'];
  $('hints').replaceChildren(...some.map(t => el('button', {type: 'button', onclick: () => { $('say').value = t; $('say').focus(); }}, t)));
}

function drawZabbix() {
  const z = state.zabbix;
  $('zabbix-version').textContent = z.version;
  $('zabbix-counts').textContent = `${z.open} open, ${z.alerts.sent} alerts sent` + (z.alerts.waiting ? `, ${z.alerts.waiting} waiting` : '') + (z.alerts.failed ? `, ${z.alerts.failed} failed` : '');
  $('problems').replaceChildren(...(z.problems.length ? z.problems.map(p => {
    const bar = el('span', {class: 'bar'});
    bar.style.background = p.resolved ? 'var(--ok)' : `var(--s${p.severity})`;
    return el('li', {class: p.resolved ? 'over' : ''}, bar, el('div', {class: 'name'}, p.name),
      el('div', {class: 'facts'}, el('span', {}, p.host), el('span', {}, p.severityName), el('span', {}, '#' + p.id), el('span', {}, clock(p.opened)),
        p.resolved ? el('span', {class: 'pill'}, 'resolved') : null, p.acked ? el('span', {class: 'pill ack'}, '✓ acknowledged') : null,
        p.resolved ? null : el('button', {type: 'button', class: 'link', onclick: () => post('zabbix', {do: 'resolve', id: p.id})}, 'recover'),
        p.resolved ? null : el('button', {type: 'button', class: 'link', onclick: () => post('zabbix', {do: 'ack', id: p.id})}, 'ack as Bob')),
      el('div', {class: 'acks'}, ...p.acks.map(a => el('div', {}, el('b', {}, a.user), ` ${a.words}` + (a.message ? ': ' + a.message : '')))));
  }) : [el('li', {class: 'empty'}, 'No problems.')]));
}

function drawControls() {
  const acts = [['Raise a problem', 'raise'], ['Flap', 'flap'], [`Storm of ${state.zabbix.storm}`, 'storm'], ['Recover all', 'recover-all'], [state.zabbix.down ? 'Zabbix API up again' : 'Zabbix API down', 'down'], [state.webexDown ? 'Webex up again' : 'Webex down', 'webex-down']];
  $('zabbix-do').replaceChildren(...acts.map(([t, d]) => el('button', {type: 'button', onclick: () => post('zabbix', {do: d})}, t)));
}

function draw(jump = false) {
  if (!state) return;
  if (!room || !state.webex.rooms.some(r => r.id === room)) room = state.webex.rooms[0].id;
  drawMeters(); drawRooms(); drawChat(jump); drawComposer(); drawZabbix(); drawControls();
}

let loading = false, again = false;
async function load() {
  if (loading) { again = true; return; }
  loading = true;
  try {
    const first = state === null;
    state = await (await fetch('state')).json();
    draw(first);
  } finally {
    loading = false;
    if (again) { again = false; setTimeout(load, 100); }
  }
}

$('composer').addEventListener('submit', e => {
  e.preventDefault();
  const text = $('say').value.trim() || 'help';
  post('say', {room, person: $('person').value, text, parent: parent ? parent.id : ''});
  $('say').value = '';
});
$('reply-cancel').addEventListener('click', () => { parent = null; drawComposer(); });
const stream = new EventSource('events');
stream.onmessage = load;
stream.onopen = load;
