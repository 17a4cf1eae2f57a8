package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"nms-alert-relay/internal/simulator/webexsim"
	"nms-alert-relay/internal/simulator/zabbixsim"
	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/sqlite"
)

// patience bounds every wait. It is so long that a busy machine makes no difference.
const patience = time.Minute

// commands are the scripts' commands besides those of testscript.
//
//	exits CODE ARGS…           runs alert-relay and requires this exit code
//	start NAME ARGS…           starts alert-relay in the background; "terminate" or the script's end ends it
//	await NAME REGEXP          waits for a line of its output; named groups become variables
//	signal NAME [HUP]          sends SIGTERM, or SIGHUP
//	terminate NAME             sends SIGTERM and requires exit code 0; stdout and stderr are its own. With !: repeats SIGTERM until
//	                           the program dies of it
//	post URL SECRET FILE       posts an event as the media type does
//	get URL [REGEXP]           waits for a 200 with a matching body, which becomes stdout. With !: for another status
//	hold ADDRESS SECRET        begins a request and never ends it
//	room URL NAME REGEXP       waits until a room of the simulated Webex at URL matches; stdout is the room
//	expand FILE…               expands variables in files
//	control URL METHOD [JSON]  calls a simulator; the members of its answer become variables, in capitals
//	journal STORE SOURCE FILE  appends FILE as an event to the journal of a stopped relay
var commands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"exits": exits, "start": start, "await": await, "terminate": terminate, "post": post, "get": get, "hold": hold, "signal": sendSignal, "room": room, "expand": expand,
	"control": control, "journal": journal,
}

func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec("alert-relay", args[1:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// program runs in the background.
type program struct {
	cmd    *exec.Cmd
	out    output
	stdout bytes.Buffer // read after it ended
	stderr bytes.Buffer
	ended  chan error
}

// output is what a program has printed so far.
type output struct {
	mu    sync.Mutex
	lines []string
	more  chan struct{} // closed when there are more lines, or no more will come
	done  bool
}

func (o *output) add(line string, done bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !done {
		o.lines = append(o.lines, line)
	}
	o.done = o.done || done
	close(o.more)
	o.more = make(chan struct{})
}

func (o *output) now() (lines []string, done bool, more chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.lines, o.done, o.more
}

type programsKey struct{}

func programs(ts *testscript.TestScript) map[string]*program {
	return ts.Value(programsKey{}).(map[string]*program)
}

func start(ts *testscript.TestScript, _ bool, args []string) {
	p := &program{ended: make(chan error, 1)}
	p.out.more = make(chan struct{})
	path, err := lookPath(ts, "alert-relay")
	ts.Check(err)
	p.cmd = exec.Command(path, args[1:]...)
	p.cmd.Dir = ts.MkAbs(".")
	for _, name := range append([]string{"PATH", "HOME", "TMPDIR", recordDir, "GOCOVERDIR"}, sortedSecrets()...) {
		p.cmd.Env = append(p.cmd.Env, name+"="+ts.Getenv(name))
	}
	var reading sync.WaitGroup
	for _, s := range []struct {
		pipe func() (io.ReadCloser, error)
		kept *bytes.Buffer
	}{{p.cmd.StdoutPipe, &p.stdout}, {p.cmd.StderrPipe, &p.stderr}} {
		pipe, err := s.pipe()
		ts.Check(err)
		reading.Go(func() {
			lines := bufio.NewScanner(io.TeeReader(pipe, s.kept))
			lines.Buffer(nil, 1<<20)
			for lines.Scan() {
				p.out.add(lines.Text(), false)
			}
		})
	}
	ts.Check(p.cmd.Start())
	go func() {
		reading.Wait()
		p.out.add("", true)
		p.ended <- p.cmd.Wait()
	}()
	programs(ts)[args[0]] = p
	ts.Defer(func() {
		if programs(ts)[args[0]] == p { // still running at the end of the script
			_ = p.cmd.Process.Kill()
			<-p.ended
			ts.Logf("%s printed:\n%s%s", args[0], &p.stdout, &p.stderr)
		}
	})
}

func lookPath(ts *testscript.TestScript, name string) (string, error) {
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s not found", name)
}

func sortedSecrets() []string {
	var names []string
	for name := range secrets {
		names = append(names, name)
	}
	return names
}

func await(ts *testscript.TestScript, _ bool, args []string) {
	pattern, err := regexp.Compile(args[1])
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	p := programs(ts)[args[0]]
	for {
		lines, done, more := p.out.now()
		for _, line := range lines {
			if groups := pattern.FindStringSubmatch(line); groups != nil {
				setGroups(ts, pattern, groups)
				return
			}
		}
		if done || ctx.Err() != nil {
			ts.Fatalf("%s never printed %s, but\n%s", args[0], args[1], strings.Join(lines, "\n"))
		}
		select {
		case <-more:
		case <-ctx.Done():
		}
	}
}

func setGroups(ts *testscript.TestScript, pattern *regexp.Regexp, groups []string) {
	for i, name := range pattern.SubexpNames() {
		if name != "" {
			ts.Setenv(name, groups[i])
		}
	}
}

func sendSignal(ts *testscript.TestScript, _ bool, args []string) {
	s := syscall.SIGTERM
	if len(args) > 1 && args[1] == "HUP" {
		s = syscall.SIGHUP
	}
	ts.Check(programs(ts)[args[0]].cmd.Process.Signal(s))
}

func terminate(ts *testscript.TestScript, neg bool, args []string) {
	p := programs(ts)[args[0]]
	delete(programs(ts), args[0])
	ts.Check(p.cmd.Process.Signal(syscall.SIGTERM))
	timer := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	var err error
	for ended := false; !ended; {
		var again <-chan time.Time
		if neg {
			again = time.After(10 * time.Millisecond)
		}
		select {
		case err = <-p.ended:
			ended = true
		case <-again:
			_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended just now
		}
	}
	if !timer.Stop() {
		err = fmt.Errorf("did not end within %s", patience)
	}
	if neg {
		if err == nil || err.Error() != "signal: terminated" {
			ts.Fatalf("%s ended with %v", args[0], err)
		}
		return
	}
	_, _ = ts.Stdout().Write(p.stdout.Bytes()) // a buffer
	_, _ = ts.Stderr().Write(p.stderr.Bytes())
	if err != nil {
		ts.Fatalf("%s after SIGTERM: %v\n%s", args[0], err, &p.stderr)
	}
}

func post(ts *testscript.TestScript, neg bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := zabbixsim.Post(ctx, http.DefaultClient, args[0], args[1], []byte(ts.ReadFile(args[2])), time.Now())
	if neg != (err != nil) {
		ts.Fatalf("posting %s: %v", args[2], err)
	}
	if err != nil {
		fmt.Fprintln(ts.Stderr(), err)
	}
}

// hold keeps a request unfinished until the script ends.
func hold(ts *testscript.TestScript, _ bool, args []string) {
	conn, err := net.Dial("tcp", args[0])
	ts.Check(err)
	ts.Defer(func() { _ = conn.Close() }) // best effort
	_, err = io.WriteString(conn, "POST /v1/zabbix/events HTTP/1.1\r\nHost: relay\r\nAuthorization: Bearer "+args[1]+"\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n")
	ts.Check(err)
	ts.Check(conn.SetReadDeadline(time.Now().Add(patience)))
	first, err := bufio.NewReader(conn).ReadString('\n') // the relay asks for the body: the request is in flight
	if err != nil || !strings.Contains(first, "100 Continue") {
		ts.Fatalf("%s did not ask for the body: %q, %v", args[0], first, err)
	}
}

func get(ts *testscript.TestScript, neg bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	pattern, err := regexp.Compile(append(args, "")[1])
	ts.Check(err)
	for {
		body, err := fetch(ctx, args[0])
		if neg == (err != nil) && body != nil && pattern.Match(body) {
			_, _ = ts.Stdout().Write(body) // a buffer
			return
		}
		select {
		case <-ctx.Done():
			ts.Fatalf("%s never answered %s, but (%v)\n%s", args[0], pattern, err, body)
		case <-time.After(10 * time.Millisecond): // metrics and readiness are made to be polled
		}
	}
}

func fetch(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answered %s: %s", url, resp.Status, body)
	}
	return body, err
}

func room(ts *testscript.TestScript, _ bool, args []string) {
	pattern, err := regexp.Compile(args[2])
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	// Subscribe before reading the state, so that no change is missed.
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, args[0]+"/sim/events", nil)
	ts.Check(err)
	changes, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer changes.Body.Close()
	lines := bufio.NewReader(changes.Body)
	for shown := ""; ; {
		raw, err := fetch(ctx, args[0]+"/sim/state")
		if err == nil {
			var state webexsim.State
			ts.Check(json.Unmarshal(raw, &state))
			shown = transcript(state, args[1])
			if groups := pattern.FindStringSubmatch(shown); groups != nil {
				setGroups(ts, pattern, groups)
				_, _ = io.WriteString(ts.Stdout(), shown) // a buffer
				return
			}
			_, err = lines.ReadString('\n')
		}
		if err != nil {
			ts.Fatalf("room %s never showed %s, but\n%s(%v)", args[1], args[2], shown, err)
		}
	}
}

// transcript returns a room as text: a line for each root, with its thread below.
func transcript(state webexsim.State, name string) string {
	var out strings.Builder
	for _, r := range state.Rooms {
		if r.Name != name {
			continue
		}
		for _, root := range r.Messages {
			if root.ParentID != "" || root.Deleted {
				continue
			}
			say(&out, "", root)
			for _, m := range r.Messages {
				if m.ParentID == root.ID && !m.Deleted {
					say(&out, "  ", m)
				}
			}
		}
	}
	return out.String()
}

func say(out *strings.Builder, indent string, m webexsim.MessageView) {
	if m.Card != nil {
		fmt.Fprintf(out, "%s%s: [card]\n", indent, m.From.Name)
		return
	}
	words := strings.Fields(m.Text)
	for _, f := range m.Files {
		words = append(words, fmt.Sprintf("[%s, %d bytes]", f.Name, f.Size))
	}
	fmt.Fprintf(out, "%s%s: %s\n", indent, m.From.Name, strings.Join(words, " "))
}

func expand(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		text := os.Expand(ts.ReadFile(name), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o600))
	}
}

func control(ts *testscript.TestScript, _ bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, args[1], args[0], strings.NewReader(strings.Join(args[2:], " ")))
	ts.Check(err)
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	ts.Check(err)
	if resp.StatusCode == http.StatusNoContent {
		return
	}
	var said map[string]string
	if err := json.Unmarshal(answer, &said); err != nil || resp.StatusCode != http.StatusOK {
		ts.Fatalf("%s %s answered %s: %s (%v)", args[1], args[0], resp.Status, answer, err)
	}
	for name, value := range said {
		ts.Setenv(strings.ToUpper(name), value)
	}
}

func journal(ts *testscript.TestScript, _ bool, args []string) {
	s, err := sqlite.Open(context.Background(), sqlite.Options{Path: ts.MkAbs(args[0])})
	ts.Check(err)
	_, err = s.Append(context.Background(), store.Entry{Source: args[1], Kind: store.EntryEvent, Payload: []byte(ts.ReadFile(args[2])), ReceivedAt: time.Now()})
	ts.Check(err)
	ts.Check(s.Close())
}
