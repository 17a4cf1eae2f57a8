//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/testdata"
	"nms-alert-relay/internal/text"
)

// cardModules is where .ci/run installs the card renderer and the markdown parser of Webex's clients (JavaScript).
func cardModules(t *testing.T) string {
	dir := os.Getenv("CARD_MODULES")
	require.NotEmpty(t, dir, "CARD_MODULES: expected the directory of node_modules that `.ci/run install` fills")
	return dir
}

// Markdown parsers of clients: the full one, and the one of Webex's own components, which doesn't know entities.
const markdownParsers = `{
	whole: markdownit(),
	lenient: markdownit({html: true, linkify: true, breaks: true, typographer: true}),
	webex: markdownit('zero').enable(['emphasis', 'escape', 'link', 'list', 'newline', 'normalize', 'paragraph', 'strikethrough']),
}`

// renderCards renders cards below each other as the apps do, and returns what the renderer complains about, and the visible text, the links and
// the buttons of each: of the card itself and, with the parser that knows most, of each part behind a button.
const renderCards = `(cards, parser, dark, keep) => {
	const markdown = ` + markdownParsers + `[parser];
	AdaptiveCards.AdaptiveCard.onProcessMarkdown = (text, result) => { result.outputHtml = markdown.render(text); result.didProcess = true; };
	const page = dark ? '#1a1a1a' : '#ffffff', ink = dark ? '#ededed' : '#121212', dim = dark ? '#b0b0b0' : '#545454', line = dark ? '#4d4d4d' : '#b8b8b8';
	const style = document.createElement('style');
	style.textContent = 'body { margin: 0; background: ' + page + '; font: 14px sans-serif } .card { width: 328px; margin: 8px; border: 1px solid ' + line + '; border-radius: 8px; padding: 8px }' +
		'.ac-pushButton { font: inherit; color: ' + ink + '; background: transparent; border: 1px solid ' + line + '; border-radius: 16px; padding: 6px 12px; white-space: normal; min-height: 36px }' +
		'.ac-pushButton.style-positive { border-color: #1d7d5f; color: ' + (dark ? '#52cfa5' : '#1d7d5f') + ' } .ac-pushButton.style-destructive { border-color: #c12c4c; color: ' + (dark ? '#fc8b98' : '#c12c4c') + ' }' +
		'a { color: ' + (dark ? '#64b4fa' : '#0353a8') + ' } .ac-input { font: inherit; color: ' + ink + '; background: ' + page + '; border: 1px solid ' + line + '; border-radius: 8px; padding: 6px; width: 100%; box-sizing: border-box }';
	document.head.replaceChildren(style);
	document.body.replaceChildren();
	const color = {default: {default: ink, subtle: dim}, accent: {default: dark ? '#64b4fa' : '#0353a8', subtle: dim}};
	const host = new AdaptiveCards.HostConfig({
		fontFamily: 'sans-serif', fontSizes: {small: 12, default: 14, medium: 16, large: 18, extraLarge: 22}, supportsInteractivity: true,
		containerStyles: {default: {backgroundColor: page, foregroundColors: color}, emphasis: {backgroundColor: dark ? '#262626' : '#f7f7f7', foregroundColors: color}},
		spacing: {small: 4, default: 8, medium: 16, large: 24, extraLarge: 32, padding: 8}, separator: {lineThickness: 1, lineColor: line},
		actions: {maxActions: 5, spacing: 'default', buttonSpacing: 8, showCard: {actionMode: 'inline', inlineTopMargin: 8}, actionsOrientation: 'horizontal', actionAlignment: 'left'},
	});
	const seen = (shown, part) => ({
		part,
		lines: [...shown.querySelectorAll('.ac-richTextBlock, .ac-textBlock')].map(e => e.textContent),
		blocks: shown.querySelectorAll('.ac-textBlock').length,
		links: [...shown.querySelectorAll('a')].map(e => e.href),
		made: [...shown.querySelectorAll('b, strong, i, em, img, code, s, del, h1, h2, ul, ol, blockquote, script, iframe')].map(e => e.tagName),
		buttons: [...shown.querySelectorAll('button')].map(e => e.textContent),
		inputs: [...shown.querySelectorAll('textarea, input, select')].map(e => { const l = e.labels && e.labels[0] || shown.querySelector('[for="' + e.id + '"]'); return l ? l.textContent : ''; }),
		wide: parser === 'whole' && [...shown.querySelectorAll('.ac-actionSet, .ac-richTextBlock')].some(e => e.scrollWidth > e.clientWidth),
	});
	return cards.map(content => {
		const card = new AdaptiveCards.AdaptiveCard(), context = new AdaptiveCards.SerializationContext(AdaptiveCards.Versions.v1_3);
		card.hostConfig = host;
		card.parse(content, context);
		const faults = [];
		for (let i = 0; i < context.eventCount; i++) faults.push(context.getEventAt(i).message);
		for (const e of card.validateProperties().validationEvents) faults.push(e.message);
		const shown = card.render(), frame = document.createElement('div');
		frame.className = 'card';
		frame.append(shown);
		document.body.append(frame);
		const parts = [seen(shown, '')];
		for (const title of parser === 'whole' ? ['More', 'Suppress'] : []) {
			const button = [...shown.querySelectorAll('button')].find(b => b.textContent === title);
			if (button) { button.click(); parts.push(seen(shown, title)); button.click(); }
		}
		if (!keep) frame.remove();
		return {faults, parts};
	});
}`

type seenCard struct {
	Faults []string
	Parts  []seenPart
}

// seenPart is a card as it is shown: as posted, or with one part open.
type seenPart struct {
	Part                                string
	Lines, Links, Made, Buttons, Inputs []string
	Blocks                              int
	Wide                                bool // a part of it is cut off, or the page scrolls sideways
}

// namedProblem has the same text in every field with free text.
func namedProblem(name string) alert.Problem {
	at := time.Date(2026, 11, 24, 13, 18, 0, 0, time.UTC)
	update := alert.Update{At: at, Actor: alert.Actor{Name: name}, Message: name, Actions: alert.Actions{Ack: true, Comment: true}}
	return alert.Problem{
		Key: alert.Key{Source: "main", EventID: "4711"}, Origin: alert.OriginTrigger, State: alert.StateOpen, Severity: alert.High, Acknowledged: true, OpenedAt: at, CanClose: true, CanSuppress: true,
		Facts: alert.Facts{Name: name, OpData: "value " + name, Hosts: []alert.Host{{Host: "h", Name: name}}, TriggerID: "7",
			Tags: []alert.Tag{{Tag: "tag", Value: name}}},
		Timeline: []alert.Entry{{Seq: 1, Kind: alert.EntryUpdate, At: at, Update: &update}},
	}
}

// In the card renderer of Webex's desktop and web clients, at a phone's width and with each of its markdown parsers, cards are valid, nothing is cut
// off, names appear literally, and untrusted text never becomes a link, a style or an image.
func TestCardsInABrowser(t *testing.T) {
	modules := cardModules(t)
	ctx := browser(t)
	for _, file := range []string{"adaptivecards/dist/adaptivecards.min.js", "markdown-it/dist/browser/markdown-it.umd.min.js"} {
		script, err := os.ReadFile(filepath.Join(modules, file))
		require.NoError(t, err)
		_, err = chromedp.Run(ctx, chromedp.Evaluate[[]byte](string(script)+";true"))
		require.NoError(t, err, file)
	}
	r, err := render.New(render.Options{Sources: map[string]string{"main": "https://zabbix.example.com"}})
	require.NoError(t, err)
	if dir := os.Getenv("CARD_PICTURES"); dir != "" {
		photograph(t, ctx, r, dir)
	}
	var cards []any
	var check []func(seenCard)
	add := func(p alert.Problem, presentation config.Presentation, look func(seenPart)) {
		card, _ := r.Card(p, render.Room{Presentation: presentation}, render.SamplesNow)
		cards, check = append(cards, card), append(check, func(s seenCard) {
			require.Empty(t, s.Faults)
			for _, part := range s.Parts {
				require.NotEmpty(t, part.Lines)
				require.Zero(t, part.Blocks, "a TextBlock is markdown")
				require.Empty(t, part.Made)
				require.False(t, part.Wide, "wider than a phone: %q", part.Lines)
				require.NotContains(t, part.Inputs, "", "an input without a label")
				for _, link := range part.Links {
					require.True(t, strings.HasPrefix(link, "https://zabbix.example.com/") || link == p.TriggerURL, link)
				}
				require.NotContains(t, strings.Join(part.Lines, "\n"), "&lt;all")
			}
			look(s.Parts[0])
		})
	}
	bar := []string{"Unacknowledge", "Take", "Comment", "Suppress", "More"}
	for _, name := range testdata.Names {
		shown := strings.ReplaceAll(text.LineWith(name, " ⏎ "), "{{DATE(", "{\u200b{DATE(")
		add(namedProblem(name), config.PresentThread, func(s seenPart) {
			require.Equal(t, []string{"🟧 High · " + shown + " · 4711", "Comment"}, s.Lines)
			require.Equal(t, bar, s.Buttons)
			require.Equal(t, []string{"Comment"}, s.Inputs, "the labels")
		})
		add(namedProblem(name), config.PresentCard, func(s seenPart) {
			require.Equal(t, "🟧 High problem, acknowledged · "+shown, s.Lines[0])
			require.Equal(t, shown+" · 📈 value "+shown, s.Lines[1])
			require.Contains(t, s.Lines[2], "✋ "+shown+" acknowledged")
			require.Len(t, s.Links, 1, "to Zabbix")
			require.Equal(t, bar, s.Buttons)
		})
	}
	for _, p := range render.Samples() {
		add(p, config.PresentThread, func(seenPart) {})
		add(p, config.PresentCard, func(seenPart) {})
	}
	raw, err := json.Marshal(cards)
	require.NoError(t, err)
	for _, parser := range []string{"whole", "lenient", "webex"} {
		var seen []seenCard
		require.NoError(t, json.Unmarshal([]byte(eval(t, ctx, `JSON.stringify((`+renderCards+`)(`+string(raw)+`, "`+parser+`", false, false))`)), &seen))
		require.Len(t, seen, len(cards))
		for i, s := range seen {
			check[i](s)
		}
	}
}

// photograph writes pictures of the sample problems' cards, as posted and with each part open, in light and dark.
func photograph(t *testing.T, ctx context.Context, r *render.Renderer, dir string) {
	for name, p := range render.Samples() {
		for _, presentation := range []config.Presentation{config.PresentThread, config.PresentCard} {
			card, _ := r.Card(p, render.Room{Presentation: presentation}, render.SamplesNow)
			raw, err := json.Marshal([]any{card, card, card})
			require.NoError(t, err)
			for theme, dark := range map[string]string{"light": "false", "dark": "true"} {
				eval(t, ctx, `(`+renderCards+`)(`+string(raw)+`, "webex", `+dark+`, true);
					[...document.querySelectorAll('.card')].forEach((c, i) => { for (const b of c.querySelectorAll('button')) if (b.textContent === ['', 'Suppress', 'More'][i]) b.click(); }); true`)
				png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(filepath.Join(dir, name+"-"+string(presentation)+"-"+theme+".png"), png, 0o600))
			}
		}
	}
}

// browser opens an empty page in Chromium.
func browser(t *testing.T) context.Context {
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.WindowSize(360, 740))
	allocator, free := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(free)
	tab, shut := chromedp.NewContext(allocator)
	t.Cleanup(shut)
	_, err := chromedp.Run(tab, chromedp.EmulateViewport(360, 740))
	require.NoError(t, err)
	_, err = chromedp.Run(tab, chromedp.Navigate("about:blank"))
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(tab, 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}
