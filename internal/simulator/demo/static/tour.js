'use strict';
// The tour leads a visitor through an incident, one step at a time. Which step is next is derived from the state of the page, so that
// the visitor may do a step in another way, or nothing.
const drawTour = (() => {
  let closed = false;
  const newest = name => state.zabbix.problems.filter(p => p.name === name).sort((a, b) => b.id - a.id)[0];
  const cause = () => newest('Payments fail');
  const effect = () => newest('Calls to the bank time out');
  const space = () => state.webex.rooms.filter(r => /^INC-\d+ .*Payments fail/.test(r.title) && r.members.includes(me())).pop();
  const said = what => Boolean(space()) && space().messages.some(what);
  const card = what => said(m => m.card && what.test(m.text));
  const review = () => space().messages.filter(m => (m.files || []).some(f => f.name.endsWith('.md'))).pop();
  const raise = () => post('zabbix', {do: 'outage'});
  const show = (r, m) => { enter(r.id); made.get('article ' + m.id)?.node.scrollIntoView({block: 'center'}); };
  const typed = words => ['Fill it in', () => { enter(space().id); $('say').value = words(); $('say').focus(); }];

  // live: the step makes sense only while the incident's problem is open.
  const steps = [
    {text: 'An incident, from the first alert to its review, in two minutes of clicking:', act: ['Break the web shop', raise], done: cause},
    {text: 'Payments fail, and NOC has a message about it. On its card press More, then Incident room.', live: true, done: space,
      act: ['Show me', () => { const r = state.webex.rooms.find(r => r.name === 'noc'); show(r, r.messages.find(m => m.card && m.text.includes(cause().id))); }]},
    {text: 'Relay has made a space, and invited you and who is on duty.', act: ['Open it', () => enter(space().id)], done: () => space() && seen.has(me() + ' ' + space().id)},
    {text: 'Somebody leads: press Take lead on the card.', live: true, done: () => card(/^Lead: (?!nobody)/m)},
    {text: 'Tick the first item of the checklist, on the card too.', live: true, done: () => card(/^☑ 1\./m)},
    {text: 'The other new problem belongs to it. Send a command that joins it.', live: true, act: typed(() => `join ${effect().id}`), done: () => said(m => m.from.bot && m.text.includes('Joined to'))},
    {text: 'Send a note: into the timeline, and into Zabbix as a comment.', live: true, act: typed(() => 'note the bank is on it'), done: () => said(m => !m.from.bot && /^\S+ note /.test(m.text))},
    {text: 'Look at a graph.', live: true, act: typed(() => `graph ${cause().id}`), done: () => said(m => (m.files || []).some(f => f.contentType.startsWith('image/')))},
    {text: 'The bank has repaired it: both problems recover.', act: ['Recover both', () => { for (const p of [cause(), effect()]) post('zabbix', {do: 'resolve', id: p.id}); }], done: () => cause().resolved && effect().resolved},
    {text: 'Within half a minute the space has the review, and the graphs after it.', done: () => space() && review()},
    {text: 'The review is a file: read it.', act: ['Show me', () => show(space(), review())], done: () => read.has(review().id)},
    {text: 'That was it. A minute after the review the incident closes.', act: ['Once more', raise], done: () => false},
  ];

  return () => {
    const over = cause() && cause().resolved;
    const n = steps.findIndex(s => !(s.live && over) && !s.done());
    const {text, act} = steps[n];
    $('tour').hidden = closed;
    fill($('tour'), [kept('tour', n, () => el('span', {}, el('b', {}, n ? `Step ${n} of ${steps.length - 1} ` : 'Try it '), text)),
      ...act ? [kept('tour act', n, () => el('button', {type: 'button', class: n ? '' : 'primary', onclick: act[1]}, act[0]))] : [],
      kept('tour close', '', () => el('button', {type: 'button', class: 'link', onclick: () => { closed = true; drawTour(); }}, 'hide'))]);
  };
})();
