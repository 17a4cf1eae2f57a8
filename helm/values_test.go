package helm

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/strvals"
)

// values reads an example and changes it as --set and --set-json do: an assignment whose value begins with [ or { is JSON.
func values(t testing.TB, example string, sets ...string) map[string]any {
	t.Helper()
	read, err := chartutil.ReadValuesFile(filepath.Join("examples", example+".yaml"))
	require.NoError(t, err)
	changed := read.AsMap()
	for _, set := range sets {
		parse := strvals.ParseInto
		if _, value, _ := strings.Cut(set, "="); strings.HasPrefix(value, "[") || strings.HasPrefix(value, "{") {
			parse = strvals.ParseJSON
		}
		require.NoError(t, parse(set, changed), set)
	}
	return changed
}

// Rendering fails for values that can't work, with a message that names the key.
func TestMistakesAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		set  string
		want string
	}{
		"unknown key":              {"strom.threshold=3", "at '': additional properties 'strom' not allowed"},
		"unknown key of the relay": {"config.strom.threshold=3", "at '/config': additional properties 'strom' not allowed"},
		"unknown key in a list":    {"config.rooms[0].nam=noc", "at '/config/rooms/0': additional properties 'nam' not allowed"},
		"a secret in the values":   {"config.webex.bots[0].token=abc", "at '/config/webex/bots/0': additional properties 'token' not allowed"},
		"a key in the values":      {"config.encryption.keys=MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", "at '/config/encryption': additional properties 'keys' not allowed"},
		"a key in place of a file": {"config.encryption.keys_file=MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", "isn't a whole path: files of secrets are in /etc/alert-relay/secrets/"},
		"a key without its Secret": {`config.encryption.keys_file=["/etc/alert-relay/secrets/key-2", "/etc/alert-relay/secrets/encryption-key"]`, "config.encryption.keys_file[0]: no key in secrets makes the file /etc/alert-relay/secrets/key-2"},
		"a Zabbix without URL":     {`config.zabbix=[{"name": "main"}]`, "at '/config/zabbix/0': missing property 'url'"},
		"a wrong word":             {"config.log.level=loud", "at '/config/log/level': value must be one of 'debug', 'info', 'warn', 'error'"},
		"a number for a duration":  {"config.storm.window=90", "at '/config/storm/window': got number, want null or string"},
		"true for a number":        {"config.flapping.count=true", "at '/config/flapping/count': got boolean, want null or integer or string"},
		"another store":            {"config.store.driver=postgres", "at '/config/store/driver': value must be one of 'sqlite'"},
		"shared volume":            {"persistence.accessModes[0]=ReadWriteMany", "at '/persistence/accessModes/0': value must be one of 'ReadWriteOnce', 'ReadWriteOncePod'"},
		"service type":             {"service.type=External", "at '/service/type': value must be one of 'ClusterIP', 'NodePort', 'LoadBalancer'"},
		"misspelt key of a secret": {`secrets=[{"existingSecret": "a", "keys": [{"kye": "b"}]}]`, "at '/secrets/0/keys/0': additional properties 'kye' not allowed"},
		"a secret without keys":    {`secrets=[{"existingSecret": "a"}]`, "at '/secrets/0': missing property 'keys'"},
		"a tag as digest":          {"image.digest=v1", "at '/image/digest': 'v1' does not match pattern"},

		"two relays": {"replicas=2", "replicas: 2 relays can't share a SQLite store (config.store.driver): use replicas: 1"},
		"no image":   {"image.repository=", "image.repository is missing: the image in your registry, such as registry.example.com/alert-relay"},
		"a store off the volume": {"config.store.path=/tmp/relay.db",
			"config.store.path: /tmp/relay.db isn't on the volume: use a file below /var/lib/alert-relay/"},
		"admin on loopback": {"config.server.admin_listen=127.0.0.1:9090",
			"config.server.admin_listen: nothing outside of the container reaches 127.0.0.1:9090, not even the probes: use 0.0.0.0 and a port"},
		"a directory as store": {"config.store.path=/var/lib/alert-relay/", "config.store.path: /var/lib/alert-relay/ is a directory: add the file's name"},
		"public on loopback": {"config.server.listen=127.0.0.1:8080",
			"config.server.listen: nothing outside of the container reaches 127.0.0.1:8080, not even the probes: use 0.0.0.0 and a port"},
		"one port for both": {"config.server.admin_listen=:8080",
			"config.server: listen and admin_listen have the same port, 8080: use another one for admin_listen"},
		"a label of the chart": {`podLabels={"team": "noc", "app.kubernetes.io/component": "x"}`,
			"podLabels: app.kubernetes.io/component is the chart's own, by which it finds its pod: use another label"},
		"a relative file": {"config.webex.bots[0].token_file=webex-token",
			"config.webex.bots[0].token_file: webex-token isn't a whole path: files of secrets are in /etc/alert-relay/secrets/"},
		"an open admin listener": {"config.server.admin_token_file=",
			"config.server: the admin listener is open to the whole cluster: set admin_token_file to a file of secrets, or admin_insecure: true if networkPolicy protects it"},
		"a file that no secret has": {"config.webex.bots[0].token_file=/etc/alert-relay/secrets/token",
			"config.webex.bots[0].token_file: no key in secrets makes the file /etc/alert-relay/secrets/token: " +
				"add it to the keys of an existingSecret (there are admin-token, encryption-key, relay-secret, ticket-secret, webex-token, zabbix-token)"},
		"no secrets": {"secrets=[]",
			"no key in secrets makes the file /etc/alert-relay/secrets/ticket-secret: add it to the keys of an existingSecret (there is none)"},
		"one file from two secrets": {`secrets=[{"existingSecret": "a", "keys": ["token"]}, {"existingSecret": "b", "keys": [{"key": "x", "file": "token"}]}]`,
			"secrets: a and b both have a file token: give one of them another name with {key: token, file: NAME}"},
		"an ingress without host": {"config.server.public_url=", "ingress.host is missing: give it, or config.server.public_url"},
		"a route without gateway": {"httpRoute.enabled=true", "httpRoute.parentRefs is missing: the gateway, such as [{name: public, namespace: gateways}]"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := render(t, values(t, "ingress", c.set))
			require.ErrorContains(t, err, c.want)
		})
	}
	t.Run("no values at all", func(t *testing.T) {
		_, err := render(t, map[string]any{})
		require.ErrorContains(t, err, "at '/config': missing properties 'webex', 'rooms', 'default_rooms'")
	})
	t.Run("an open admin listener without a network policy", func(t *testing.T) {
		_, err := render(t, values(t, "minimal", "config.server.admin_insecure=true", "networkPolicy.enabled=false"))
		require.ErrorContains(t, err, "config.server.admin_insecure: every pod of the cluster reaches the admin listener: set networkPolicy.enabled, or admin_token_file instead")
	})
	t.Run("https without the certificate's name", func(t *testing.T) {
		tls := `config.server.admin_tls={"cert_file": "/tls/tls.crt", "key_file": "/tls/tls.key"}`
		_, err := render(t, values(t, "prometheus-operator", tls))
		require.ErrorContains(t, err, "serviceMonitor.tlsConfig is missing")
		mustRender(t, "prometheus-operator", tls, `serviceMonitor.tlsConfig={"serverName": "relay.example.com"}`)
	})
	t.Run("no replica", func(t *testing.T) { mustRender(t, "ingress", "replicas=0") })
}

// Every value of values.yaml is in the schema, and the other way round: a key in one of them alone has no effect.
func TestValuesAreThoseOfTheSchema(t *testing.T) {
	schema := readJSON(t, "alert-relay/values.schema.json")
	defaults, err := chartutil.ReadValuesFile("alert-relay/values.yaml")
	require.NoError(t, err)
	text, err := os.ReadFile("alert-relay/values.yaml")
	require.NoError(t, err)
	templates := allTemplates(t)
	var compare func(path string, schema, values map[string]any)
	compare = func(path string, schema, values map[string]any) {
		properties, _ := schema["properties"].(map[string]any)
		for key, value := range properties {
			full := strings.TrimPrefix(path+"."+key, ".")
			if full == "global" || full == "config" || strings.HasPrefix(full, "secrets") {
				continue
			}
			_, given := values[key]
			require.True(t, given || strings.Contains(string(text), "# "+key+": "), "values.yaml lacks %s", full)
			below, isMap := values[key].(map[string]any)
			nested, _ := value.(map[string]any)["properties"].(map[string]any)
			if isMap && len(below) > 0 && nested != nil {
				compare(full, value.(map[string]any), below)
				continue
			}
			require.Contains(t, templates, ".Values."+full, "no template uses %s", full)
		}
	}
	compare("", schema, defaults)
}
