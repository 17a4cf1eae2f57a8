package zabbix

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestThresholds(t *testing.T) {
	for expression, want := range map[string]string{
		"last(/sw1/cpu)>90":                              "sw1 cpu > 90",
		"min(/sw1/cpu.util[,idle],5m) <= 1.5K":           "sw1 cpu.util[,idle] <= 1536",
		"max(/sw1/icmpping,#3)=0":                        "sw1 icmpping = 0",
		"avg(/sw1/lag,10m:now-1h)>=5m":                   "sw1 lag >= 300",
		"percentile(/h/k,5m,95)>2e3":                     "h k > 2000",
		"last(/h/k)<-0.5":                                "h k < -0.5",
		"last(/h/k)>10G":                                 "h k > 1.073741824e+10",
		"last(/h/k)>1w":                                  "h k > 604800",
		"last(/a/x)>1 and last(/b/y)<2":                  "a x > 1; b y < 2",
		"(last(/a/x)>1 or (min(/b/y,5m)<2))":             "a x > 1; b y < 2",
		"not (last(/a/x)=1)":                             "a x = 1",
		`last(/h/k["a,b (c)\"/]",x])>5`:                  `h k["a,b (c)\"/]",x] > 5`,
		"last(/h/vfs.fs.size[/var,pused],#1)>80":         "h vfs.fs.size[/var,pused] > 80",
		"last(/h/k)>1 and nodata(/h/k,30m)=1":            "h k > 1",
		`last(/h/k)>1 and find(/h/l,,"like","and >5")=1`: "h k > 1",
		"last(/h/k)>1\r\n and\n last(/h/k)>2":            "h k > 1; h k > 2",
		// What can't be read gives no line.
		"last(/h/k)<>1":                  "",
		"last(/h/k)>{$MAX}":              "",
		"last(/h/k)>******":              "",
		"last(/h/k)>last(/h/l)":          "",
		"last(/h/k)>5*2":                 "",
		"last(/h/k)>5 * 2":               "",
		"2*last(/h/k)>5":                 "",
		"last(/h/k)*2>5":                 "",
		"last(/h/k)/last(/h/l)>0.9":      "",
		"abs(last(/h/k))>5":              "",
		"abs(last(/h/k)>5)":              "",
		"(last(/h/k)>5)+(last(/h/l)>5)":  "",
		"change(/h/k)>5":                 "",
		"count(/h/k,5m)>5":               "",
		"nodata(/h/k,5m)=1":              "",
		"length(last(/h/k))>5":           "",
		"avg(last(/h/k),last(/h/l))>5":   "",
		"last(/h/k)>0x10":                "",
		"last(/h/k)>1e999":               "",
		"last(/h/k)>inf":                 "",
		"last(/h/k)>1_0":                 "",
		"last(/h/k)":                     "",
		"last(/h/k)>":                    "",
		"last(/h/k":                      "",
		`"last(/h/k)>5"=1`:               "",
		"{28100}>0":                      "",
		"last(k)>5":                      "",
		"last(/h)>5":                     "",
		"last(/h/)>5":                    "",
		"":                               "",
		strings.Repeat("(", 100_000):     "",
		strings.Repeat("last(", 10_000):  "",
		strings.Repeat(`last("`, 10_000): "",
	} {
		var got []string
		for _, k := range Thresholds(expression) {
			got = append(got, fmt.Sprintf("%s %s %s %v", k.Host, k.Key, k.Operator, k.Value))
		}
		require.Equal(t, want, strings.Join(got, "; "), "%.100s", expression)
	}
}

func FuzzThresholds(f *testing.F) {
	f.Add(`(last(/h/k["a)",x],5m)>1.5K and not(min(/h/l)<2))`)
	f.Fuzz(func(t *testing.T, expression string) {
		for _, k := range Thresholds(expression) {
			require.NotEmpty(t, k.Key)
			require.NotEmpty(t, k.Operator)
		}
	})
}
