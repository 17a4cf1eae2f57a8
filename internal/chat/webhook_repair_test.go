package chat

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"nms-alert-relay/internal/webex"
)

const public = "https://relay.example.com"

// existing returns a webhook as Webex lists it.
func existing(id string, w webex.Webhook, change func(*webex.Webhook)) webex.Webhook {
	w.ID = id
	if change != nil {
		change(&w)
	}
	return w
}

// A bot needs webhooks for mentions, direct messages and card buttons, filtered so that it doesn't receive its
// own messages.
func TestWantedWebhooks(t *testing.T) {
	want := wanted("noc", public+"/", "s3cret")
	require.Equal(t, []webex.Webhook{
		{Name: "alert-relay: noc messages in groups", TargetURL: public + "/v1/webex/noc", Resource: "messages", Event: "created", Filter: "roomType=group&mentionedPeople=me", Secret: "s3cret", Status: "active"},
		{Name: "alert-relay: noc direct messages", TargetURL: public + "/v1/webex/noc", Resource: "messages", Event: "created", Filter: "roomType=direct", Secret: "s3cret", Status: "active"},
		{Name: "alert-relay: noc buttons of cards", TargetURL: public + "/v1/webex/noc", Resource: "attachmentActions", Event: "created", Secret: "s3cret", Status: "active"},
		{Name: "alert-relay: noc edited messages in groups", TargetURL: public + "/v1/webex/noc", Resource: "messages", Event: "updated", Filter: "roomType=group&mentionedPeople=me", Secret: "s3cret", Status: "active"},
		{Name: "alert-relay: noc edited direct messages", TargetURL: public + "/v1/webex/noc", Resource: "messages", Event: "updated", Filter: "roomType=direct", Secret: "s3cret", Status: "active"},
	}, want)
}

// Each fault of a bot's webhooks, and its repair.
func TestPlan(t *testing.T) {
	want := wanted("noc", public, "s3cret")[:3]
	good := func() []webex.Webhook {
		return []webex.Webhook{existing("A", want[0], nil), existing("B", want[1], nil), existing("C", want[2], nil)}
	}
	foreign := webex.Webhook{ID: "F", Name: "somebody's", TargetURL: "https://elsewhere.example.com", Resource: "messages", Event: "created", Status: "inactive"}
	renamed := func(w *webex.Webhook) { w.Name, w.TargetURL = "alert-relay: noc old", "https://old.example.com" } // known by the prefix alone
	for _, c := range []struct {
		why  string
		have []webex.Webhook
		want []string
	}{
		{"none", nil, []string{"create  missing", "create  missing", "create  missing"}},
		{"all well", good(), nil},
		{"others' are left alone", append(good(), foreign), nil},
		{"disabled", []webex.Webhook{good()[0], good()[1], existing("C", want[2], func(w *webex.Webhook) { w.Status = "inactive" })}, []string{"update C is inactive"}},
		{"another target", []webex.Webhook{good()[0], existing("B", want[1], func(w *webex.Webhook) { w.TargetURL = "https://old.example.com" }), good()[2]}, []string{"update B has another target"}},
		{"another secret", []webex.Webhook{existing("A", want[0], func(w *webex.Webhook) { w.Secret = "other" }), good()[1], good()[2]}, []string{"update A has another secret"}},
		{"a secret that Webex omits counts as right", []webex.Webhook{existing("A", want[0], func(w *webex.Webhook) { w.Secret = "" }), good()[1], good()[2]}, nil},
		{"a filter in another order is the same", []webex.Webhook{existing("A", want[0], func(w *webex.Webhook) { w.Filter = "mentionedPeople=me&roomType=group" }), good()[1], good()[2]}, nil},
		{"another filter can't be changed", []webex.Webhook{existing("A", want[0], func(w *webex.Webhook) { w.Filter = "" }), good()[1], good()[2]}, []string{"delete A no longer wanted", "create  missing"}},
		{"another event can't be changed", []webex.Webhook{existing("A", want[0], func(w *webex.Webhook) { w.Event = "all" }), good()[1], good()[2]}, []string{"delete A no longer wanted", "create  missing"}},
		{"doubles", append(good(), existing("A2", want[0], nil), existing("A3", want[0], nil)), []string{"delete A2 duplicate", "delete A3 duplicate"}},
		{"of duplicates the valid one is kept", []webex.Webhook{existing("A0", want[0], func(w *webex.Webhook) { w.Status = "inactive" }), good()[0], good()[1], good()[2]}, []string{"delete A0 duplicate"}},
		{"another name of the relay", []webex.Webhook{existing("A", want[0], renamed), good()[1], good()[2]}, []string{"update A has another target"}},
		{"another name beside the right one", append(good(), existing("O", want[0], renamed)), []string{"delete O duplicate"}},
		{"another name that listens to something else", append(good(), existing("O", want[0], func(w *webex.Webhook) { w.Name, w.Event = "alert-relay: noc x", "deleted" })), []string{"delete O no longer wanted"}},
		{"a name that only contains the relay's prefix is another program's", append(good(), existing("O", want[0], func(w *webex.Webhook) { w.Name, w.TargetURL = "nms-"+w.Name, "https://elsewhere.example.com" })), nil},
		{"a webhook with our target is taken over, whatever its name", []webex.Webhook{existing("A", want[0], func(w *webex.Webhook) { w.Name = "made by hand" }), good()[1], good()[2]}, []string{"update A has another name"}},
	} {
		var got []string
		for _, s := range plan(c.have, want) {
			got = append(got, fmt.Sprintf("%s %s %s", s.op, s.hook.ID, s.why))
			if s.op != opDelete {
				require.Equal(t, "s3cret", s.hook.Secret, c.why)
				require.Equal(t, "active", s.hook.Status, c.why)
			}
		}
		require.Equal(t, c.want, got, c.why)
	}
}

// One repair is enough for any set of webhooks, and leaves those of other programs alone.
func TestPlanConverges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := wanted("noc", public, "s3cret")
		pick := func(what string, values ...string) string { return rapid.SampledFrom(values).Draw(t, what) }
		var have []webex.Webhook
		for i := range rapid.IntRange(0, 8).Draw(t, "n") {
			have = append(have, webex.Webhook{
				ID:        fmt.Sprint("W", i),
				Name:      pick("name", want[0].Name, want[1].Name, want[2].Name, "alert-relay: x", "another's"),
				TargetURL: pick("target", want[0].TargetURL, "https://old.example.com"), Resource: pick("resource", "messages", "attachmentActions"),
				Event: pick("event", "created", "all"), Filter: pick("filter", "", want[0].Filter, want[1].Filter),
				Secret: pick("secret", "", "s3cret", "other"), Status: pick("status", "active", "inactive"),
			})
		}
		var foreign []webex.Webhook
		for _, w := range have {
			if w.Name == "another's" && w.TargetURL != want[0].TargetURL {
				foreign = append(foreign, w)
			}
		}
		after := map[string]webex.Webhook{}
		for _, w := range have {
			after[w.ID] = w
		}
		for i, s := range plan(have, want) {
			switch s.op {
			case opDelete:
				delete(after, s.hook.ID)
			case opUpdate: // Webex changes these and nothing else
				w := after[s.hook.ID]
				w.Name, w.TargetURL, w.Secret, w.Status = s.hook.Name, s.hook.TargetURL, s.hook.Secret, s.hook.Status
				after[s.hook.ID] = w
			case opCreate:
				s.hook.ID = fmt.Sprint("N", i)
				after[s.hook.ID] = s.hook
			}
		}
		var list []webex.Webhook
		for _, w := range after {
			list = append(list, w)
		}
		require.Empty(t, plan(list, want))
		require.Len(t, list, len(want)+len(foreign))
		for _, w := range foreign {
			require.Equal(t, w, after[w.ID])
		}
	})
}
