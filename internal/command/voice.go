package command

import (
	"cmp"
	"time"

	"nms-alert-relay/internal/binding"
	"nms-alert-relay/internal/lang"
	"nms-alert-relay/internal/reconcile"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/webex"
)

// voice is how replies are written in a room: its language and time zone, and whether ids need their source.
type voice struct {
	lang.Lang
	room    render.Room
	several bool
}

// roomOf returns the settings for messages in the room of a command.
func roomOf(c store.Command, v View) render.Room { return v.roomSettings(c.Room) }

// roomSettings are those of a room by its configured name. A space has those of its messages; any other name is a direct chat.
func (v View) roomSettings(name string) render.Room {
	if binding.IsSpace(name) && v.Settings != nil {
		if room, ok := v.Settings(name, ""); ok {
			return room
		}
	}
	room := render.Room{Lang: v.Language, Location: v.Location}
	for _, r := range v.Rooms {
		if r.Name == name && name != "" {
			room = render.Room{Name: r.Name, Lang: cmp.Or(r.Language, v.Language), Location: r.TimeZone.Location, Presentation: r.Presentation}
		}
	}
	room.Location = cmp.Or(room.Location, v.Location, time.UTC)
	return room
}

// scopeOf is an input under a configuration. The person's own time zone counts in their direct chat.
func scopeOf(in Input, v View) scope {
	if own := in.ownZone(); own != nil && in.Direct && in.Room == "" {
		v.Location = own
	}
	return scope{in, v}
}

// ownZone is the person's own time zone; nil if they have set none, or it was set on a machine with other zones.
func (in Input) ownZone() *time.Location {
	own, err := time.LoadLocation(in.Zone)
	if err != nil || in.Zone == "" {
		return nil
	}
	return own
}

// clock is the zone in which the person reads and writes the times of their reminders and reports, in any room: their own, else that of
// the room.
func (s scope) clock(c store.Command) *time.Location {
	return cmp.Or(s.Input.ownZone(), roomOf(c, s.View).Location)
}

func (v View) voiceIn(room string) voice {
	settings := v.roomSettings(room)
	return voice{settings.Lang, settings, v.Several}
}

func (s scope) voice() voice { return s.voiceIn(s.Input.Room) }

// voice is that of the command's room, which never changes.
func (b *batch) voice(v View) voice { return scopeOf(*b.job.d.Input, v).voiceIn(b.job.c.Room) }

func (say voice) moment(t, now time.Time) string { return say.room.Moment(t, now) }

// momentIn is moment in another zone, such as a person's own.
func (say voice) momentIn(loc *time.Location, t, now time.Time) string {
	room := say.room
	room.Location = loc
	return room.Moment(t, now)
}

// date is a day: "2 Jan 2006".
func (say voice) date(t time.Time) string {
	return say.Time(t.In(cmp.Or(say.room.Location, time.UTC)), "2 Jan 2006")
}

// inMessage is an error in a reply, escaped.
type inMessage struct{ error }

func (m inMessage) In(l lang.Lang) string { return webex.EscapeMarkdown(l.Error(m.error)) }

// languageOf is the language of the room where something was said.
func (e *Executor) languageOf(in Input) lang.Lang { return e.o.View().voiceIn(in.Room).Lang }

func doubtWords(l lang.Lang, r reconcile.Reason) string { return l.Written(string(r)) }
