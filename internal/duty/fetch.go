package duty

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/httpclient"
	"nms-alert-relay/internal/lang"
)

// Fetcher reads calendars.
type Fetcher struct {
	Version string
	Dial    func(ctx context.Context, network, address string) (net.Conn, error) // nil: the network
}

// Fetch reads a calendar and reduces it. key is its configuration key, for hints. An error never has the address.
func (f Fetcher) Fetch(ctx context.Context, c config.Calendar, key string) ([]byte, error) {
	if c.File != "" {
		return readFile(c.File)
	}
	transport, err := httpclient.New(httpclient.Options{ProxyURL: c.HTTP.ProxyURL.Reveal(), CAFile: c.HTTP.CAFile, CA: c.HTTP.CA, Key: key + ".url", Dial: f.Dial})
	if err != nil {
		return nil, err
	}
	defer transport.CloseIdleConnections()
	client := httpclient.NewClient(httpclient.ClientOptions{Transport: transport, Timeout: time.Duration(c.HTTP.Timeout), MaxAnswer: MaxBytes, Version: f.Version,
		Token: httpclient.NewToken("the address", c.Address(), "", nil, nil)}) // it isn't sent, but removed from errors
	answer, err := client.Do(ctx, httpclient.Call{Method: http.MethodGet, URL: c.Address(), Headers: http.Header{"Accept": {"text/calendar, */*;q=0.1"}}})
	switch {
	case err != nil:
		return nil, err
	case answer.Status/100 == 3:
		return nil, lang.Errorf("its server redirects (%d), which isn't followed: use the address that it leads to", answer.Status)
	case answer.Status == http.StatusNotFound || answer.Status == http.StatusGone || answer.Status == http.StatusUnauthorized || answer.Status == http.StatusForbidden:
		return nil, lang.Errorf("its server answered %d: the address isn't valid any more; make a new one there", answer.Status)
	case !answer.OK():
		return nil, lang.Errorf("its server answered %d", answer.Status)
	}
	return Reduce(answer.Body)
}

func readFile(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, lang.Errorf("cannot read %s: %s", name, cause(err).Error())
	}
	defer file.Close()
	raw, err := io.ReadAll(io.LimitReader(file, MaxBytes+1))
	if err != nil {
		return nil, lang.Errorf("cannot read %s: %s", name, cause(err).Error())
	}
	return Reduce(raw)
}

// cause is a file system error without its path.
func cause(err error) error {
	if p := new(os.PathError); errors.As(err, &p) {
		return p.Err
	}
	return err
}
