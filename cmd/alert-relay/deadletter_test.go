package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"nms-alert-relay/internal/store"
	"nms-alert-relay/internal/store/sqlite"
)

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
