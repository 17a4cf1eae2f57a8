package zabbix

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"
)

// Script is a script of Zabbix's for a host ("manual host action").
type Script struct {
	ID, Name string
	Input    bool // it asks the person for a value (since 7.0)
}

// ScriptResult is what a script printed.
type ScriptResult struct {
	Output string
	Failed bool // Zabbix answered with an error: the script failed, or didn't begin
}

const (
	scopeHost = "2" // a script's scope "manual host action"
	// scriptTimeout is how long a script may take: Zabbix's frontend waits for 60 s by default, and up to 300 s in 7.0.
	scriptTimeout = 305 * time.Second
)

// FindScripts returns the scripts with this name that can be run on a host: several may differ by their menu.
func (c *Client) FindScripts(ctx context.Context, name string) ([]Script, error) {
	const method = "script.get"
	var rows []struct{ ScriptID, Name, Scope, ManualInput text }
	err := c.permitted(method, c.call(ctx, method, func(v Version) any {
		output := []string{"scriptid", "name", "scope"}
		if v.ScriptInput {
			output = append(output, "manualinput")
		}
		return map[string]any{"output": output, "filter": map[string]any{"name": name}}
	}, &rows))
	if err != nil {
		return nil, err
	}
	var list []Script
	for _, r := range rows {
		if string(r.Scope) == scopeHost {
			list = append(list, Script{string(r.ScriptID), string(r.Name), string(r.ManualInput) == "1"})
		}
	}
	return list, nil
}

// ExecuteScript calls script.execute, once: it is never repeated in another form, since a script isn't idempotent. Zabbix answers with
// the output of a script that fails as it does with a refusal of its own, so both are a result. The error is of a call that has no
// answer: with Unanswered, the script may have run. Of the kind Unsupported it is a known failure of this version.
func (c *Client) ExecuteScript(ctx context.Context, scriptID, hostID string) (ScriptResult, error) {
	const method = "script.execute"
	v, _, err := c.current(ctx)
	if err != nil {
		return ScriptResult{}, preparation(err)
	}
	basic := c.to.Load().basic
	if basic && !v.TokenInBody {
		return ScriptResult{}, c.noPlace(v, method)
	}
	var result struct {
		Response string
		Value    text
	}
	failed := c.observedFor(ctx, scriptTimeout, c.token.Current(), basic || c.tokenInBody(v), method, map[string]string{"scriptid": scriptID, "hostid": hostID}, &result)
	var e *Error
	switch errors.As(asError(failed), &e); {
	case e == nil:
		return ScriptResult{Output: string(result.Value), Failed: result.Response != "success"}, nil
	case e.Code != 0:
		return ScriptResult{Output: strings.TrimSpace(e.said), Failed: true}, nil
	}
	if e.Status == http.StatusInternalServerError && !v.TokenScripts {
		e.Kind, e.Message = Unsupported, "Zabbix "+v.Text+" may fail on every script that is run with an API token (HTTP 500): this needs 7.0 or later."
	}
	return ScriptResult{}, e
}
