//go:build e2e

package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// tour is what the demo's tour asks for, one scene for each of its steps.
var tour = []scene{
	{do: `window.faults = []; addEventListener('error', e => faults.push(e.message)); addEventListener('unhandledrejection', e => faults.push(String(e.reason)));
		window.go = () => $('tour').querySelector('button').click();
		window.send = () => document.querySelector('#composer button[type=submit]').click();
		window.at = n => $('tour').textContent.startsWith('Step ' + n + ' of')`, seen: `$('tour').textContent.includes('Break the web shop')`},
	{do: `go()`, seen: `at(1) && button('Payments fail', 'Incident room')`},
	{do: `go(); button('Payments fail', 'Incident room').click()`, seen: `at(2) && has('Payments fail', 'open its space')`},
	{do: `go()`, seen: `at(3) && button('Communications: nobody', 'Take lead') && here().title === 'INC-1 Web shop: Payments fail (disaster)'`},
	{do: `button('Communications: nobody', 'Take lead').click()`, seen: `at(4) && button('Lead: Alice Archer', '☑ Customers informed')`},
	{do: `button('Lead: Alice Archer', '☑ Customers informed').click()`, seen: `at(5) && has('☑ 1. Customers informed · Alice Archer')`},
	{do: `go(); send()`, seen: `at(6) && has('Lead: Alice Archer', 'Calls to the bank time out')`},
	{do: `go(); send()`, seen: `at(7) && has('Relay note', '4709', '4710') && document.querySelector('#problems').textContent.includes('the bank is on it')`},
	{picture: "incident", do: `freeze(); root('Lead: Alice Archer').scrollIntoView({block: 'end'})`, seen: `true`, dark: true},
	{do: `go(); send()`, seen: `at(8) && has('Relay graph', 'Payments fail')`},
	{do: `go()`, seen: `at(10) && has('its review is attached')`}, // step 9 is waiting for it
	// It is readable on the page, and has what was done.
	{picture: "review", do: `go(); root('its review is attached').querySelector('button.file').click()`, dark: true, show: `root('its review is attached')`,
		seen: `at(11) && has('its review is attached', 'INC-1: Web shop: Payments fail', 'Lead: Alice Archer', 'ticked: Customers informed', 'noted: the bank is on it')`},
	// The graphs of both problems follow it, and it closes.
	{seen: `[...root('its review is attached').querySelectorAll('.thread .file img')].filter(i => i.complete && i.naturalWidth > 100).length === 2`},
}

// The demo's tour: an incident from the first alert to its review, in clicks.
func TestDemoIncident(t *testing.T) {
	t.Parallel()
	ctx := openDemo(t, "0s")
	until(t, ctx, `document.querySelectorAll('.root').length >= 2`)
	play(t, ctx, tour)
	require.Equal(t, "0", eval(t, ctx, `document.querySelectorAll('.document script, .document img').length`))
	require.Equal(t, "[]", eval(t, ctx, `JSON.stringify(faults)`))
}
