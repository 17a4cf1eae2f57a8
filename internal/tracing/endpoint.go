package tracing

import (
	"fmt"
	"net/url"
	"strings"

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
	if p := env("OTEL_EXPORTER_OTLP_PROTOCOL"); p == "grpc" {
		return "", fmt.Errorf("environment variable OTEL_EXPORTER_OTLP_PROTOCOL: %q is not supported (use http/protobuf and the receiver's HTTP port, usually 4318)", p)
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

func redactURL(address string) string { return text.RedactURL(address) }
