package command

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"nms-alert-relay/internal/alert"
	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/webex"
	"nms-alert-relay/internal/zabbix"
)

// scriptLane begins the names of the lanes in which scripts run, one for each source: a script may take minutes, and other commands
// don't wait for it.
const scriptLane = "scripts:"

const (
	// maxOutput is how much of a script's output the reply shows, in bytes; the rest is in a file.
	maxOutput = 3000
	// maxOutputFile is the size of that file.
	maxOutputFile = 1 << 20
)

func scriptVerbs() []verb {
	return []verb{{
		name: Run, role: viewer, // each script has a role of its own
		usage: "run SCRIPT [on HOST]", does: "runs a script of Zabbix's on a host, if the configuration lists the script; in a problem's thread on its host. `run` alone lists the scripts",
		examples: []string{"run ping on sw1", "run"},
		parse:    parseRun, work: &worker{setup: " --scripts", role: scriptRole, approval: scriptApproval, begin: beginRun, step: stepRun},
	}}
}

// parseRun parses "SCRIPT", "SCRIPT on HOST" and nothing.
func parseRun(n Names, v *verb, _ spoken, t named) (Request, *misunderstanding) {
	script, rest := firstWord(strings.TrimLeft(t.rest, ":,- "))
	task := Task{Script: strings.Trim(script, "`'\"*:")}
	on, host := firstWord(rest)
	switch host = strings.TrimSpace(host); {
	case strings.TrimSpace(rest) == "":
	case !strings.EqualFold(on, "on") || host == "":
		return Request{}, misunderstood(v.name, "I don't understand `%s`, so I ran nothing. For example: `run ping on sw1`. Scripts get no words from here.", echo(rest))
	default:
		if after, ok := strings.CutPrefix(host, "host="); ok {
			task.Technical, host = true, after
		}
		if name, after := cutName(host); strings.HasPrefix(host, `"`) && strings.TrimSpace(after) == "" {
			host = name
		}
		n.addHosts(&task, []string{host})
	}
	return Request{Verb: v.name, Task: &task}, nil
}

// script returns a configured script.
func (v View) script(name string) (config.Script, bool) {
	return byName(v.Scripts, name, func(s config.Script) string { return s.Name })
}

func scriptRole(v View, t Task) config.Role {
	s, ok := v.script(t.Script)
	if !ok || len(s.Sources) > 0 && !slices.Contains(s.Sources, t.Source) {
		return ""
	}
	return s.Role
}

func scriptApproval(v View, t Task) (role config.Role, needed bool) {
	s, _ := v.script(t.Script)
	return s.Role, s.Approval
}

func beginRun(ctx context.Context, e *Executor, s scope, c *store.Command, r *Request) ([]attempt, *refusal, error) {
	v, t := r.Verb.entry(), *r.Task
	r.Task = &t
	if t.Script == "" {
		return nil, &refusal{store.CommandDone, s.scriptList()}, nil
	}
	script, ok := s.script(t.Script)
	if !ok {
		return nil, &refusal{store.CommandFailed, s.unknownScript(t.Script)}, nil
	}
	t.Script = script.Name
	sources := e.acting()
	if len(script.Sources) > 0 {
		sources = slices.DeleteFunc(sources, func(name string) bool { return !slices.Contains(script.Sources, name) })
	}
	at, refused, err := e.placeOf(ctx, s, c, v, script.Role, &t, sources)
	switch {
	case refused != nil || err != nil:
		return nil, refused, err
	case len(t.Hosts) != 1:
		return nil, &refusal{store.CommandFailed, s.voice().T("❔ On which host? For example: `run %s on sw1`. A script runs on one host at a time.", webex.EscapeCode(script.Name))}, nil
	case at.source == "":
		return nil, whichZabbix(s.voice().Lang, v, sources, "run "+webex.EscapeCode(script.Name)+" on %ssw1"), nil
	case !slices.Contains(sources, at.source):
		return nil, &refusal{store.CommandFailed, s.voice().T("🚫 `%s` can't be run in Zabbix `%s`.", webex.EscapeCode(script.Name), webex.EscapeCode(at.source))}, nil
	}
	does := s.voice().T("run `%s` on %s", webex.EscapeCode(script.Name), t.named(s.voice().Lang))
	return []attempt{{Key: sourceKey(at.source), Lane: scriptLane + at.source, Does: does}}, nil, nil
}

// scriptList lists the scripts that the person may run from here.
func (s scope) scriptList() string {
	l, role, lines := s.voice().Lang, s.role(), []string{}
	for _, script := range s.Scripts {
		if !role.AtLeast(script.Role) {
			continue
		}
		line := l.T("`run %s on HOST`: “%s” in Zabbix", webex.EscapeCode(script.Name), webex.EscapeMarkdown(script.Script))
		if script.Approval {
			line += l.T(", with a second person's approval")
		}
		lines = append(lines, "- "+line)
	}
	return offers(l.T("Scripts that you may run:"), lines,
		l.T("ℹ️ There is no script that you may run from here. The relay's administrator can list some, under `scripts` in the configuration."))
}

func (s scope) unknownScript(name string) string {
	names, l := text.Names(s.Scripts, func(c config.Script) string { return c.Name }), s.voice().Lang
	return unknownName(l, l.T("❔ I don't know the script `%s`, so I ran nothing.", echo(name)), name, "run ", names, l.T(" `run` lists the scripts."))
}

// stepRun runs a script at most once: a script may not be repeatable, so a lost answer ends the command.
func stepRun(ctx context.Context, e *Executor, l *lane, b *batch, r round) (time.Duration, error) {
	a, t := b.attempts[0], *b.req.Task
	view := e.o.View()
	say := b.voice(view)
	if a.Stage == stageExecuting {
		return 0, e.endAttemptsAs(ctx, b, stageUnknown, scriptUnknown(a, say))
	}
	if r.late {
		return 0, e.endAttempts(ctx, b, stageExpired, func(a attempt) string { return e.expired(b.job, a, b.req, r.until) })
	}
	script, _ := view.script(t.Script) // it is configured: stillMay has checked it
	found, err := l.zabbix.FindScripts(context.WithoutCancel(ctx), script.Script)
	if err != nil {
		return e.cannotYet(ctx, l, b, err, r)
	}
	if t, err = endSentence(ctx, l, t); err != nil {
		return e.cannotYet(ctx, l, b, err, r)
	}
	hosts, refusal, err := findHosts(ctx, l, say.Lang, t)
	switch {
	case err != nil:
		return e.cannotYet(ctx, l, b, err, r)
	case refusal != "":
	case len(found) == 0:
		refusal = say.T("❔ Zabbix `%s` has no script “%s” for hosts, or the relay's user may not see it. Nothing was run.", webex.EscapeCode(l.source), webex.EscapeMarkdown(script.Script))
	case len(found) > 1:
		refusal = say.T("❔ Zabbix `%s` has %d scripts named “%s”, in different menus. Nothing was run. Rename one in Zabbix.", webex.EscapeCode(l.source), len(found), webex.EscapeMarkdown(script.Script))
	case found[0].Input:
		refusal = say.T("🚫 The script “%s” asks for a value in Zabbix, which isn't possible from here. Nothing was run.", webex.EscapeMarkdown(script.Script))
	}
	if refusal != "" {
		return 0, e.endAttemptsAs(ctx, b, stageRefused, refusal)
	}
	if second, needed := view.approval(b.req); needed {
		return 0, b.askFirst(ctx, e, approvalQuestion(say, asksRun(say, b.job.d.Input.Person, script, a.Key.Source, hosts[0]), second))
	}
	if err := e.executing(ctx, b); err != nil {
		return 0, err
	}
	result, err := l.zabbix.ExecuteScript(context.WithoutCancel(ctx), found[0].ID, hosts[0].ID)
	if err != nil {
		var ze *zabbix.Error
		if errors.As(err, &ze) && !ze.Unanswered { // it certainly wasn't sent
			return e.tryAgain(ctx, l, b, err, r)
		}
		e.o.Log.Warn("unknown whether a script ran: it isn't repeated", "command", b.job.c.ID, "script", script.Name, "error", err)
		said := scriptUnknown(a, say)
		if ze != nil && ze.Kind == zabbix.Unsupported {
			said += " " + webex.EscapeMarkdown(ze.Message)
		}
		return 0, e.endAttemptsAs(ctx, b, stageUnknown, said)
	}
	reply, whole := scriptReply(say, script.Name, hosts[0], result, b.req.For, presser(say.Lang, *b.job.d.Input))
	if whole != "" {
		file := store.File{Name: text.FileName(strings.NewReplacer("/", "_", `\`, "_").Replace(script.Name + "-" + hosts[0].Host + ".txt")), Type: "text/plain", Content: []byte(whole)}
		missing, err := e.attach(ctx, b.job.command(), "output", say.T("📎 The whole output"), file)
		if err != nil {
			return 0, err
		}
		reply += missing
	}
	stage := stageDone
	if result.Failed {
		stage = stageFailed
	}
	return 0, e.endAttemptsAs(ctx, b, stage, reply)
}

// asksRun is the question whether a script may be run.
func asksRun(say voice, person Person, script config.Script, source string, host zabbix.Host) string {
	return say.T("❔ %s wants to run `%s` on `%s` (Zabbix `%s`).", actorName(say.Lang, alert.Actor{Name: person.Name, Email: person.Email}),
		webex.EscapeCode(script.Name), webex.EscapeCode(text.Line(host.String())), webex.EscapeCode(source))
}

// attach sends a file in the thread of a command. part tells it from the command's other files: each is sent once. missing says why it
// isn't sent; "" if it is.
func (e *Executor) attach(ctx context.Context, c store.Command, part, markdown string, file store.File) (missing string, err error) {
	n := store.Notice{
		Kind: store.NoticeAnswer, Room: c.Room, Bot: c.Bot, ParentID: c.Thread(), Markdown: webex.CutMarkdown(markdown, webex.MaxMessageBytes), Trace: c.Trace,
		File: &file, Once: store.Once{Key: "command:" + c.ID + ":" + part, Digest: c.ID},
		State: store.NoticePending, CreatedAt: time.Now(),
	}
	if n.Room == "" {
		n.RoomID, n.Person = c.RoomID, c.Email
	}
	err = e.persist(ctx, "storing a file", func(ctx context.Context) error {
		_, err := e.o.Store.AddNotice(ctx, n)
		switch {
		case errors.Is(err, store.ErrFull):
			missing = "\n\n" + roomOf(c, e.o.View()).Lang.T("📎 The file isn't here: too many files wait to be sent. Ask again in a while.")
		default:
			if errors.Is(err, store.ErrKeyReused) { // it was sent before
				err = nil
			}
			return err
		}
		e.o.Log.Warn("the file of a command isn't posted", "command", c.ID, "file", part, "error", err)
		return nil
	})
	return missing, err
}

// scriptReply returns the reply with a script's output. whole is all of the output if the reply shows only its beginning.
func scriptReply(say voice, name string, host zabbix.Host, result zabbix.ScriptResult, asked, presser string) (reply, whole string) {
	script, on := webex.EscapeCode(name), webex.EscapeCode(text.Line(host.String()))
	said := say.T("✅ Ran `%s` on `%s`", script, on)
	if result.Failed {
		said = say.T("❌ Zabbix answered with an error to `%s` on `%s`", script, on)
	}
	if asked != "" {
		said += say.T(", for %s", webex.EscapeMarkdown(text.Cut(asked, 100)))
		if presser != "" {
			said += say.T(", approved by %s", presser)
		}
	}
	output := text.Block(text.CutBytes(result.Output, maxOutputFile))
	if output == "" {
		return said + say.T(". It printed nothing."), ""
	}
	shown := text.CutBytes(output, maxOutput)
	if shown != output {
		if i := strings.LastIndexByte(shown, '\n'); i > 0 {
			shown = shown[:i]
		}
		whole = output
	}
	said += ":\n\n```\n" + codeBlock(shown) + "\n```"
	if whole != "" {
		said += "\n\n" + say.T("This is the beginning, %d of %d lines; the file has everything.", strings.Count(shown, "\n")+1, strings.Count(output, "\n")+1)
	}
	return said, whole
}

// codeBlock makes untrusted text the inside of a fenced block of code.
func codeBlock(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		if line != "" {
			lines[i] = webex.EscapeCode(line)
		}
	}
	return strings.Join(lines, "\n")
}

func scriptUnknown(a attempt, say voice) string {
	return say.T("❓ I don't know whether it worked to %s: Zabbix `%s` may have got the request, and its answer was lost. I won't run it again. Check on the host, and send the command again if needed.", a.Does, webex.EscapeCode(a.Key.Source))
}
