package zabbix

import (
	"time"

	"nms-alert-relay/internal/config"
	"nms-alert-relay/internal/httpclient"
)

// TransportOf returns how a source's API is reached. key is the configuration key of its URL, for hints.
func TransportOf(s config.Source, key string) httpclient.Options {
	return httpclient.Options{ProxyURL: s.HTTP.ProxyURL.Reveal(), CAFile: s.HTTP.CAFile, CA: s.HTTP.CA, Certificate: s.Certificate, Key: key}
}

// OptionsOf returns what the configuration says about calls to a source, without the API token.
func OptionsOf(s config.Source) Options {
	return Options{URL: s.URL, Timeout: time.Duration(s.HTTP.Timeout), Headers: s.Header(), Username: s.BasicAuth.Username, Password: s.BasicAuth.Password.Reveal()}
}
