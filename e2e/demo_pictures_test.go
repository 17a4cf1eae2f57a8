//go:build e2e

package e2e

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the pictures of the documentation from the running demo")

// maxPicture is the most that a picture of the documentation may have, in bytes.
const maxPicture = 180_000

// scene is something that a visitor does in the demo.
type scene struct {
	picture string // of the documentation, without .png; "" for none
	do      string // JavaScript
	seen    string // what must be true on the page then
	show    string // the element of the picture; "" for the whole page
	dark    bool   // there is a dark picture, too
}

// director has what scenes need: problem is the open problem of that name, root the newest thread with a text, button a button in it.
const director = `
	window.problem = name => String((state.zabbix.problems.find(p => !p.resolved && p.name.includes(name)) || {}).id);
	window.root = text => [...document.querySelectorAll('.root')].filter(r => r.textContent.includes(text)).pop();
	window.button = (text, title) => [...(root(text) || document.createElement('p')).querySelectorAll('.card button')].find(b => b.textContent === title);
	window.has = (text, ...more) => { const r = root(text); return Boolean(r) && more.every(m => r.textContent.includes(m)); };
	window.say = text => { $('say').value = text; document.querySelector('#composer button[type=submit]').click(); };
	window.inThread = text => root(text).querySelector('.reply').click();
	window.be = email => { $('person').value = email; $('person').dispatchEvent(new Event('change')); };
	window.type = (field, text) => { field.value = text; field.dispatchEvent(new Event('input')); };
	window.freeze = () => { window.draw = () => {}; }; // a redraw could scroll
	window.thaw = (draw => () => { window.draw = draw; })(draw);
	window.raise = n => n ? post('zabbix', {do: 'raise'}).then(() => raise(n - 1)) : null;
	window.here4 = 'Interface Gi1/0/24: link down · 4709';
	document.head.append(el('style', {}, '.picture{padding:10px 14px!important;background:var(--bg)}.msg .meta .reply{display:none}'));
	true`

// scenes are the pictures of docs/commands.md, in one story.
var scenes = []scene{
	{do: `raise(8)`, seen: `openHere().length >= 5 && has(here4, 'Acknowledge')`},
	{picture: "problem", seen: `has(here4, '3rd time in 30 days')`, show: `root(here4)`},
	{picture: "suppress", do: `button(here4, 'Suppress').click()`, seen: `root(here4).querySelector('.showcard:not([hidden])')`, show: `root(here4).querySelector('.card').closest('.msg')`},
	{do: `button(here4, 'Suppress').click(); button(here4, 'More').click()`, seen: `button(here4, 'Graph') && button(here4, 'Incident room')`},
	{picture: "more", seen: `root(here4).querySelector('.showcard:not([hidden])')`, show: `root(here4).querySelector('.card').closest('.msg')`},
	{do: `button(here4, 'More').click(); type(root(here4).querySelector('.card textarea'), 'on it, the new cable is here'); button(here4, 'Acknowledge').click()`,
		seen: `has(here4, 'High problem, acknowledged', 'Unacknowledge') && document.querySelector('#problems').textContent.includes('on it, the new cable is here')`},
	{picture: "acknowledged", seen: `root(here4).querySelectorAll('.thread .msg').length === 2`, show: `root(here4)`},
	{picture: "demo", do: `freeze(); root(here4).scrollIntoView({block: 'end'})`, seen: `true`},
	{do: `say('take ' + problem('link down'))`, seen: `has(here4, '👤 Alice Archer', 'took it') && has('Relay take', '✅ Took')`},
	{picture: "take", do: `inThread('Relay take'); say('who ' + problem('link down'))`, seen: `has('Relay take', 'Alice Archer acted')`, show: `root('Relay take')`},
	{picture: "why", do: `$('reply-cancel').click(); say('why ' + problem('link down'))`, seen: `has('Relay why', 'Routes, by today')`, show: `root('Relay why')`},
	{picture: "history", do: `say('history ' + problem('link down'))`, seen: `has('Relay history', 'the same cable')`, show: `root('Relay history')`},
	{do: `$('notify').click()`, seen: `has('Deploying shop 4.2')`},
	{picture: "notify", do: `$('notify').click()`, seen: `has('Deployed shop 4.2')`, show: `root('Deployed shop 4.2')`},
	{do: `enter(myRooms().find(isDirect).id); say('mine')`, seen: `has('1 problem', 'Interface Gi1/0/24')`},
	{picture: "report", do: `say('report')`, seen: `root('report') && root('report').querySelectorAll('.thread .msg').length > 0`, show: `root('report')`, dark: true},
	{do: `say('token')`, seen: `has('Your own API token', 'Check it')`},
	{do: `type(root('Your own API token').querySelector('.card input'), state.people[0].zabbixToken); button('Your own API token', 'Check it').click()`, seen: `button('Is this you?', 'Yes, that is me')`},
	{picture: "token", seen: `true`, show: `root('Is this you?')`},
	{do: `button('Is this you?', 'Yes, that is me').click()`, seen: `has('From now on', 'alice')`},
	{do: `say('comment ' + problem('link down') + ' looking at it from home')`,
		seen: `[...document.querySelectorAll('#problems .acks div')].some(a => a.querySelector('b').textContent === 'alice' && a.textContent.includes('looking at it from home'))`},
	{do: `be('bob@example.com'); enter(myRooms()[2].id); post('zabbix', {do: 'storm'})`, seen: `has('problems at once', 'The complete list')`},
	{picture: "confirm", do: `inThread('problems at once'); say('ack all network team is on it')`, seen: `has('problems at once', 'This will acknowledge')`, show: `root('problems at once')`},
}

// The scenes of the documentation's pictures happen in the demo. With -update the pictures are written.
func TestDemoPictures(t *testing.T) {
	t.Parallel()
	ctx := openDemo(t, "0s")
	until(t, ctx, `document.querySelectorAll('.root').length >= 2`)
	play(t, ctx, scenes)
}

// play has a visitor do what scenes say.
func play(t *testing.T, ctx context.Context, scenes []scene) {
	t.Helper()
	colours(t, ctx, "light")
	eval(t, ctx, director)
	for _, s := range scenes {
		eval(t, ctx, s.do+`; true`)
		until(t, ctx, s.seen)
		if *update && s.picture != "" {
			save(t, ctx, s.picture+".png", s.show)
			if s.dark {
				colours(t, ctx, "dark")
				save(t, ctx, s.picture+"-dark.png", s.show)
				colours(t, ctx, "light")
			}
		}
		eval(t, ctx, `thaw(); true`)
	}
}

func colours(t *testing.T, ctx context.Context, scheme string) {
	t.Helper()
	_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}})
	require.NoError(t, err)
}

func save(t *testing.T, ctx context.Context, name, element string) {
	t.Helper()
	shot := small(t, pictureOf(t, ctx, element))
	require.Less(t, len(shot), maxPicture, name)
	require.NoError(t, os.WriteFile(filepath.Join("../docs", name), shot, 0o644))
}

// pictureOf is a picture of an element at twice its size, or of the whole page.
func pictureOf(t *testing.T, ctx context.Context, element string) []byte {
	t.Helper()
	if element == "" {
		shot, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
		require.NoError(t, err)
		return shot
	}
	require.NoError(t, chromedp.Do(ctx, chromedp.EmulateViewport(1220, 2400, chromedp.EmulateScale(2))))
	var clip cdppage.Viewport
	require.NoError(t, json.Unmarshal([]byte(eval(t, ctx, `(() => {
		freeze();
		document.activeElement.blur();
		window.shown = `+element+`;
		shown.classList.add('picture');
		shown.scrollIntoView({block: 'center'});
		const {x, y, width, height} = shown.getBoundingClientRect();
		return {x, y, width, height, scale: 1};
	})()`)), &clip))
	shot, err := chromedp.Call(ctx, cdppage.CaptureScreenshot, cdppage.CaptureScreenshotParams{Clip: &clip})
	require.NoError(t, err)
	eval(t, ctx, `shown.classList.remove('picture'); true`)
	require.NoError(t, chromedp.Do(ctx, chromedp.EmulateViewport(1500, 950)))
	return shot.Data
}

// small is a picture in its 256 commonest colours, which text and emoji hardly need more of.
func small(t *testing.T, shot []byte) []byte {
	t.Helper()
	full, err := png.Decode(bytes.NewReader(shot))
	require.NoError(t, err)
	counts := map[color.RGBA]int{}
	at := func(x, y int) color.RGBA { return color.RGBAModel.Convert(full.At(x, y)).(color.RGBA) }
	area := full.Bounds()
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			counts[at(x, y)]++
		}
	}
	var colours color.Palette
	for c := range counts {
		colours = append(colours, c)
	}
	slices.SortFunc(colours, func(a, b color.Color) int {
		return cmp.Compare(counts[b.(color.RGBA)], counts[a.(color.RGBA)])
	})
	colours = colours[:min(len(colours), 256)]
	nearest := map[color.RGBA]uint8{}
	for c := range counts {
		nearest[c] = uint8(colours.Index(c))
	}
	reduced := image.NewPaletted(area, colours)
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			reduced.SetColorIndex(x, y, nearest[at(x, y)])
		}
	}
	var out bytes.Buffer
	require.NoError(t, (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, reduced))
	return out.Bytes()
}
