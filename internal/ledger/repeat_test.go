package ledger

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nms-alert-relay/internal/alert"
)

// discovered returns the event of a check of network discovery; service is "" for the device itself.
func discovered(id int, ip, service, status string) alert.Event {
	e := event(alert.KindOccurrence, 0)
	e.Key.EventID, e.Origin, e.Severity = strconv.Itoa(id), alert.OriginDiscovery, nil
	e.Facts = alert.Facts{Macros: map[string]string{"discovery.rule.name": "Lab", "discovery.device.ipaddress": ip, "discovery.device.status": status}}
	if service != "" {
		e.Facts.Macros["discovery.service.name"], e.Facts.Macros["discovery.service.port"], e.Facts.Macros["discovery.service.status"] = service, "443", status
	}
	return e
}

// A discovered device or service is posted when its state changes, not at each check. Devices and services are told apart.
func TestDiscoveryIsPostedWhenTheStateChanges(t *testing.T) {
	w := grouped(t)
	id := 0
	check := func(after time.Duration, ip, service, status string) bool {
		id++
		e := discovered(id, ip, service, status)
		e.Opened = epoch.Add(after)
		w.plan(w.at(after, e)...)
		p := w.postOf(id)
		posted := p.Pending()
		p.Claimed, p.PendingSince = posted, time.Time{}
		return posted
	}
	require.True(t, check(0, "10.0.0.1", "", "UP"))
	for n := range 5 {
		require.False(t, check(time.Duration(1+n)*time.Minute, "10.0.0.1", "", "UP"), "the same at each check")
	}
	require.True(t, check(7*time.Minute, "10.0.0.1", "HTTPS", "UP"), "a service of it")
	require.True(t, check(7*time.Minute, "10.0.0.1", "SSH", "UP"), "another one")
	require.True(t, check(8*time.Minute, "10.0.0.2", "", "UP"), "another device")
	require.True(t, check(9*time.Minute, "10.0.0.1", "", "DOWN"))
	require.False(t, check(10*time.Minute, "10.0.0.1", "", "DOWN"))
	require.True(t, check(11*time.Minute, "10.0.0.1", "", "UP"), "it is back")
	require.False(t, check(12*time.Minute, "10.0.0.1", "", "UP"))
	require.True(t, check(13*time.Minute, "10.0.0.1", "", "{UNKNOWN}"), "no state that the relay knows")
	require.Empty(t, w.groups, "it isn't flapping")

	// An older event that arrives late, and two within a second.
	require.True(t, check(20*time.Minute, "10.0.0.3", "", "UP"))
	require.False(t, check(22*time.Minute, "10.0.0.3", "", "UP"))
	require.False(t, check(21*time.Minute, "10.0.0.3", "", "DOWN"), "the device is up since")
	require.True(t, check(23*time.Minute, "10.0.0.3", "", "DOWN"))
	require.True(t, check(23*time.Minute, "10.0.0.3", "", "UP"))
	require.True(t, check(24*time.Minute, "10.0.0.3", "", "DOWN"))

	// In one batch, and across a repetition of an event that was left out.
	events := []alert.Event{discovered(101, "10.0.0.9", "", "UP"), discovered(102, "10.0.0.9", "", "UP")}
	w.plan(w.at(time.Hour, events...)...)
	require.True(t, w.postOf(101).Pending())
	require.False(t, w.postOf(102).Pending())
	again := discovered(102, "10.0.0.9", "", "UP")
	again.Facts.Macros["discovery.device.uptime"] = "1h"
	w.plan(w.at(time.Hour, again)...)
	require.False(t, w.postOf(102).Pending())
	require.True(t, w.postOf(102).DueAt().IsZero(), "and no clock posts it")
}

// Devices that are found together are a storm like any other.
func TestManyDiscoveredDevicesShareADigest(t *testing.T) {
	w := grouped(t)
	var events []alert.Event
	for n := range 20 {
		events = append(events, discovered(1+n, "10.0.1."+strconv.Itoa(n), "", "UP"))
	}
	w.plan(w.at(0, events...)...)
	require.Len(t, w.groups, 1)
	require.Equal(t, 20, w.groups[0].Joined)
}
