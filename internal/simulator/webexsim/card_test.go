package webexsim

import (
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/webex"
)

func card(mutate func(map[string]any)) []webex.Attachment {
	c := map[string]any{
		"type": "AdaptiveCard", "version": "1.3",
		"body": []any{
			map[string]any{"type": "TextBlock", "text": "disk full"},
			map[string]any{"type": "Input.Text", "id": "comment", "value": "on it"},
		},
		"actions": []any{
			map[string]any{"type": "Action.Submit", "title": "Acknowledge", "data": map[string]any{"relay": 1, "action": "ack"}},
			map[string]any{"type": "Action.ShowCard", "title": "Suppress", "card": map[string]any{"type": "AdaptiveCard", "actions": []any{
				map[string]any{"type": "Action.Submit", "title": "Two hours", "data": map[string]any{"action": "suppress"}},
			}}},
		},
	}
	if mutate != nil {
		mutate(c)
	}
	return []webex.Attachment{{ContentType: webex.CardContentType, Content: c}}
}

// A message with a file or card can't be edited; another account's can't be edited or deleted.
func TestCardsAndFilesCannotBeEdited(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		ctx := t.Context()
		withCard, err := w.bot.CreateMessage(ctx, webex.NewMessage{RoomID: noc, Markdown: "fallback", Attachments: card(nil)})
		require.NoError(t, err)
		require.Len(t, withCard.Attachments, 1)
		_, err = w.bot.EditMessage(ctx, withCard.ID, noc, "x")
		refused(t, 400, err)

		withFile, err := w.bot.CreateMessage(ctx, webex.NewMessage{RoomID: noc, Markdown: "list", File: &webex.File{Name: "hosts.txt", ContentType: "text/plain", Content: []byte("db1\n")}})
		require.NoError(t, err)
		_, err = w.bot.EditMessage(ctx, withFile.ID, noc, "x")
		refused(t, 400, err)
		view, _ := w.Message(withFile.ID)
		require.Equal(t, "db1\n", string(view.Files[0].Content))
		require.Equal(t, "text/plain", view.Files[0].ContentType)

		said, err := w.Say(Line{Room: "noc", From: alice, Text: "hi", MentionBot: true})
		require.NoError(t, err)
		_, err = w.bot.EditMessage(ctx, said.ID, noc, "x")
		refused(t, 403, err)
		refused(t, 403, w.bot.DeleteMessage(ctx, said.ID))
	})
}

func TestRefusedCards(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		body := func(elements ...any) func(map[string]any) {
			return func(c map[string]any) { c["body"] = elements }
		}
		actions := func(n int, kind string) func(map[string]any) {
			return func(c map[string]any) {
				list := []any{}
				for range n {
					list = append(list, map[string]any{"type": kind, "title": "x", "url": "https://zabbix.example"})
				}
				c["actions"] = list
			}
		}
		type object = map[string]any
		for name, bad := range map[string][]webex.Attachment{
			"version 1.4":         card(func(c map[string]any) { c["version"] = "1.4" }),
			"no version":          card(func(c map[string]any) { delete(c, "version") }),
			"another type":        card(func(c map[string]any) { c["type"] = "Card" }),
			"a table":             card(body(object{"type": "Table"})),
			"TextBlock, no text":  card(body(object{"type": "TextBlock"})),
			"no runs":             card(body(object{"type": "RichTextBlock", "inlines": []any{}})),
			"a run with a number": card(body(object{"type": "RichTextBlock", "inlines": []any{object{"type": "TextRun", "text": 5}}})),
			"a run without type":  card(body(object{"type": "RichTextBlock", "inlines": []any{object{"text": "x"}}})),
			"a run's bad address": card(body(object{"type": "RichTextBlock", "inlines": []any{object{"type": "TextRun", "text": "x", "selectAction": object{"type": "Action.OpenUrl", "url": "javascript:x"}}}})),
			"a number as text":    card(body(object{"type": "TextBlock", "text": 5})),
			"input without id":    card(body(object{"type": "Input.Text"})),
			"two inputs, one id":  card(body(object{"type": "Input.Text", "id": "a"}, object{"type": "Container", "items": []any{object{"type": "Input.Date", "id": "a"}}})),
			"choice":              card(body(object{"type": "Input.ChoiceSet", "id": "a", "choices": []any{object{"title": "x", "value": 1}}})),
			"a string as body":    card(func(c map[string]any) { c["body"] = "x" }),
			"a string as element": card(body("x")),
			"six actions":         card(actions(6, "Action.Submit")),
			"execute":             card(actions(1, "Action.Execute")),
			"toggle":              card(actions(1, "Action.ToggleVisibility")),
			"a script's URL": card(func(c map[string]any) {
				c["actions"] = []any{object{"type": "Action.OpenUrl", "url": "javascript:alert(1)"}}
			}),
			"a list as data": card(func(c map[string]any) {
				c["actions"] = []any{object{"type": "Action.Submit", "data": []any{}}}
			}),
			"two cards":    append(card(nil), card(nil)...),
			"content type": {{ContentType: "application/json", Content: object{}}},
			"no content":   {{ContentType: webex.CardContentType}},
		} {
			_, err := w.bot.CreateMessage(t.Context(), webex.NewMessage{RoomID: noc, Markdown: "x", Attachments: bad})
			require.Error(t, err, name)
			refused(t, 400, err)
		}
		_, err := w.bot.CreateMessage(t.Context(), webex.NewMessage{RoomID: noc, Attachments: card(actions(5, "Action.OpenUrl"))})
		require.NoError(t, err)
	})
}
