//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// The demo's page: problems are in the rooms with working buttons, a typed command is answered, and actions reach Zabbix with the
// person's name.
func TestDemoInABrowser(t *testing.T) {
	t.Parallel()
	ctx := openDemo(t, "1s")

	// Collect the page's errors.
	eval(t, ctx, `window.faults = []; addEventListener('error', e => faults.push(e.message)); addEventListener('unhandledrejection', e => faults.push(String(e.reason))); true`)
	until(t, ctx, `document.querySelectorAll('#rooms li').length === 4 && document.querySelectorAll('.root').length >= 2`)
	until(t, ctx, `[...document.querySelectorAll('.card button')].some(b => b.textContent === 'Acknowledge')`)

	checkCard(t, ctx)

	// A comment typed into a card survives a redraw, and the button sends it.
	eval(t, ctx, `{ const i = document.querySelector('.card textarea'); i.focus(); i.value = 'on it, from the browser'; i.dispatchEvent(new Event('input')); } true`)
	until(t, ctx, `document.querySelectorAll('.problems .name').length >= 5 && document.querySelector('.card textarea').value === 'on it, from the browser'`)
	eval(t, ctx, `[...document.querySelector('.card textarea').closest('.card').querySelectorAll('button')].find(b => b.textContent === 'Acknowledge').click(); true`)
	until(t, ctx, `[...document.querySelectorAll('.problems .acks')].some(a => a.textContent.includes('on it, from the browser') && a.textContent.includes('Alice Archer <alice@example.com>'))`)
	until(t, ctx, `[...document.querySelectorAll('.root > .body > .said > .text')].some(r => r.textContent.includes('acknowledged') && r.textContent.includes('on it, from the browser'))`)
	// On a slow machine the story may resolve the problem before its card can be replaced.
	until(t, ctx, `[...document.querySelectorAll('.card button')].some(b => b.textContent === 'Unacknowledge') ||
		[...document.querySelectorAll('.root > .body > .said > .text')].some(r => r.textContent.includes('resolved') && r.textContent.includes('on it, from the browser'))`)

	// A command is typed and answered in its thread.
	eval(t, ctx, `document.getElementById('say').value = 'akc'; document.querySelector('#composer button[type=submit]').click(); true`)
	until(t, ctx, `[...document.querySelectorAll('.thread .text')].some(r => r.textContent.includes('Did you mean ack?'))`)

	// A command of the list is filled in, with the id of a problem in this room.
	eval(t, ctx, `document.querySelector('#commands button').click(); true`)
	require.Regexp(t, `^ack \d+ on it$`, eval(t, ctx, `document.getElementById('say').value`))

	// Names in Zabbix are text, whatever they contain.
	eval(t, ctx, `[...document.querySelectorAll('.zabbix-do button')].find(b => b.textContent === 'Raise a hostile one').click(); true`)
	until(t, ctx, `[...document.querySelectorAll('.root > .body > .said > .text')].some(r => r.textContent.includes('<img src=x onerror=alert(1)> <@all> **bold**')) && document.querySelector('.problems .name').textContent.includes('<img')`)
	require.Equal(t, "0", eval(t, ctx, `document.querySelectorAll('main img, main script, a[href*=evil]').length`))

	// A viewer may list problems.
	be := func(email string) string {
		return `{ const p = document.getElementById('person'); p.value = '` + email + `'; p.dispatchEvent(new Event('change')); }`
	}
	eval(t, ctx, be("carol@example.com")+`document.getElementById('say').value = 'problems'; document.querySelector('#composer button[type=submit]').click(); true`)
	until(t, ctx, `[...document.querySelectorAll('.thread .text')].some(r => /\d+ problems/.test(r.textContent))`)

	// The story resolves a problem, and its message is edited.
	require.Equal(t, "3", eval(t, ctx, `document.querySelectorAll('#rooms li').length`), "Carol isn't in Databases")
	eval(t, ctx, be("alice@example.com")+`document.querySelectorAll('#rooms button')[2].click(); true`)
	until(t, ctx, `[...document.querySelectorAll('.root > .body > .said')].some(r => r.textContent.includes('resolved') && r.textContent.includes('CPU 94 % → CPU 31 %') && r.querySelector('.edited'))`)
	require.Equal(t, "[]", eval(t, ctx, `JSON.stringify(faults)`))
}

// openDemo starts the demo and opens its page.
func openDemo(t *testing.T, pace string) context.Context {
	cmd := exec.Command(buildRelay(t), "demo", "--listen", "127.0.0.1:0", "--pace", pace)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = os.Stderr
	began := time.Now()
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		require.NoError(t, cmd.Wait(), "SIGTERM ends the demo with exit code 0")
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	_, url, ok := strings.Cut(strings.TrimSpace(line), "open ")
	require.True(t, ok, "the demo prints its address: %q", line)
	t.Logf("the demo's address after %s", time.Since(began).Round(time.Millisecond))

	ctx := browser(t)
	require.NoError(t, chromedp.Do(ctx, chromedp.EmulateViewport(1500, 950), chromedp.Navigate(url)))
	return ctx
}

// checkCard draws a card with every element that Webex accepts, works with it, and checks what its buttons send.
func checkCard(t *testing.T, ctx context.Context) {
	eval(t, ctx, `window.sent = []; window.card = drawCard({body: [
		{type: 'TextBlock', text: '**Bold** \\[text\\]', weight: 'Bolder'},
		{type: 'RichTextBlock', inlines: ['<b>run</b> ', {type: 'TextRun', text: 'page', selectAction: {type: 'Action.OpenUrl', url: 'https://example.com/'}}, {type: 'TextRun', text: 'bad', selectAction: {type: 'Action.OpenUrl', url: 'javascript:alert(1)'}}]},
		{type: 'Container', items: [{type: 'Input.Text', id: 'comment', label: 'Comment', isRequired: true}, {type: 'Input.Toggle', id: 'ack', title: 'Acknowledge too', valueOn: 'yes', valueOff: 'no'}]},
		{type: 'Input.ChoiceSet', id: 'severity', choices: [{title: 'High', value: 'high'}, {title: 'Disaster', value: 'disaster'}], value: 'high'},
		{type: 'Input.ChoiceSet', id: 'rooms', style: 'expanded', isMultiSelect: true, choices: [{title: 'NOC', value: 'noc'}, {title: 'DB', value: 'db'}, {title: 'Lab', value: 'lab'}], value: 'noc,db'},
		{type: 'Input.Number', id: 'number', value: 5}, {type: 'Input.Date', id: 'date', value: '2026-12-24'}, {type: 'Input.Time', id: 'time', value: '18:00'},
		{type: 'ActionSet', actions: [{type: 'Action.Submit', title: 'Send', data: {action: 'comment', severity: 'disaster'}}]}],
		actions: [
			{type: 'Action.ShowCard', title: 'Suppress', card: {type: 'AdaptiveCard', body: [{type: 'Input.Text', id: 'for'}], actions: [{type: 'Action.Submit', title: 'For', data: {action: 'suppress'}}]}},
			{type: 'Action.ShowCard', title: 'More', card: {type: 'AdaptiveCard', body: [{type: 'Input.Text', id: 'other'}]}},
			{type: 'Action.OpenUrl', title: 'Page', url: 'https://example.com/'}, {type: 'Action.OpenUrl', title: 'Bad', url: 'javascript:alert(1)'}]}, 'test', inputs => sent.push(inputs));
		document.body.append(card); window.press = title => [...card.querySelectorAll('button')].find(b => b.textContent === title).click(); true`)
	require.Equal(t, `["https://example.com/","https://example.com/"]`, eval(t, ctx, `JSON.stringify([...card.querySelectorAll('a')].map(a => a.href))`), "only web addresses are links")
	require.Equal(t, "0", eval(t, ctx, `card.querySelectorAll('b, script').length`), "text is text")

	eval(t, ctx, `press('Send'); true`)
	require.Equal(t, `[[],1]`, eval(t, ctx, `JSON.stringify([sent, [...card.querySelectorAll('.field-error')].filter(e => !e.hidden).length])`), "a required field is empty")

	visible := `JSON.stringify([...card.querySelectorAll('.showcard')].map(c => !c.hidden))`
	eval(t, ctx, `press('More'); press('Suppress'); true`)
	require.Equal(t, `[true,false]`, eval(t, ctx, visible), "one card is shown at a time")
	eval(t, ctx, `const field = (type, n = 0) => card.querySelectorAll(type)[n];
		field('input[type=text]').value = 'on it'; field('.showcard input').value = '2h'; field('input[type=checkbox]').click(); field('input[value=noc]').click(); press('Send'); press('For'); press('Suppress'); true`)
	require.JSONEq(t, `[
		{"comment": "on it", "ack": "yes", "severity": "disaster", "rooms": "db", "number": "5", "date": "2026-12-24", "time": "18:00", "action": "comment"},
		{"comment": "on it", "ack": "yes", "severity": "high", "rooms": "db", "number": "5", "date": "2026-12-24", "time": "18:00", "action": "suppress", "for": "2h"}]`,
		eval(t, ctx, `JSON.stringify(sent)`), "a button sends its data, and the fields of its card and of those around it")
	require.Equal(t, `[false,false]`, eval(t, ctx, visible))
	eval(t, ctx, `card.remove(); true`)
}

// eval runs JavaScript in the page and returns its result as text.
func eval(t *testing.T, ctx context.Context, js string) string {
	t.Helper()
	raw, err := chromedp.Run(ctx, chromedp.Evaluate[[]byte](js))
	require.NoError(t, err, js)
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	return string(raw)
}

// until waits until an expression is true. It is evaluated after every change of the page, and twice a second, since an input's
// value is not a change.
func until(t *testing.T, ctx context.Context, js string) {
	t.Helper()
	_, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`new Promise(done => {
		const ask = () => { if (`+js+`) { watch.disconnect(); clearInterval(tick); done(true); } };
		const watch = new MutationObserver(ask), tick = setInterval(ask, 500);
		watch.observe(document.body, {childList: true, subtree: true, characterData: true, attributes: true});
		ask();
	})`, chromedp.EvalAwaitPromise))
	require.NoError(t, err, "not true on the page: %s\n%s", js, page(ctx))
}

// page returns the text of the page, for the message of a failed test.
func page(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.body.innerText`))
	if err != nil {
		return err.Error()
	}
	return text
}
