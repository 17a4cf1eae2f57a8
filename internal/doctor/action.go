package doctor

import (
	"context"
	"fmt"
	"net/url"

	"nms-alert-relay/internal/httpclient"
)

// actionChecks opens a connection to an action's endpoint. It makes no request: that would do something.
func actionChecks(ctx context.Context, o Options, i int) []Check {
	a := o.Config.Actions[i]
	l := list{area: "action", target: a.Name}
	transport, err := httpclient.New(httpclient.Options{ProxyURL: a.HTTP.ProxyURL.Reveal(), CAFile: a.HTTP.CAFile, CA: a.HTTP.CA, Key: fmt.Sprintf("actions[%d].url", i)})
	if err != nil {
		l.failure("connection", err.Error(), "")
		return l.checks
	}
	defer transport.CloseIdleConnections()
	host := a.Name
	if u, err := url.Parse(a.URL); err == nil {
		host = u.Host
	}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	switch through, err := transport.Connect(ctx, a.URL); {
	case err != nil:
		l.failure("connection", host+": "+shown(err.Error())+". The action waits until it can be reached, and is given up after command.expiry", "")
	case through != "":
		l.warning("connection", fmt.Sprintf("the proxy %s can be reached; whether %s can is seen only by a request", through, host), "")
	default:
		l.ok("connection", host+" can be reached; nothing was requested")
	}
	return l.checks
}
