// Cisco's own SDK as a client of the simulated Webex. Arguments: the simulator's URL, the bot's token, a room's id, and the URL for a
// webhook. Each step that works is a line of the output; the first one that doesn't ends the program with status 1.
const [base, token, roomId, target] = process.argv.slice(2);
process.env.HYDRA_SERVICE_URL = `${base}/v1`;
process.env.U2C_SERVICE_URL = `${base}/u2c/api/v1`;

const assert = require('node:assert');
const WebexCore = require('@webex/webex-core').default;
for (const plugin of ['messages', 'rooms', 'people', 'memberships', 'webhooks', 'attachment-actions']) require(`@webex/plugin-${plugin}`);
require('@webex/internal-plugin-mercury');

const webex = new WebexCore({
  credentials: {access_token: token},
  config: {
    logger: {level: 'error'},
    hydraServiceUrl: `${base}/v1`,
    services: {
      discovery: {hydra: `${base}/v1`, u2c: `${base}/u2c/api/v1`},
      validateDomains: false,
      allowedDomains: ['127.0.0.1'],
    },
  },
});

// act asks the simulator for what a person does.
const act = async (path, body) => {
  const answer = await fetch(`${base}/sim/${path}`, {method: 'POST', body: JSON.stringify(body)});
  const said = await answer.json();
  assert.ok(answer.ok, JSON.stringify(said));
  return said;
};

// heard resolves with the next event that fits.
const heard = (plugin, event, fits) => new Promise((resolve) => plugin.on(event, (e) => fits(e) && resolve(e)));

(async () => {
  await new Promise((resolve) => webex.once('ready', resolve));
  const me = await webex.people.get('me');
  console.log('people', me.displayName);

  const root = await webex.messages.create({roomId, markdown: '**posted** by the SDK'});
  const reply = await webex.messages.create({roomId, parentId: root.id, text: 'in the thread'});
  assert.strictEqual(reply.parentId, root.id);
  console.log('post and thread');
  const edited = await webex.messages.update(root, {roomId, markdown: 'edited by the SDK'});
  assert.match(edited.text, /edited/);
  console.log('edit');

  await act('say', {room: roomId, from: 'alice@example.com', text: 'for the list', mentionBot: true});
  const listed = await webex.messages.list({roomId, mentionedPeople: 'me'});
  assert.match(listed.items[0].text, /for the list/);
  console.log('list');
  assert.ok((await webex.rooms.list()).items.some((r) => r.id === roomId));
  assert.ok((await webex.memberships.list({roomId})).items.some((m) => m.personId === me.id));
  console.log('rooms and memberships');

  const hook = await webex.webhooks.create({name: 'sdk', targetUrl: target, resource: 'messages', event: 'created', filter: 'roomType=direct'});
  assert.ok((await webex.webhooks.list()).items.some((h) => h.id === hook.id));
  await webex.webhooks.remove(hook);
  console.log('webhook');

  await webex.messages.listen();
  await webex.attachmentActions.listen();
  const message = heard(webex.messages, 'created', (e) => /by websocket/.test(e.data.text));
  await act('say', {room: roomId, from: 'alice@example.com', text: 'by websocket', mentionBot: true});
  assert.strictEqual((await message).data.personEmail, 'alice@example.com');
  console.log('websocket message');

  const card = await webex.messages.create({roomId, markdown: 'a card', attachments: [{
    contentType: 'application/vnd.microsoft.card.adaptive',
    content: {type: 'AdaptiveCard', version: '1.3', body: [], actions: [{type: 'Action.Submit', title: 'Ack', data: {verb: 'ack'}}]},
  }]});
  const press = heard(webex.attachmentActions, 'created', (e) => e.data.messageId === card.id);
  await act('press', {messageId: card.id, from: 'alice@example.com', button: 'Ack'});
  const pressed = await webex.attachmentActions.get((await press).data.id); // the event's inputs are encrypted
  assert.strictEqual(pressed.inputs.verb, 'ack');
  console.log('websocket press');

  await webex.internal.mercury.disconnect();
  await webex.internal.device.unregister();
  console.log('done');
  process.exit(0);
})().catch((e) => {
  console.error(e);
  process.exit(1);
});
