package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// notifyToken is the token of the demo's sender of status messages. It protects nothing.
const notifyToken = "simulated-notify-token"

// statusMessage is the body of the nth press of the page's button, as an Ansible play would send it: a deployment begins, then the same
// key edits its message.
func statusMessage(n int) map[string]string {
	key := fmt.Sprintf("deploy-%d", n/2)
	if n%2 == 0 {
		return map[string]string{"room": "noc", "key": key, "markdown": "🔄 **Deploying shop 4.2** to web1 … web4\n\nstarted by Ansible, play `deploy-shop`"}
	}
	return map[string]string{"room": "noc", "key": key, "markdown": "✅ **Deployed shop 4.2** to web1 … web4\n\nok=38 changed=12 failed=0, in 3m 41s · Ansible, play `deploy-shop`"}
}

// notify sends a message to the notify API of a relay.
func notify(ctx context.Context, relay string, message map[string]string) error {
	body, err := json.Marshal(message)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, relay+"/v1/notify", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+notifyToken)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusAccepted {
		answer, _ := io.ReadAll(io.LimitReader(res.Body, 1<<10)) // the status counts
		return fmt.Errorf("POST /v1/notify: %s: %s", res.Status, answer)
	}
	return nil
}
