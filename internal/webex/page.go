package webex

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"nms-alert-relay/internal/text"
)

const (
	pageSize = 100
	// maxPages bounds a list, in case a faulty server always sends a next link.
	maxPages = 1000
)

// list reads a list page by page until there is no next link or something fails. An empty page may have a next link.
func list[T any](ctx context.Context, c *Client, op, path string) (items []T, err error) {
	return listWhere[T](ctx, c, op, path, url.Values{})
}

// listWhere is list with conditions.
func listWhere[T any](ctx context.Context, c *Client, op, path string, query url.Values) (items []T, err error) {
	err = eachPage(ctx, c, op, path, query, func(page []T) (more bool) {
		items = append(items, page...)
		return true
	})
	if err != nil {
		return nil, err
	}
	return items, nil
}

// eachPage reads a list page by page, until there is no next link, take returns false, or something fails.
func eachPage[T any](ctx context.Context, c *Client, op, path string, query url.Values, take func(page []T) (more bool)) error {
	query.Set("max", strconv.Itoa(pageSize))
	k := call{op: op, path: []string{path}, query: query, want: shapeList}
	for range maxPages {
		var page struct {
			Items []T `json:"items"`
		}
		k.into = &page
		header, err := c.do(ctx, k)
		if err != nil {
			return err
		}
		if !take(page.Items) {
			return nil
		}
		next, err := c.next(header, k)
		switch {
		case err != nil:
			return err
		case next == "":
			return nil
		case next == k.url:
			return &Error{Op: op, Message: "the list's next page is the same page"}
		}
		k = call{op: op, url: next, want: shapeList}
	}
	return &Error{Op: op, Message: fmt.Sprintf("the list has more than %d pages", maxPages)}
}

// next returns the URL of the next page, or "" for the last page. The token is sent there, so a link to another host is an error.
func (c *Client) next(header http.Header, k call) (string, error) {
	link := nextLink(header.Values("Link"))
	if link == "" {
		return "", nil
	}
	base := c.to.Load().base
	u, err := base.Parse(link)
	if err != nil {
		return "", &Error{Op: k.op, Message: "the link to the next page isn't a URL"}
	}
	if u.Scheme != base.Scheme || !strings.EqualFold(u.Host, base.Host) || u.User != nil {
		return "", &Error{Op: k.op, Message: fmt.Sprintf(
			"the next page is at %s://%s, not at webex.api_url (%s://%s): not followed, since the token would go there",
			text.Line(u.Scheme), text.Line(u.Host), base.Scheme, base.Host)}
	}
	u.Fragment = ""
	return u.String(), nil
}

// nextLinkPattern is a link with rel="next" in a Link header (RFC 8288). Webex sends no "<" or "," in a quoted parameter.
var nextLinkPattern = regexp.MustCompile(`(?i)<([^>]*)>[^<,]*;\s*rel\s*=\s*"?(?:[^"<,;]*\s)?next(?:[\s",;]|$)`)

func nextLink(values []string) string {
	for _, value := range values {
		if found := nextLinkPattern.FindStringSubmatch(value); found != nil {
			return strings.TrimSpace(found[1])
		}
	}
	return ""
}
