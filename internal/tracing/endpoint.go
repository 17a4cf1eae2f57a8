package tracing

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpguts"

	"nms-alert-relay/internal/text"
)

// tracesPath is where an OTLP receiver accepts traces, below its base URL.
const tracesPath = "/v1/traces"

// endpoint returns the URL that spans are sent to: of the configuration, or of the environment as OpenTelemetry specifies it. ""
// turns tracing off.
func endpoint(configured string, env func(string) string) (string, error) {
	if strings.EqualFold(env("OTEL_SDK_DISABLED"), "true") {
		return "", nil
	}
	if configured != "" {
		return below(configured), nil
	}
	if env("OTEL_TRACES_EXPORTER") == "none" {
		return "", nil
	}
	name, address := "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", strings.TrimSpace(env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"))
	if address == "" {
		name = "OTEL_EXPORTER_OTLP_ENDPOINT"
		if address = strings.TrimSpace(env(name)); address == "" {
			return "", nil
		}
		address = below(address)
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return "", fmt.Errorf("environment variable %s: invalid URL %q (expected http:// or https:// and a host, such as http://127.0.0.1:4318)", name, redactURL(address))
	}
	name = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
	if env(name) == "" {
		name = "OTEL_EXPORTER_OTLP_PROTOCOL"
	}
	if p := env(name); p == "grpc" {
		return "", fmt.Errorf("environment variable %s: %q is not supported (use http/protobuf and the receiver's HTTP port, usually 4318)", name, p)
	}
	return address, nil
}

// below returns the traces' address below a base URL.
func below(base string) string {
	base = strings.TrimRight(base, "/")
	if strings.HasSuffix(base, tracesPath) {
		return base
	}
	return base + tracesPath
}

// headers returns the headers of each export: those of the environment, as OpenTelemetry specifies them, and the token, which wins.
func headers(o Options) map[string]string {
	list := map[string]string{}
	for pair := range strings.SplitSeq(cmp.Or(o.Env("OTEL_EXPORTER_OTLP_TRACES_HEADERS"), o.Env("OTEL_EXPORTER_OTLP_HEADERS")), ",") {
		name, value, found := strings.Cut(pair, "=")
		decoded, err := url.PathUnescape(strings.TrimSpace(value))
		if name = strings.TrimSpace(name); found && err == nil && httpguts.ValidHeaderFieldName(name) && httpguts.ValidHeaderFieldValue(decoded) {
			list[http.CanonicalHeaderKey(name)] = decoded
		}
	}
	if o.Token != "" {
		list["Authorization"] = "Bearer " + o.Token
	}
	return list
}

func redactURL(address string) string { return text.RedactURL(address) }
