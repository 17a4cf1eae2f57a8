package admin

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"nms-alert-relay/internal/incident"
	"nms-alert-relay/internal/render"
	"nms-alert-relay/internal/store"
)

// Incident is a room that people opened for an incident.
type Incident struct {
	Number   string         `json:"number"` // "INC-7"
	Title    string         `json:"title"`
	State    incident.State `json:"state"`
	Room     string         `json:"room"`            // where it was opened
	Space    string         `json:"space,omitempty"` // Webex id
	By       string         `json:"by"`              // address
	OpenedAt time.Time      `json:"opened_at"`
	ClosedAt time.Time      `json:"closed_at,omitzero"`
	Problems []string       `json:"problems"`
	Refused  string         `json:"refused,omitempty"` // why it has no space
}

// IncidentList is the newest of Total incidents.
type IncidentList struct {
	Incidents []Incident `json:"incidents"`
	Total     int        `json:"total"`
}

// IncidentReview is the review of an incident, in markdown.
type IncidentReview struct {
	Number   string            `json:"number"`
	Review   string            `json:"review"`
	Timeline []incident.Moment `json:"timeline"`
}

func (a *API) incidents(r *http.Request) (any, error) {
	limit, err := limitOf(r)
	if err != nil {
		return nil, err
	}
	all := a.Incidents.All()
	list := IncidentList{Incidents: []Incident{}, Total: len(all)}
	for _, i := range slices.Backward(all) {
		if limit > 0 && len(list.Incidents) == limit {
			break
		}
		f, err := a.Incidents.Facts(r.Context(), i)
		if err != nil {
			return nil, err
		}
		one := Incident{
			Number: incident.Number(i.ID), Title: i.Title, State: f.State(), Room: i.Room, Space: i.RoomID, By: i.By.Email, OpenedAt: i.Opened, ClosedAt: i.Closed,
			Problems: []string{}, Refused: i.Refused,
		}
		for _, key := range incident.Current(i) {
			one.Problems = append(one.Problems, key.String())
		}
		list.Incidents = append(list.Incidents, one)
	}
	return list, nil
}

func (a *API) incidentReview(r *http.Request) (any, error) {
	given := r.PathValue("number")
	id, _ := incident.ParseNumber(given)
	i, ok := a.Incidents.Get(id)
	if !ok {
		return nil, &refusal{http.StatusNotFound, fmt.Sprintf("unknown incident %q", given), "'alert-relay incidents list' lists them"}
	}
	review, err := a.Incidents.Review(r.Context(), i, a.IncidentSettings())
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	f, err := a.Incidents.Facts(r.Context(), i)
	return IncidentReview{incident.Number(i.ID), review, f.Timeline(render.Room{})}, err
}
