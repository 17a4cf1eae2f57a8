-- +goose Up

-- Subscriptions of people, and bindings of spaces: store.Binding.
CREATE TABLE bindings (
	id         INTEGER PRIMARY KEY AUTOINCREMENT,
	room       TEXT    NOT NULL, -- as in posts
	room_id    TEXT    NOT NULL,
	bot        TEXT    NOT NULL,
	severity   TEXT    NOT NULL,
	host       TEXT    NOT NULL,
	text       TEXT    NOT NULL,
	until      INTEGER NOT NULL,
	person     TEXT    NOT NULL, -- Webex person id
	email      TEXT    NOT NULL,
	name       TEXT    NOT NULL,
	command    TEXT    NOT NULL UNIQUE,
	created_at INTEGER NOT NULL,
	ended_at   INTEGER NOT NULL, -- 0: it counts
	ended      TEXT    NOT NULL
) STRICT;
