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

// renderCards renders cards below each other, and returns the visible text, the links and the loaded images of each.
const renderCards = `(cards, parser) => {
	const markdown = ` + markdownParsers + `[parser];
	AdaptiveCards.AdaptiveCard.onProcessMarkdown = (text, result) => { result.outputHtml = markdown.render(text); result.didProcess = true; };
	document.body.replaceChildren();
	return cards.map(content => {
		const card = new AdaptiveCards.AdaptiveCard();
		card.parse(content);
		const shown = card.render();
		shown.style.cssText += ';width:560px;margin:8px;border:1px solid #ccc;padding:8px;font-family:sans-serif';
		document.body.append(shown);
		return {
			lines: [...shown.querySelectorAll('.ac-richTextBlock, .ac-textBlock')].map(e => e.textContent),
			blocks: shown.querySelectorAll('.ac-textBlock').length,
			links: [...shown.querySelectorAll('a')].map(e => e.href),
			made: [...shown.querySelectorAll('b, strong, i, em, img, code, s, del, h1, h2, ul, ol, blockquote, script, iframe')].map(e => e.tagName),
			buttons: [...shown.querySelectorAll('button')].map(e => e.textContent),
			inputs: [...shown.querySelectorAll('textarea, input')].map(e => e.placeholder),
		};
	});
}`

type seenCard struct {
	Lines, Links, Made, Buttons, Inputs []string
	Blocks                              int
}

// namedProblem has the same text in every field with free text.
func namedProblem(name string) alert.Problem {
	at := time.Date(2026, 11, 24, 13, 18, 0, 0, time.UTC)
	update := alert.Update{At: at, Actor: alert.Actor{Name: name}, Message: name, Actions: alert.Actions{Ack: true, Comment: true}}
	return alert.Problem{
		Key: alert.Key{Source: "main", EventID: "4711"}, Origin: alert.OriginTrigger, State: alert.StateOpen, Severity: alert.High, Acknowledged: true, OpenedAt: at, CanClose: true,
		Facts: alert.Facts{Name: name, OpData: "value " + name, Hosts: []alert.Host{{Host: "h", Name: name}}, TriggerID: "7",
			Tags: []alert.Tag{{Tag: "tag", Value: name}}},
		Timeline: []alert.Entry{{Seq: 1, Kind: alert.EntryUpdate, At: at, Update: &update}},
	}
}

// In the card renderer of Webex's desktop and web clients, with each of its markdown parsers, names appear literally, and untrusted
// text never becomes a link, a style or an image.
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
	var cards []any
	var check []func(seenCard)
	add := func(p alert.Problem, presentation config.Presentation, look func(seenCard)) {
		card, _ := r.Card(p, render.Room{Presentation: presentation}, render.SamplesNow)
		cards, check = append(cards, card), append(check, func(s seenCard) {
			require.NotEmpty(t, s.Lines)
			require.Zero(t, s.Blocks, "a TextBlock is markdown")
			require.Empty(t, s.Made)
			for _, link := range s.Links {
				require.True(t, strings.HasPrefix(link, "https://zabbix.example.com/") || link == p.TriggerURL, link)
			}
			require.NotContains(t, strings.Join(s.Lines, "\n"), "&lt;all")
			look(s)
		})
	}
	for _, name := range testdata.Names {
		shown := strings.ReplaceAll(text.LineWith(name, " ⏎ "), "{{DATE(", "{\u200b{DATE(")
		add(namedProblem(name), config.PresentThread, func(s seenCard) {
			require.Equal(t, []string{"🟧 " + shown + " · 4711"}, s.Lines)
			require.Equal(t, []string{"Unacknowledge", "Comment", "Close problem", "Zabbix"}, s.Buttons)
			require.Equal(t, []string{"Comment"}, s.Inputs)
		})
		add(namedProblem(name), config.PresentCard, func(s seenCard) {
			require.Equal(t, "🟧 High problem, acknowledged · "+shown, s.Lines[0])
			require.Equal(t, shown+" · 📈 value "+shown, s.Lines[1])
			require.Contains(t, s.Lines[2], "✋ "+shown+" acknowledged")
			require.Len(t, s.Links, 1, "to Zabbix")
		})
	}
	for _, p := range render.Samples() {
		add(p, config.PresentThread, func(seenCard) {})
		add(p, config.PresentCard, func(seenCard) {})
	}
	raw, err := json.Marshal(cards)
	require.NoError(t, err)
	for _, parser := range []string{"whole", "lenient", "webex"} {
		var seen []seenCard
		require.NoError(t, json.Unmarshal([]byte(eval(t, ctx, `JSON.stringify((`+renderCards+`)(`+string(raw)+`, "`+parser+`"))`)), &seen))
		require.Len(t, seen, len(cards))
		for i, s := range seen {
			check[i](s)
		}
	}
	if file := os.Getenv("CARD_PICTURE"); file != "" {
		png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(file, png, 0o600))
	}
}

// browser opens an empty page in Chromium.
func browser(t *testing.T) context.Context {
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.WindowSize(640, 1400))
	allocator, free := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(free)
	tab, shut := chromedp.NewContext(allocator)
	t.Cleanup(shut)
	_, err := chromedp.Run(tab, chromedp.Navigate("about:blank"))
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(tab, 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}
