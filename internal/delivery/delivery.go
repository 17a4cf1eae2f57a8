// Package delivery brings each room to what it should show, with as few calls
// to Webex as it can. It is the only caller that posts to rooms.
package delivery
