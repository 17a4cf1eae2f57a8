package zabbixsim

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/pace"
)

// Story plays the demo: a few problems at once, then people and machines act. It returns at its end or when ctx ends. interval is the
// pause between two acts; there are about twelve.
func (s *Server) Story(ctx context.Context, interval time.Duration) {
	t := s.triggers
	var link, cpu, edge, lag, disk, shop int64
	acts := []func(){
		func() { disk = s.Raise(t[4]); s.Raise(t[7]) },
		func() { link = s.Raise(t[0]) },
		func() { lag = s.Raise(t[3]) },
		func() { s.act("bob", lag, Acknowledge|Comment, "vacuum is running on the primary, watching it", 0) },
		func() { shop = s.Raise(t[5]) },
		func() { s.act("bob", shop, Severity|Comment, "customers see it", alert.High) },
		func() { edge = s.Raise(t[2]); cpu = s.Raise(t[1]) },
		func() { s.Resolve(lag) },
		func() { s.act("bob", link, Comment, "patch cable in rack 4 was loose", 0) },
		func() { s.Resolve(link) },
		func() { s.Resolve(cpu) },
		func() { s.Resolve(edge) },
		func() { s.act("bob", disk, Acknowledge, "", 0) },
	}
	for _, act := range acts {
		act()
		if !pace.Pause(ctx, interval, nil) {
			return
		}
	}
}

func (s *Server) act(user string, id int64, action int, message string, severity alert.Severity) {
	if err := s.Do(user, id, action, message, severity); err != nil {
		s.opts.Log.Warn("an act of the story failed", "error", err)
	}
}

// Everyday opens and resolves one problem at a time until ctx ends, with pauses around interval.
func (s *Server) Everyday(ctx context.Context, interval time.Duration, rnd *rand.Rand) {
	for {
		id := s.Raise(s.triggers[rnd.IntN(len(s.triggers))])
		if !pace.Pause(ctx, interval/2+time.Duration(rnd.Int64N(int64(interval))), nil) {
			return
		}
		s.Resolve(id)
		if !pace.Pause(ctx, interval/2+time.Duration(rnd.Int64N(int64(interval))), nil) {
			return
		}
	}
}

// Past adds a problem of the past, which somebody commented on and which has resolved, and sends what the media type sent about it.
func (s *Server) Past(t Trigger, opened time.Time, lasted time.Duration, username, comment string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.raise(t, opened)
	if i := slices.IndexFunc(s.users, func(u User) bool { return u.Username == username }); i >= 0 {
		s.nextAck++
		a := Ack{ID: s.nextAck, User: s.users[i], At: opened.Add(lasted / 2), Message: comment, Action: Comment}
		p.Acks = append(p.Acks, a)
		s.report(p, alert.KindUpdate, &a, 0)
	}
	s.nextID++
	p.RecoveryID, p.Resolved = s.nextID, opened.Add(lasted)
	s.report(p, alert.KindRecovery, nil, 0)
}

// Storm opens n problems at once, each on its own host, and returns their event ids.
func (s *Server) Storm(n int) []int64 {
	ids := make([]int64, n)
	for i := range ids {
		ids[i] = s.Raise(StormTrigger(i))
	}
	return ids
}
