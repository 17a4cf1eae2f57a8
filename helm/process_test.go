//go:build e2e

package helm

import (
	"io"
	"net"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// process is a program that a test started.
type process struct {
	*exec.Cmd
	mu     sync.Mutex
	output strings.Builder
	done   chan struct{}
	err    error
}

func newProcess(name string, arguments ...string) *process {
	p := &process{Cmd: exec.Command(name, arguments...), done: make(chan struct{})}
	p.Stdout, p.Stderr = p, p
	return p
}

// start starts a program that ends with the test.
func start(t *testing.T, name string, arguments ...string) *process {
	t.Helper()
	p := newProcess(name, arguments...)
	p.start(t)
	return p
}

func (p *process) start(t *testing.T) {
	t.Helper()
	require.NoError(t, p.Start())
	go func() {
		p.err = p.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		_ = p.Process.Kill() // it may have ended already
		<-p.done
		if t.Failed() {
			t.Logf("%s:\n%s", p.Path, p)
		}
	})
}

// wait waits for its end.
func (p *process) wait() error {
	<-p.done
	return p.err
}

func (p *process) Write(data []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.Write(data)
}

// String is what it printed.
func (p *process) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.String()
}

// until waits until a condition holds, at most while the process runs.
func (p *process) until(t *testing.T, condition func() bool, what string) {
	t.Helper()
	for deadline := time.After(time.Minute); !condition(); {
		select {
		case <-p.done:
			require.Fail(t, "the process ended", "before %s: %v\n%s", what, p.err, p)
		case <-deadline:
			require.Fail(t, "nothing after a minute", "%s\n%s", what, p)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// after waits until the process prints a text and a word, and returns the word.
func (p *process) after(t *testing.T, text string) string {
	t.Helper()
	word := regexp.MustCompile(regexp.QuoteMeta(text) + `(\S+)\n`)
	p.until(t, func() bool { return word.MatchString(p.String()) }, text)
	return word.FindStringSubmatch(p.String())[1]
}

// freeAddress returns a free loopback address.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// get returns the status of an answer; 0 for none.
func get(url, token string) int {
	status, _ := request(url, token)
	return status
}

// body returns the content of an answer.
func body(url, token string) string {
	_, content := request(url, token)
	return content
}

func request(url, token string) (status int, content string) {
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return 0, err.Error()
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err.Error()
	}
	return answer.StatusCode, string(raw)
}
