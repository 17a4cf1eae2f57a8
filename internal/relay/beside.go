package relay

import (
	"context"

	"nms-alert-relay/internal/webex"
)

// beside is the client of a bot as chat has it: its calls keep to what Webex told the
// account, as delivery's do (delivery.Delivery.Beside).
type beside struct {
	bot    string
	client *webex.Client
	call   func(ctx context.Context, bot, op string, call func() error) error
}

func get[T any](ctx context.Context, b beside, op string, call func() (T, error)) (out T, err error) {
	err = b.call(ctx, b.bot, op, func() (err error) {
		out, err = call()
		return err
	})
	return out, err
}

func (b beside) Me(ctx context.Context) (webex.Person, error) {
	return get(ctx, b, "GET /people/me", func() (webex.Person, error) { return b.client.Me(ctx) })
}

func (b beside) GetMessage(ctx context.Context, id string) (webex.Message, error) {
	return get(ctx, b, "GET /messages/{id}", func() (webex.Message, error) { return b.client.GetMessage(ctx, id) })
}

func (b beside) GetPerson(ctx context.Context, id string) (webex.Person, error) {
	return get(ctx, b, "GET /people/{id}", func() (webex.Person, error) { return b.client.GetPerson(ctx, id) })
}

func (b beside) GetAttachmentAction(ctx context.Context, id string) (webex.AttachmentAction, error) {
	return get(ctx, b, "GET /attachment/actions/{id}", func() (webex.AttachmentAction, error) { return b.client.GetAttachmentAction(ctx, id) })
}

func (b beside) Webhooks(ctx context.Context) ([]webex.Webhook, error) {
	return get(ctx, b, "GET /webhooks", func() ([]webex.Webhook, error) { return b.client.Webhooks(ctx) })
}

func (b beside) CreateWebhook(ctx context.Context, w webex.Webhook) (webex.Webhook, error) {
	return get(ctx, b, "POST /webhooks", func() (webex.Webhook, error) { return b.client.CreateWebhook(ctx, w) })
}

func (b beside) UpdateWebhook(ctx context.Context, w webex.Webhook) (webex.Webhook, error) {
	return get(ctx, b, "PUT /webhooks/{id}", func() (webex.Webhook, error) { return b.client.UpdateWebhook(ctx, w) })
}

func (b beside) DeleteWebhook(ctx context.Context, id string) error {
	return b.call(ctx, b.bot, "DELETE /webhooks/{id}", func() error { return b.client.DeleteWebhook(ctx, id) })
}
