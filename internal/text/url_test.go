package text

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A redacted address contains nothing that may be secret, whether the address is valid or not.
func TestRedactURL(t *testing.T) {
	for address, want := range map[string]string{
		"https://zabbix.example.com":                         "https://zabbix.example.com",
		"https://zabbix.example.com:8443/zabbix/":            "https://zabbix.example.com:8443/zabbix/",
		"http://[::1]:8080/x":                                "http://[::1]:8080/x",
		"http://bücher.example/ä":                            "http://bücher.example/ä",
		"https://admin:hunter2@zabbix.example.com":           "https://***@zabbix.example.com",
		"https://hunter2@zabbix.example.com/x":               "https://***@zabbix.example.com/x",
		"https://:hunter2@zabbix.example.com":                "https://***@zabbix.example.com",
		"https://admin:hun@ter2@zabbix.example.com":          "https://***@zabbix.example.com",
		"https://admin:hunter2/@zabbix.example.com":          "https://***@zabbix.example.com",
		"https://admin:hunter2?x@zabbix.example.com":         "https://***",
		"https://admin:hunter2#x@zabbix.example.com/y":       "https://***",
		"https://admin:hunter2%zz@zabbix.example.com":        "https://***@zabbix.example.com",
		"https://admin:hunter2 x@zabbix.example.com":         "https://***@zabbix.example.com",
		"https://admin:hunter2\n@zabbix.example.com":         "https://***@zabbix.example.com",
		`https://admin:"hunter2"@zabbix.example.com`:         "https://***@zabbix.example.com",
		"https://ädmin:hunter2ü@zabbix.example.com":          "https://***@zabbix.example.com",
		"https://admin:hunter2%40zabbix.example.com":         "https://***",
		"https://admin:hunter2":                              "https://***",
		"https://admin:hunter2/zabbix":                       "https://***",
		"https:\\\\admin:hunter2@zabbix.example.com":         "https:\\\\***@zabbix.example.com",
		"ftp://admin:hunter2@zabbix.example.com":             "ftp://***@zabbix.example.com",
		"postgres://relay:hunter2@db/relay?password=hunter2": "postgres://***@db/relay?***",
		"host=db user=relay password=hunter2":                "***",
		"admin:hunter2@zabbix.example.com":                   "***",
		"password=hunter2":                                   "***",
		"zabbix.example.com/api;token=hunter2":               "***",
		"//admin:hunter2@zabbix.example.com":                 "***",
		"https:/admin:hunter2@zabbix.example.com":            "***",
		"https://zabbix.example.com/?token=hunter2":          "https://zabbix.example.com/?***",
		"https://zabbix.example.com?token=hunter2#hunter2":   "https://zabbix.example.com?***",
		"https://zabbix.example.com/x#hunter2":               "https://zabbix.example.com/x#***",
		"zabbix.example.com":                                 "zabbix.example.com",
		"zabbix.example.com:8080/x":                          "zabbix.example.com:8080/x",
		"https://zabbix.example.com/?user=a@hunter2":         "https://***",
		"": "",
	} {
		require.Equal(t, want, RedactURL(address))
		require.NotContains(t, RedactURL(address), "hunter2")
		require.NotContains(t, RedactURL(address), "ter2")
	}
}

// A sentence stays the same except for the secrets of its address.
func TestRedactURLs(t *testing.T) {
	for sentence, want := range map[string]string{
		`"https://admin:hunter2@zbx" is no base URL`:             `"https://***@zbx" is no base URL`,
		`"https://zbx/?token=hunter2" is no base URL`:            `"https://zbx/?***" is no base URL`,
		`"https://admin:hun\"ter2@zbx/" is no base URL`:          `"https://***@zbx/" is no base URL`,
		`"https://zbx" is no level (did you mean x?)`:            `"https://zbx" is no level (did you mean x?)`,
		`unknown value "https://admin:hunter2@zbx": want a or b`: `unknown value "https://***@zbx": want a or b`,
		`no answer from https://admin:hunter2@zbx`:               `no answer from https://***@zbx`,
		`"https://admin:hunter2%40zbx" is no domain`:             `"https://***" is no domain`,
		`want http:// or https://, a host, perhaps a path`:       `want http:// or https://, a host, perhaps a path`,
		`nothing to hide`: `nothing to hide`,
	} {
		require.Equal(t, want, RedactURLs(sentence))
	}
}

// No password of an address is shown, whatever its characters, escaped or not.
func FuzzRedactURL(f *testing.F) {
	for _, seed := range []string{"hunter2", "a@b", "a/b", "a?b#c", "%zz", " ", `"`, "\x00", "[::1]:80/"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, odd string) {
		const secret = "sEcReT"
		for _, address := range []string{
			"https://admin:" + odd + secret + odd + "@zabbix.example.com/x",
			"https://" + secret + odd + "@zabbix.example.com",
			"https://zabbix.example.com/?" + odd + secret,
			(&url.URL{Scheme: "https", User: url.UserPassword("admin", odd+secret), Host: "zabbix.example.com"}).String(),
		} {
			require.False(t, strings.Contains(RedactURL(address), secret), "%q", address)
		}
	})
}

func TestLoopback(t *testing.T) {
	for _, host := range []string{"localhost", "localhost:80", "127.0.0.1", "127.9.9.9:1", "::1", "[::1]", "[::1]:80"} {
		require.True(t, Loopback(host), host)
	}
	for _, host := range []string{"", ":80", "0.0.0.0:80", "[::]:80", "10.0.0.1", "localhost.example.com", "127.0.0.1.example.com:80", "::1.example.com"} {
		require.False(t, Loopback(host), host)
	}
}
