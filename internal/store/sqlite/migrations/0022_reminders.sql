-- +goose Up

-- Reminders and reports of people and rooms: store.Reminder.
CREATE TABLE reminders (
	id         INTEGER PRIMARY KEY AUTOINCREMENT,
	kind       TEXT    NOT NULL,
	room       TEXT    NOT NULL, -- as in posts
	room_id    TEXT    NOT NULL,
	bot        TEXT    NOT NULL,
	person     TEXT    NOT NULL, -- Webex person id
	email      TEXT    NOT NULL,
	name       TEXT    NOT NULL,
	source     TEXT    NOT NULL, -- of the problem; '' for none
	event_id   TEXT    NOT NULL,
	words      TEXT    NOT NULL,
	schedule   TEXT    NOT NULL, -- '' for once
	zone       TEXT    NOT NULL,
	command    TEXT    NOT NULL UNIQUE,
	created_at INTEGER NOT NULL,
	due_at     INTEGER NOT NULL, -- 0: it isn't due any more
	last_at    INTEGER NOT NULL,
	notice     INTEGER NOT NULL,
	changed_at INTEGER NOT NULL
) STRICT;

CREATE INDEX reminders_due ON reminders (due_at) WHERE due_at > 0;
CREATE INDEX reminders_notice ON reminders (notice) WHERE notice > 0;
