//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite docs/demo.png")

// The demo's page: problems are in the rooms with working buttons, a typed command is answered, and actions reach Zabbix with the
// person's name.
func TestDemoInABrowser(t *testing.T) {
	cmd := exec.Command(buildRelay(t), "demo", "--listen", "127.0.0.1:0", "--pace", "1s")
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

	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.WindowSize(1500, 950))
	allocator, free := chromedp.NewExecAllocator(t.Context(), opts...)
	defer free()
	browser, shut := chromedp.NewContext(allocator)
	defer shut()
	_, err = chromedp.Run(browser, chromedp.Navigate(url))
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(browser, 2*time.Minute)
	defer cancel()

	// Collect the page's errors.
	eval(t, ctx, `window.faults = []; addEventListener('error', e => faults.push(e.message)); addEventListener('unhandledrejection', e => faults.push(String(e.reason))); true`)
	until(t, ctx, `document.querySelectorAll('#rooms li').length >= 6 && document.querySelectorAll('.root').length >= 2`)
	until(t, ctx, `[...document.querySelectorAll('.card button')].some(b => b.textContent === 'Acknowledge')`)

	// A comment typed into a card survives a redraw, and the button sends it.
	eval(t, ctx, `{ const i = document.querySelector('.card textarea'); i.focus(); i.value = 'on it, from the browser'; i.dispatchEvent(new Event('input')); } true`)
	until(t, ctx, `document.querySelectorAll('.problems .name').length >= 5 && document.querySelector('.card textarea').value === 'on it, from the browser'`)
	eval(t, ctx, `[...document.querySelector('.card textarea').closest('.card').querySelectorAll('button')].find(b => b.textContent === 'Acknowledge').click(); true`)
	until(t, ctx, `[...document.querySelectorAll('.problems .acks')].some(a => a.textContent.includes('on it, from the browser') && a.textContent.includes('Alice Archer <alice@example.com>'))`)
	until(t, ctx, `[...document.querySelectorAll('.root > .body > .text')].some(r => r.textContent.includes('acknowledged') && r.textContent.includes('on it, from the browser'))`)
	until(t, ctx, `[...document.querySelectorAll('.card button')].some(b => b.textContent === 'Unacknowledge')`)

	// A command is typed and answered in its thread.
	eval(t, ctx, `document.getElementById('say').value = 'akc'; document.querySelector('#composer button[type=submit]').click(); true`)
	until(t, ctx, `[...document.querySelectorAll('.thread .text')].some(r => r.textContent.includes('Did you mean ack?'))`)

	// A viewer may list problems.
	eval(t, ctx, `document.getElementById('person').value = 'carol@example.com'; document.getElementById('say').value = 'problems'; document.querySelector('#composer button[type=submit]').click(); true`)
	until(t, ctx, `[...document.querySelectorAll('.thread .text')].some(r => /\d+ problems/.test(r.textContent))`)

	// The story resolves a problem, and its message is edited.
	eval(t, ctx, `document.querySelectorAll('#rooms button')[2].click(); true`)
	until(t, ctx, `[...document.querySelectorAll('.root > .body > .text')].some(r => r.textContent.includes('resolved'))`)
	require.Equal(t, "[]", eval(t, ctx, `JSON.stringify(faults)`))

	eval(t, ctx, `document.querySelectorAll('#rooms button')[0].click(); document.getElementById('person').value = 'alice@example.com'; true`)
	until(t, ctx, `document.querySelector('#rooms button').getAttribute('aria-current') === 'true'`)
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	require.NoError(t, err)
	require.Greater(t, len(png), 50_000, "the screenshot isn't blank")
	if *update {
		require.NoError(t, os.WriteFile("../docs/demo.png", png, 0o644))
	}
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
