package webexsim

import (
	"net/http"
	"net/url"
	"slices"
)

// This file is what a client needs before it opens a websocket: the catalog of services, and the registration of devices. Webex doesn't
// document them.

const (
	// maxDevices is how many devices an account may have, as users report it.
	maxDevices = 100
	// usCluster names the cluster that public ids call "us".
	usCluster = "urn:TEAM:us-east-2_a"
)

// services are the simulated services outside the REST API, by their whole path.
var services = map[string]handler{
	"GET /u2c/api/v1/catalog":                          (*Server).catalog,
	"GET /wdm/api/v1/devices":                          (*Server).listDevices,
	"POST /wdm/api/v1/devices":                         (*Server).createDevice,
	"PUT /wdm/api/v1/devices/{id}":                     (*Server).refreshDevice,
	"DELETE /wdm/api/v1/devices/{id}":                  (*Server).deleteDevice,
	"GET /conversation/api/v1/messages/{id}":           (*Server).messageID,
	"GET /conversation/api/v1/attachment/actions/{id}": (*Server).actionID,
	"POST /metrics/api/v1/clientmetrics":               func(*Server, *request) (any, error) { return noContent{}, nil },
}

// device is a client that registered for a websocket.
type device struct {
	id, address string // the address is the last part of the websocket's URL
	owner       *person
	fields      map[string]any
	unacked     []*sentFrame // in the order of sending
	session     *session     // nil while no websocket is open
}

// catalog says where the services are: on this server.
func (s *Server) catalog(req *request) (any, error) {
	if req.URL.Query().Get("format") != "hostmap" {
		return nil, refuse(http.StatusBadRequest, "The format must be hostmap.")
	}
	cluster := s.opts.Cluster
	if cluster == "" {
		cluster = usCluster
	}
	// The entry is named with the port, and its hosts have none: Cisco's SDK puts the port of a service's URL after them.
	host := (&url.URL{Host: req.Host}).Hostname()
	hosts := []map[string]any{}
	for _, service := range []string{"conversation", "wdm", "hydra", "metrics", "u2c"} {
		hosts = append(hosts, map[string]any{"host": host, "ttl": -1, "priority": 10, "id": cluster + ":" + service})
	}
	return map[string]any{
		"serviceLinks": map[string]string{
			"wdm": req.self("/wdm/api/v1"), "hydra": req.self("/v1"), "conversation": req.self("/conversation/api/v1"),
			"metrics": req.self("/metrics/api/v1"), "u2c": req.self("/u2c/api/v1"),
		},
		"hostCatalog": map[string]any{req.Host: hosts},
		"format":      "hostmap",
	}, nil
}

// limitedCatalog is the catalog for a client that hasn't said yet who it is: Cisco's SDK asks for it first, without a token.
func (s *Server) limitedCatalog(w http.ResponseWriter, r *http.Request) {
	out, err := s.catalog(&request{Request: r, reply: w.Header()})
	s.answer(w, "GET /u2c/api/v1/limited/catalog", out, err)
}

func (s *Server) listDevices(req *request) (any, error) {
	found := []map[string]any{}
	for _, d := range s.devicesOf(req.caller) {
		found = append(found, d.json(req))
	}
	if len(found) == 0 { // seen with the real one: no list, but an error
		return nil, refuse(http.StatusNotFound, "No devices found for the user.")
	}
	return map[string]any{"devices": found}, nil
}

func (s *Server) createDevice(req *request) (any, error) {
	for _, name := range []string{"deviceType", "localizedModel", "model", "name", "systemName", "systemVersion"} {
		if req.str(name) == "" {
			return nil, refuse(http.StatusBadRequest, "The field "+name+" is required.")
		}
	}
	if len(s.devicesOf(req.caller)) >= maxDevices {
		return nil, refuse(http.StatusForbidden, "User has excessive device registrations.")
	}
	d := &device{id: s.nextUUID(), address: s.nextUUID(), owner: req.caller, fields: req.fields}
	s.devices = append(s.devices, d)
	return d.json(req), nil
}

func (s *Server) refreshDevice(req *request) (any, error) {
	d := s.ownDevice(req)
	if d == nil {
		return nil, errNoDevice
	}
	for name, value := range req.fields {
		d.fields[name] = value
	}
	return d.json(req), nil
}

func (s *Server) deleteDevice(req *request) (any, error) {
	d := s.ownDevice(req)
	if d == nil {
		return nil, errNoDevice
	}
	s.removeDevice(d)
	return noContent{}, nil
}

var errNoDevice = refuse(http.StatusNotFound, "The device could not be found.")

func (s *Server) ownDevice(req *request) *device {
	for _, d := range s.devices {
		if d.id == req.id && d.owner == req.caller {
			return d
		}
	}
	return nil
}

func (s *Server) devicesOf(owner *person) (found []*device) {
	for _, d := range s.devices {
		if d.owner == owner {
			found = append(found, d)
		}
	}
	return found
}

// removeDevice forgets a device and closes its websocket.
func (s *Server) removeDevice(gone *device) {
	s.devices = slices.DeleteFunc(s.devices, func(d *device) bool { return d == gone })
	if gone.session != nil {
		gone.session.end(1000, "Done")
	}
}

func (d *device) json(req *request) map[string]any {
	out := map[string]any{}
	for name, value := range d.fields {
		out[name] = value
	}
	socket := "ws" + req.self("/mercury/" + d.address)[len("http"):]
	out["url"], out["webSocketUrl"], out["userId"] = req.self("/wdm/api/v1/devices/"+d.id), socket, d.owner.id
	// Cisco's SDK looks for these.
	out["intranetInactivityDuration"], out["inNetworkInactivityDuration"] = 0, 0
	out["services"], out["features"] = map[string]any{}, map[string]any{"developer": []any{}, "entitlement": []any{}, "user": []any{}}
	return out
}

// messageID answers in the place of another cluster's conversations: with the public id of a message.
func (s *Server) messageID(req *request) (any, error) {
	m := s.messages[publicID("MESSAGE", req.id)]
	if m == nil || m.deleted || !m.hears(req.caller) {
		return nil, errNoMessage
	}
	return m.json(), nil
}

func (s *Server) actionID(req *request) (any, error) {
	req.id = publicID("ATTACHMENT_ACTION", req.id)
	return s.getAction(req)
}
