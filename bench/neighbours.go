package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	webexsim "nms-alert-relay/internal/simulator/webex"
	zabbixsim "nms-alert-relay/internal/simulator/zabbix"
)

// people speak in the room; each may give 30 commands at once.
var people = []string{"alice@example.com", "bob@example.com"}

// neighbours is the part of a configuration that says who stands beside the relay.
func neighbours(webex, zabbix string) string {
	return fmt.Sprintf(`webex:
  api_url: %s/v1
  bots: [{name: relay, token_env: BENCH_WEBEX, listen: webhook}]
zabbix:
  - {name: main, url: %q, api_token_env: BENCH_ZABBIX, secret_env: BENCH_SECRET}
rooms:
  - {name: noc, id: %q}
default_rooms: [noc]
people: [{domain: example.com, role: operator}]
`, webex, zabbix, webexsim.RoomID("noc"))
}

func environment() []string {
	return []string{"BENCH_WEBEX=" + webexsim.DefaultBotToken, "BENCH_ZABBIX=" + zabbixsim.RelayToken, "BENCH_SECRET=" + secret}
}

// world is a simulated Webex and a simulated Zabbix, in this process.
type world struct {
	webex               *webexsim.Server
	zabbix              *zabbixsim.Server
	webexURL, zabbixURL string
	close               func()
}

// newWorld starts both on loopback addresses. The Webex limits nobody.
func newWorld() (_ *world, err error) {
	w := &world{webex: webexsim.NewDefault(webexsim.Options{})}
	if w.zabbix, err = zabbixsim.New(zabbixsim.Options{Version: "7.0.22", Quick: true}); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	var servers []*http.Server
	w.close = func() {
		stop()
		for _, s := range servers {
			_ = s.Close() // nothing to drain
		}
		w.webex.Close()
		running.Wait()
	}
	for _, s := range []struct {
		h   http.Handler
		url *string
	}{{w.webex, &w.webexURL}, {w.zabbix, &w.zabbixURL}} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			w.close()
			return nil, err
		}
		server := &http.Server{Handler: s.h, ReadHeaderTimeout: 5 * time.Second}
		servers = append(servers, server)
		*s.url = "http://" + l.Addr().String()
		running.Go(func() { _ = server.Serve(l) }) // it ends with close
	}
	running.Go(func() { _ = w.zabbix.Run(ctx) }) // it only ends with ctx
	return w, nil
}
