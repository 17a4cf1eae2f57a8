package socket

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"nms-alert-relay/internal/text"
	"nms-alert-relay/internal/webex"
	"nms-alert-relay/internal/webexid"
)

// Catalog says where Webex's services are. It is valid for one account.
type Catalog struct {
	ServiceLinks struct {
		WDM string `json:"wdm"` // the service for devices
	} `json:"serviceLinks"`
	// HostCatalog has the hosts of the services with their clusters, by the host's usual name.
	HostCatalog map[string][]struct {
		Host string `json:"host"`
		ID   string `json:"id"` // "urn:TEAM:us-east-2_a:conversation"
	} `json:"hostCatalog"`
}

// usCluster begins the name of the cluster that REST ids call "us".
const usCluster = "urn:TEAM:us-east-2_a"

// readCatalog reads the catalog at u2c, webex.u2c_url.
func readCatalog(ctx context.Context, api API, u2c string) (c Catalog, err error) {
	if err := api.Service(ctx, webex.OpCatalog, strings.TrimRight(u2c, "/")+"/u2c/api/v1/catalog?format=hostmap", nil, &c); err != nil {
		return c, err
	}
	if c.ServiceLinks.WDM == "" {
		return c, errors.New("the service catalog names no service for devices (wdm): check webex.u2c_url")
	}
	c.ServiceLinks.WDM = strings.TrimRight(c.ServiceLinks.WDM, "/")
	return c, checkAddress("wdm", c.ServiceLinks.WDM, u2c, "https", "http")
}

// checkAddress refuses an address from Webex that the token must not go to. Plain HTTP is for a u2c that is plain HTTP too: a simulator.
func checkAddress(what, address, u2c, secure, plain string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil {
		return fmt.Errorf("the address of %s isn't a URL: not used", what)
	}
	if u.Scheme == secure || u.Scheme == plain && strings.HasPrefix(u2c, "http://") {
		return nil
	}
	return fmt.Errorf("the address of %s begins with %s://, expected %s://: not used, since the token would go there", what, text.Line(u.Scheme), secure)
}

// cluster returns the cluster in REST ids for the service at an address, and whether the catalog names its host. It is "us" for a host that
// the catalog doesn't name.
func (c Catalog) cluster(address string) (cluster string, known bool) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "us", false
	}
	for name, hosts := range c.HostCatalog {
		for _, h := range hosts {
			if !strings.EqualFold(u.Hostname(), name) && !strings.EqualFold(u.Hostname(), h.Host) {
				continue
			}
			if strings.HasPrefix(h.ID, usCluster) {
				return "us", true
			}
			end := strings.LastIndex(h.ID, ":") // the last part is the service
			return cmp.Or(h.ID[:max(0, end)], "us"), true
		}
	}
	return "us", false
}

// errGone says that a message was deleted before its id could be read.
var errGone = errors.New("the message is gone")

// envelope returns an event as a webhook would tell it. The REST id of something in another cluster than "us" is read from that cluster.
func (d Device) envelope(ctx context.Context, api API, e Event) (webex.Envelope, error) {
	cluster, known := d.catalog.cluster(e.conversation)
	uuid, _ := webexid.Parse(e.id)
	if cluster == "us" || !known {
		return e.envelope(uuid.REST(e.kind), "us"), nil
	}
	address, err := activityAddress(e)
	if err == nil {
		err = checkAddress("the conversation", address, d.u2c, "https", "http")
	}
	var found struct {
		ID string `json:"id"`
	}
	if err == nil {
		err = api.Service(ctx, webex.OpActivity, address, nil, &found)
	}
	if webex.ClassOf(err) == webex.NotFound {
		return webex.Envelope{}, errGone
	}
	if err != nil {
		return webex.Envelope{}, fmt.Errorf("reading the id of an activity in cluster %s: %w", text.Line(cluster), err)
	}
	if !webexid.Same(found.ID, e.id) {
		return webex.Envelope{}, fmt.Errorf("cluster %s answered with another activity", text.Line(cluster))
	}
	read, _ := webexid.Parse(found.ID)
	return e.envelope(found.ID, read.Cluster), nil
}

// activityAddress returns the address that tells the REST id of an activity.
func activityAddress(e Event) (string, error) {
	at := "messages/"
	if e.kind == kindAction {
		at = "attachment/actions/"
	}
	base, room, ok := strings.Cut(e.conversation, "/conversations/")
	if !ok || strings.ContainsAny(room, "/?#") {
		return "", errors.New("the address of the conversation has an unexpected form")
	}
	return base + "/" + at + url.PathEscape(e.id), nil
}
