package doctor

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"nms-alert-relay/internal/httpclient"
)

// relayChecks asks a running relay whether it accepts events. running is whether one answers.
func relayChecks(ctx context.Context, o Options) (checks []Check, running bool) {
	l := list{area: "relay"}
	word, answers, err := o.Ready(ctx)
	judgeReady(&l, word, answers, err, o.MustRun)
	return l.checks, answers
}

func judgeReady(l *list, word string, answers bool, err error, mustRun bool) {
	switch {
	case err != nil && !answers && mustRun:
		l.failure("running", err.Error(), "")
	case err != nil && !answers:
		l.warning("running", err.Error(), "")
	case err != nil:
		l.failure("running", "a relay runs, but accepts no events: "+err.Error(), "see its log; docs/troubleshooting.md has what to do")
	default:
		l.ok("running", "a relay answers: "+word)
	}
}

// publicURLChecks asks the relay's public address, by which Webex and Zabbix reach it.
func publicURLChecks(ctx context.Context, o Options) []Check {
	base := strings.TrimRight(o.Config.Server.PublicURL, "/")
	l := list{area: "relay"}
	if base == "" {
		return nil
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	defer transport.CloseIdleConnections()
	seen := &exchanges{next: transport, now: o.Now}
	answer, err := httpclient.NewClient(httpclient.ClientOptions{Transport: seen, Timeout: o.Timeout, MaxAnswer: 1 << 20, Version: o.Version,
		Token: httpclient.NewToken("the token", "", "", nil, nil)}).Do(ctx, httpclient.Call{Method: http.MethodGet, URL: base + "/v1/notify"})
	judgePublicURL(&l, base, answer, err)
	if seen.leaf != nil {
		judgeCertificate(&l, "certificate", "the public URL's certificate", seen.leaf, o.Now(), "renew it: Webex doesn't deliver webhooks to an expired one")
	}
	return l.checks
}

// judgePublicURL judges the answer to a request without a token: the relay's own refusal is what is expected.
func judgePublicURL(l *list, base string, a httpclient.Answer, err error) {
	ours := strings.Contains(string(a.Body), `"error"`)
	switch {
	case err != nil:
		l.warning("public URL", base+": "+err.Error(), "check server.public_url from outside too: it may be reachable there although it isn't from here")
	case ours && a.Status/100 == 4:
		l.ok("public URL", "a relay answers at "+base)
	case a.Status >= 500:
		l.failure("public URL", fmt.Sprintf("%s answers %d: a proxy before the relay doesn't reach it", base, a.Status), "start the relay, or correct the proxy's target")
	default:
		l.failure("public URL", fmt.Sprintf("%s answers %d, but not as a relay does", base, a.Status), "server.public_url must lead to server.listen, its paths below /v1/ included")
	}
}

// timeout is the timeout of one call.
func (o Options) timeout(configured time.Duration) time.Duration {
	if configured > 0 {
		return min(configured, o.Timeout)
	}
	return o.Timeout
}
