package render

import (
	"strings"

	"nms-alert-relay/internal/webex"
)

// The limits of a card's text. Webex documents none for cards; these keep most cards below maxCardJSON.
const (
	maxCardLines = 40
	maxCardBytes = 4000
	// Of the details behind More:
	maxDetailLines   = 20
	maxDetailBytes   = 1200
	maxDetailEntries = 5
)

// cardText makes a card's text from a message: one RichTextBlock per line, since not every Webex app breaks lines
// within a block. No client interprets the runs of a RichTextBlock as markdown, so untrusted text shows literally.
// fits reports that nothing was cut.
func cardText(message string, maxLines, maxBytes int) (blocks []element, fits bool) {
	bytes := 0
	spacing := ""
	for _, line := range tidy(message) {
		if line == "" {
			spacing = "Small"
			continue
		}
		bytes += len(line)
		fits := bytes <= maxBytes && len(blocks) < maxLines
		if !fits {
			line = "…"
		}
		if runs := inlines(line, len(blocks) == 0); len(runs) > 0 {
			block := element{"type": "RichTextBlock", "inlines": runs}
			if len(blocks) > 0 {
				block["spacing"] = spacing
			}
			blocks, spacing = append(blocks, block), "None"
		}
		if !fits {
			return blocks, false
		}
	}
	return blocks, true
}

// inlines returns the runs of a line. Cards have no quotes, headings and lists: they become subtle text, bold text and bullets.
func inlines(line string, first bool) []element {
	line, quoted := strings.CutPrefix(line, "> ")
	var heading bool
	if marks := strings.TrimLeft(line, "#"); len(marks) < len(line) && len(line)-len(marks) <= 6 && strings.HasPrefix(marks, " ") {
		line, heading = marks[1:], true
	}
	if item := strings.TrimLeft(line, " "); strings.HasPrefix(item, "- ") || strings.HasPrefix(item, "* ") {
		line = "• " + item[2:]
	}
	runs := webex.Runs(line)
	list := make([]element, 0, len(runs))
	for _, r := range runs {
		run := element{"type": "TextRun", "text": r.Text}
		if first {
			run["size"] = "Medium"
		}
		if r.Bold || heading {
			run["weight"] = "Bolder"
		}
		if r.Italic {
			run["italic"] = true
		}
		if r.Code {
			run["fontType"] = "Monospace"
		}
		if quoted {
			run["isSubtle"] = true
		}
		if r.URL != "" {
			run["selectAction"] = element{"type": "Action.OpenUrl", "url": r.URL}
		}
		list = append(list, run)
	}
	return list
}
