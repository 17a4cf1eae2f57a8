package testdata

// Names look like markup, links or mentions to some client, and are names all the same: of triggers, hosts, tags and people. Each
// is to be shown as it is.
var Names = []string{
	"Linux: High memory utilization (>90% for 5m)", "R&D_web_01", "Alice (via Webex)", "Interface Gi0/1(): Link down", "C:\\Windows\\Temp is full", "/var/log: Disk space is low (used > 80%)",
	"<b>bold</b>", "*starred*", "**both**", "_under_", "__init__.py", "~~gone~~", "`code`", "# heading", "1. first", "- item", "+ item", "> quote", "[link](https://evil.example)", "![i](https://evil.example/i.png)",
	"https://evil.example/?a=1&b=2", "www.evil.example", "mailto:a@evil.example", "a@b.example", "<@all>", "<@personEmail:a@b.example|A>", "&lt;b&gt;", "&amp;", "&#60;", "a | b", "{HOST.NAME}", "{{DATE(2026-01-01T00:00:00Z)}}", "${x}",
	"100%", "~", "a\\", "\\", "\"quoted\" 'text'", "日本語 (監視)", "مرحبا _بالعالم_", "👩‍💻 (on call)", "a\tb  c", "line\nbreak", "***", "-", "=", "==x==", "::x::", "$x^2$", "<!-- x -->", "</p>", "a_b_c*d*e", "[x]", "(x)", "]( )[",
}
