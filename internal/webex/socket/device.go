package socket

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"

	"nms-alert-relay/internal/webex"
)

// API makes a bot's calls: webex.Client.
type API interface {
	Service(ctx context.Context, op, address string, in, into any) error
	Bearer() string
	Handshake() *http.Client
}

// Device is a registration with Webex; its address for websockets is valid until Webex forgets it.
type Device struct {
	url, socket string
	catalog     Catalog
	u2c         string
}

// namePrefix begins the names of the relay's devices.
const namePrefix = "alert-relay:"

// Registry registers a bot's device. Webex allows an account about a hundred of them, and forgets them late: so there is one for each
// bot and store, whose URL is kept.
type Registry struct {
	API     API
	U2C     string                                // webex.u2c_url
	StoreID string                                // names the device
	Load    func(context.Context) (string, error) // the kept URL; "" for none
	Keep    func(ctx context.Context, url string) error
}

// deviceJSON is a device in Webex's service for devices.
type deviceJSON struct {
	Name           string `json:"name"`
	DeviceName     string `json:"deviceName"`
	DeviceType     string `json:"deviceType"`
	Model          string `json:"model"`
	LocalizedModel string `json:"localizedModel"`
	SystemName     string `json:"systemName"`
	SystemVersion  string `json:"systemVersion"`
	URL            string `json:"url,omitempty"`
	WebSocketURL   string `json:"webSocketUrl,omitempty"`
}

func (r *Registry) wanted() deviceJSON {
	name := namePrefix + r.StoreID
	return deviceJSON{
		Name: name, DeviceName: name, DeviceType: "DESKTOP", Model: "alert-relay", LocalizedModel: "alert-relay", SystemName: "alert-relay", SystemVersion: "1",
	}
}

// Register returns the bot's device with a valid address for websockets: the kept one refreshed, else the one with our name, else a new
// one. fresh asks for a new one: the address of the old one didn't work although it had been refreshed.
func (r *Registry) Register(ctx context.Context, fresh bool) (Device, error) {
	catalog, err := readCatalog(ctx, r.API, r.U2C)
	if err != nil {
		return Device{}, err
	}
	kept, err := r.Load(ctx)
	if err != nil {
		return Device{}, fmt.Errorf("reading the URL of the device: %w", err)
	}
	got, err := r.register(ctx, catalog.ServiceLinks.WDM, kept, fresh)
	if err != nil {
		return Device{}, err
	}
	for what, address := range map[string][3]string{
		"the device": {got.URL, "https", "http"}, "the websocket": {got.WebSocketURL, "wss", "ws"},
	} {
		if err := checkAddress(what, address[0], r.U2C, address[1], address[2]); err != nil {
			return Device{}, err
		}
	}
	if got.URL != kept {
		if err := r.Keep(ctx, got.URL); err != nil {
			return Device{}, fmt.Errorf("storing the URL of the device: %w", err)
		}
	}
	return Device{url: got.URL, socket: got.WebSocketURL, catalog: catalog, u2c: r.U2C}, nil
}

func (r *Registry) register(ctx context.Context, wdm, kept string, fresh bool) (deviceJSON, error) {
	if kept != "" && !fresh {
		got, err := r.refresh(ctx, kept)
		if webex.ClassOf(err) != webex.NotFound {
			return got, err
		}
	}
	ours, err := r.ours(ctx, wdm)
	if err != nil {
		return deviceJSON{}, err
	}
	if len(ours) > 0 && !fresh {
		r.remove(ctx, ours[1:])
		got, err := r.refresh(ctx, ours[0].URL)
		if webex.ClassOf(err) != webex.NotFound {
			return got, err
		}
	} else {
		r.remove(ctx, ours)
	}
	var made deviceJSON
	return made, r.API.Service(ctx, webex.OpCreateDevice, wdm+"/devices", r.wanted(), &made)
}

// refresh renews a device's registration.
func (r *Registry) refresh(ctx context.Context, url string) (got deviceJSON, err error) {
	if err := checkAddress("the device", url, r.U2C, "https", "http"); err != nil {
		return got, err
	}
	want := r.wanted()
	err = r.API.Service(ctx, webex.OpRefreshDevice, url, want, &got)
	got.URL = cmp.Or(got.URL, url)
	return got, err
}

// ours lists the devices with our name. Those of other programs and of other relays aren't touched.
func (r *Registry) ours(ctx context.Context, wdm string) (ours []deviceJSON, err error) {
	all, err := devices(ctx, r.API, wdm)
	name := r.wanted().Name
	for _, d := range all {
		if d.Name == name && strings.HasPrefix(d.DeviceName, namePrefix) && d.URL != "" {
			ours = append(ours, d)
		}
	}
	return ours, err
}

// devices lists the account's devices, of whatever program.
func devices(ctx context.Context, api API, wdm string) ([]deviceJSON, error) {
	var list struct {
		Devices []deviceJSON `json:"devices"`
	}
	err := api.Service(ctx, webex.OpDevices, wdm+"/devices", nil, &list)
	if webex.ClassOf(err) == webex.NotFound { // an account without devices
		err = nil
	}
	return list.Devices, err
}

// remove deletes devices. Failures have no consequence but a device more: Webex is slow to delete, so it isn't asked again.
func (r *Registry) remove(ctx context.Context, devices []deviceJSON) {
	for _, d := range devices {
		if checkAddress("the device", d.URL, r.U2C, "https", "http") == nil {
			_ = r.API.Service(ctx, webex.OpDeleteDevice, d.URL, nil, nil)
		}
	}
}

// MaxDevices is how many devices an account may have, as users report it.
const MaxDevices = 100

// Look counts the account's devices, and those among them that belong to relays, without changing anything. An error says why no
// websocket can be opened.
func Look(ctx context.Context, api API, u2c string) (all, relays int, err error) {
	catalog, err := readCatalog(ctx, api, u2c)
	if err != nil {
		return 0, 0, err
	}
	list, err := devices(ctx, api, catalog.ServiceLinks.WDM)
	for _, d := range list {
		if strings.HasPrefix(d.Name, namePrefix) {
			relays++
		}
	}
	return len(list), relays, err
}
