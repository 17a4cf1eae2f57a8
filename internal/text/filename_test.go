package text_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/text"
)

func TestFileNames(t *testing.T) {
	for given, want := range map[string]string{
		"report.pdf": "report.pdf", "../../etc/passwd": "passwd", `C:\Users\a\b.txt`: "b.txt", "": "file", "...": "file", ".bashrc": "bashrc",
		"a\r\nX-Header: b": "a X-Header_ b", "q\"uote<>.txt": "q_uote__.txt", "gpj.\u202eexe": "gpj.exe", "dir/": "file",
		strings.Repeat("x", 300) + ".tar.gz": strings.Repeat("x", 97) + ".gz",
	} {
		require.Equal(t, want, text.FileName(given), "%q", given)
	}
}
