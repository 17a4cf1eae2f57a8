'use strict';
// The page draws the state that GET state returns, again after each change in the event stream. Only what changed is made anew, so that
// typed text, opened parts of cards and the focus stay. Message HTML comes sanitised from the simulated Webex; everything else is set
// as text.
const $ = id => document.getElementById(id);
let follow = null; // what to scroll to, for a moment after the visitor sent something: {id of a thread's root or '', until}
let state = null, subjects = [], room = null, parent = null, subject = 0;
const seen = new Map(); // room id -> time of the newest message that was looked at

const post = async (path, body) => {
  const r = await fetch(path, {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify(body)});
  if (!r.ok) alert(await r.text());
};
const clock = t => new Date(t).toLocaleTimeString([], {hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23'});
const day = t => new Date(t).toDateString() === new Date().toDateString() ? '' : new Date(t).toLocaleDateString([], {day: 'numeric', month: 'short'}) + ' ';
const hue = s => [...s].reduce((h, c) => (h * 31 + c.charCodeAt(0)) % 360, 7);
const avatar = (name, cls = '') => {
  const a = el('span', {class: 'avatar ' + cls, 'aria-hidden': 'true'}, name.split(/\s+/).map(w => w[0]).join('').slice(0, 2).toUpperCase());
  a.style.background = `hsl(${hue(name)} 45% 42%)`;
  return a;
};

// kept returns what make made for a key, made again when what it shows has changed.
const made = new Map();
const kept = (key, shown, make) => {
  const mark = JSON.stringify(shown);
  let entry = made.get(key);
  if (!entry || entry.mark !== mark) made.set(key, entry = {mark, node: make(entry)});
  return entry.node;
};
// fill gives box these children and leaves those in place that it has already.
const fill = (box, nodes) => {
  const wanted = new Set(nodes);
  for (const n of [...box.childNodes]) if (!wanted.has(n)) n.remove();
  nodes.forEach((n, i) => { if (box.childNodes[i] !== n) box.insertBefore(n, box.childNodes[i] || null); });
};

function drawMeters() {
  const m = state.relay;
  const rows = [['events in', m.events], ['messages out', m.messages], ['still to send', m.pending], ['oldest unsent', m.oldest.toFixed(1) + ' s']];
  fill($('meters'), rows.map(([k, v]) => kept('meter ' + k, v, () => el('div', {}, el('dt', {}, k), el('dd', {}, String(v))))));
}

const me = () => $('person').value || state.people[0].email;
const person = email => state.webex.people.find(p => p.email === email) || {name: email};
const isDirect = r => r.type === 'direct';
const title = r => isDirect(r) ? r.members.map(person).filter(p => p.bot).map(p => p.name).join(', ') : r.title;
// The rooms of the person that the visitor is: groups, then the direct chat with the bot.
const myRooms = () => state.webex.rooms.filter(r => r.members.includes(me())).sort((a, b) => isDirect(a) - isDirect(b));
const here = () => state.webex.rooms.find(r => r.id === room);
const enter = id => { room = id; parent = null; draw(true); };

function drawRooms() {
  fill($('rooms'), myRooms().map(r => {
    const key = me() + ' ' + r.id;
    if (r.id === room) seen.set(key, Math.max(0, ...r.messages.map(m => Date.parse(m.created))));
    const unread = r.messages.filter(m => Date.parse(m.created) > (seen.get(key) || 0)).length;
    return kept('room ' + r.id, [r.id === room, unread], () => el('li', {},
      el('button', {type: 'button', 'aria-current': String(r.id === room), onclick: () => enter(r.id)},
        avatar(title(r), isDirect(r) ? '' : 'space'), el('span', {}, title(r), isDirect(r) ? el('small', {}, 'direct chat') : null),
        unread ? el('span', {class: 'badge'}, String(unread)) : null)));
  }));
}

function drawMessage(m, replies = []) {
  const thread = kept('thread ' + m.id, '', () => el('div', {class: 'thread'}));
  fill(thread, replies.map(r => drawMessage(r)));
  thread.hidden = !replies.length;
  const said = kept('message ' + m.id, m, before => {
    const text = el('div', {class: 'text'});
    if (m.html) text.innerHTML = m.html; else text.textContent = m.text;
    for (const a of text.querySelectorAll('a')) { a.target = '_blank'; a.rel = 'noopener'; }
    const sent = el('span', {class: 'sent', role: 'status'});
    const press = inputs => {
      sent.textContent = 'Sent as ' + person(me()).name;
      setTimeout(() => { sent.textContent = ''; }, 4000);
      post('press', {message: m.id, person: me(), inputs});
    };
    const reply = () => { parent = {id: m.parentId || m.id, text: m.text}; drawComposer(); $('say').focus(); };
    const meta = el('div', {class: 'meta'}, el('b', {}, m.from.name), m.from.bot ? el('span', {class: 'botmark'}, 'bot') : null, el('span', {}, clock(m.created)),
      m.edits ? el('span', {class: 'edited'}, `edited ${m.edits}×`) : null, el('button', {type: 'button', class: 'link reply', onclick: reply}, 'reply in thread'), sent);
    return el('div', {class: 'said' + (before ? ' flash' : '')}, meta, m.card ? drawCard(m.card, m.id, press) : text,
      ...(m.files || []).map(f => f.contentType.startsWith('text/') ? drawDocument(m, f) : el('a', {class: 'file', href: state.webexURL + f.url, target: '_blank', rel: 'noopener'},
        f.contentType.startsWith('image/') ? el('img', {src: state.webexURL + f.url, alt: f.name}) : '📎 ' + f.name)));
  });
  const article = kept('article ' + m.id, '', () => el('article', {class: 'msg' + (m.parentId ? '' : ' root')}, avatar(m.from.name), el('div', {class: 'body'})));
  fill(article.lastChild, [said, thread]);
  return article;
}

// A text file is read in place.
const read = new Set(); // ids of messages whose file was opened
function drawDocument(m, f) {
  const text = el('div', {class: 'text document', hidden: true});
  const open = async () => {
    if (text.hidden && !text.childNodes.length) text.innerHTML = await (await fetch('document?message=' + encodeURIComponent(m.id))).text();
    text.hidden = !text.hidden;
    button.setAttribute('aria-expanded', String(!text.hidden));
    read.add(m.id);
    draw();
    button.scrollIntoView();
  };
  const button = el('button', {type: 'button', class: 'file', 'aria-expanded': 'false', onclick: open}, '📎 ' + f.name);
  return el('div', {}, button, text);
}

function directNote() {
  const {zabbixToken} = state.people.find(p => p.email === me());
  return 'Only you and the bot' + (zabbixToken ? `. Your API token in the simulated Zabbix, for the command token: ${zabbixToken}` : '');
}

function drawChat(jump) {
  const r = here();
  $('room-title').textContent = title(r);
  $('room-members').textContent = isDirect(r) ? directNote() : r.members.map(e => person(e).name).join(', ');
  const box = $('messages');
  const atEnd = jump || box.scrollHeight - box.scrollTop - box.clientHeight < 90;
  const replies = new Map();
  for (const m of r.messages) if (m.parentId) replies.set(m.parentId, [...(replies.get(m.parentId) || []), m]);
  const roots = r.messages.filter(m => !m.parentId);
  fill(box, roots.length ? roots.map(m => drawMessage(m, replies.get(m.id)))
    : [kept('empty', isDirect(r), () => el('p', {class: 'empty'}, isDirect(r) ? 'Write to the bot here: it hears everything, without a mention.' : 'No messages yet.'))]);
  const thread = follow && follow.until > Date.now() && made.get('article ' + follow.id);
  if (thread) thread.node.scrollIntoView({block: 'end'});
  else if (atEnd || follow && follow.until > Date.now()) box.scrollTop = box.scrollHeight;
}

// The open problems of this room, newest first: those that its messages name.
function openHere() {
  const texts = here().messages.filter(m => m.from.bot).map(m => m.text).join('\n');
  const open = state.zabbix.problems.filter(p => !p.resolved);
  return isDirect(here()) ? open : open.filter(p => new RegExp(`\\b${p.id}\\b`).test(texts));
}

// A command of the list with the ids of this room's problems for {1}, {2}, …; null if it has too few. In a thread {1} is left out.
function written(command) {
  const ids = openHere().map(p => p.id);
  let short = false;
  const text = command.replace(/\{(\d)\} ?/g, (_, n) => {
    if (parent && n === '1') return '';
    short = short || !ids[n - 1];
    return ids[n - 1] + ' ';
  });
  return short ? null : text.trim();
}

function drawComposer() {
  const r = here();
  $('mention').hidden = isDirect(r);
  $('replying').hidden = !parent;
  if (parent) $('replying-to').textContent = 'in the thread of: ' + parent.text.split('\n')[0].slice(0, 90);
  fill($('subjects'), subjects.map((s, n) => kept('subject ' + n, n === subject, () =>
    el('button', {type: 'button', 'aria-pressed': String(n === subject), onclick: () => { subject = n; drawComposer(); }}, s.name))));
  const commands = subjects.length ? subjects[subject].commands.map(written).filter(c => c !== null) : [];
  fill($('commands'), [...new Set(commands)].map(c => kept('command ' + c, '', () =>
    el('button', {type: 'button', onclick: () => { $('say').value = c; $('say').focus(); }}, c))));
}

function drawProblem(p) {
  return kept('problem ' + p.id, p, () => {
    const bar = el('span', {class: 'bar'});
    bar.style.background = p.resolved ? 'var(--ok)' : `var(--s${p.severity})`;
    const act = name => post('zabbix', {do: name, id: p.id});
    return el('li', {class: p.resolved ? 'over' : ''}, bar, el('div', {class: 'name'}, p.name),
      el('div', {class: 'facts'}, el('span', {}, p.host), el('span', {}, p.severityName), el('span', {}, '#' + p.id), el('span', {}, day(p.opened) + clock(p.opened)),
        p.resolved ? el('span', {class: 'pill'}, 'resolved') : null, p.acked ? el('span', {class: 'pill ack'}, '✓ acknowledged') : null,
        p.suppressed ? el('span', {class: 'pill ack'}, 'suppressed') : null,
        p.resolved ? null : el('button', {type: 'button', class: 'link', onclick: () => act('resolve')}, 'recover'),
        p.resolved || p.acked ? null : el('button', {type: 'button', class: 'link', onclick: () => act('ack')}, 'ack as Bob')),
      el('div', {class: 'acks'}, ...p.acks.map(a => el('div', {}, el('b', {}, a.user), ` ${a.words}` + (a.message ? ': ' + a.message : '')))));
  });
}

function drawZabbix() {
  const z = state.zabbix;
  $('zabbix-version').textContent = z.version;
  $('zabbix-counts').textContent = `${z.open} open, ${z.alerts.sent} alerts sent` + (z.alerts.waiting ? `, ${z.alerts.waiting} waiting` : '') + (z.alerts.failed ? `, ${z.alerts.failed} failed` : '');
  fill($('problems'), z.problems.length ? z.problems.map(drawProblem) : [kept('no problems', '', () => el('li', {class: 'empty'}, 'No problems.'))]);
  const acts = [['Raise a problem', 'raise'], ['Raise a hostile one', 'hostile'], ['Flap', 'flap'], [`Storm of ${z.storm}`, 'storm'], ['Recover all', 'recover-all'],
    [z.down ? 'Zabbix API up again' : 'Zabbix API down', 'down'], [state.webexDown ? 'Webex up again' : 'Webex down', 'webex-down']];
  fill($('zabbix-do'), acts.map(([t, d]) => kept('control ' + d, t, () => el('button', {type: 'button', onclick: () => post('zabbix', {do: d})}, t))));
}

function draw(jump = false) {
  if (!state) return;
  if (!$('person').options.length) $('person').replaceChildren(...state.people.map(p => el('option', {value: p.email}, `${p.name} (${p.role})`)));
  if (!myRooms().some(r => r.id === room)) { room = myRooms()[0].id; parent = null; jump = true; }
  drawMeters(); drawRooms(); drawChat(jump); drawComposer(); drawZabbix(); drawTour();
}

let loading = false, again = false;
async function load() {
  if (loading) { again = true; return; }
  loading = true;
  try {
    const first = state === null;
    if (first) subjects = await (await fetch('commands')).json();
    state = await (await fetch('state')).json();
    draw(first);
  } finally {
    loading = false;
    if (again) { again = false; setTimeout(load, 100); }
  }
}

$('composer').addEventListener('submit', e => {
  e.preventDefault();
  follow = {id: parent ? parent.id : '', until: Date.now() + 5000};
  post('say', {room, person: me(), text: $('say').value.trim() || 'help', parent: parent ? parent.id : ''});
  $('say').value = '';
});
$('person').addEventListener('change', () => {
  const direct = myRooms().find(isDirect);
  if (direct && isDirect(here())) enter(direct.id); else draw();
});
$('reply-cancel').addEventListener('click', () => { parent = null; drawComposer(); });
$('notify').addEventListener('click', () => post('notify', {}));
// On a phone one pane is shown at a time.
for (const tab of document.querySelectorAll('.tabs button')) {
  tab.addEventListener('click', () => {
    document.body.dataset.pane = tab.dataset.pane;
    for (const t of document.querySelectorAll('.tabs button')) t.setAttribute('aria-pressed', String(t === tab));
  });
}
const stream = new EventSource('events');
stream.onmessage = load;
stream.onopen = load;
