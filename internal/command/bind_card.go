package command

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/store"
)

// buttonSubscription is the action of the buttons under a list of subscriptions. Their key is what they do, and the command whose reply
// the card is.
const buttonSubscription = "subscription"

// What they do; "end-7" ends a subscription.
const (
	subscribeHigh = "high"
	subscribeList = "list"
	subscribeEnd  = "end-"
)

// maxEndButtons bounds the buttons of a card.
const maxEndButtons = 5

// subscriptionPress reads a press on such a card.
func subscriptionPress(b Button) (Request, *misunderstanding) {
	what, asked, _ := strings.Cut(b.Key, "/")
	r := Request{Verb: Subscriptions, Card: asked}
	number, ends := strings.CutPrefix(what, subscribeEnd)
	switch {
	case what == subscribeList:
		return r, nil
	case what == subscribeHigh:
		r.Verb, r.Filter.Severity = Subscribe, map[alert.Severity]bool{alert.High: true, alert.Disaster: true}
		return r, nil
	case ends:
		if n, err := strconv.ParseInt(number, 10, 64); err == nil && n > 0 {
			r.Verb, r.Number = Unsubscribe, n
			return r, nil
		}
	}
	return r, &misunderstanding{Subscriptions, unknownButton()}
}

// replySubscriptions replies with the lines, and a card that lists the person's subscriptions. It replaces the card that was pressed.
func (e *Executor) replySubscriptions(ctx context.Context, c store.Command, s scope, r Request, lines ...string) (outcome string, err error) {
	asked := c
	if r.Card != "" {
		before, err := e.o.Store.Command(ctx, r.Card)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return "", err
		}
		if err == nil && before.RoomID == c.RoomID && before.PersonID == c.PersonID { // else it is somebody's invention: a card of its own
			asked = before
		}
	}
	card, now, say := tokenCard{}, time.Now(), s.voice()
	for _, line := range lines {
		if line != "" {
			card.lines = append(card.lines, line)
		}
	}
	list := e.subscriptions(s)
	if len(list) == 0 {
		card.lines = append(card.lines, say.T("ℹ️ You have no subscriptions. For example: `subscribe >=high host=db*`, or press the button."))
	} else {
		card.lines = append(card.lines, say.T("🔔 Your subscriptions:"))
	}
	high := false
	for i, b := range list {
		card.lines = append(card.lines, bindingLine(b, now, say)+s.restWords(b))
		high = high || b.Severity == ">=high" && b.Host == "" && b.Text == ""
		if i < maxEndButtons {
			card.buttons = append(card.buttons, tokenButton{say.T("End #%s", strconv.FormatInt(b.ID, 10)), "destructive", buttonSubscription, fmt.Sprintf("%s%d/%s", subscribeEnd, b.ID, asked.ID)})
		}
	}
	if !high {
		card.buttons = append([]tokenButton{{say.T("High and above"), "positive", buttonSubscription, subscribeHigh + "/" + asked.ID}}, card.buttons...)
	}
	card.buttons = append(card.buttons, tokenButton{say.T("List"), "default", buttonSubscription, subscribeList + "/" + asked.ID})
	return e.replyCard(ctx, asked, card)
}
