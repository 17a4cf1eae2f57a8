-- +goose Up

-- Incidents: store.Incident as JSON, with what is searched for.
CREATE TABLE incidents (
	id        INTEGER PRIMARY KEY AUTOINCREMENT,
	command   TEXT    NOT NULL UNIQUE,
	closed_at INTEGER NOT NULL, -- 0: it goes on
	doc       TEXT    NOT NULL
) STRICT;

-- What happened in them: store.IncidentEntry.
CREATE TABLE incident_entries (
	id       INTEGER PRIMARY KEY AUTOINCREMENT,
	incident INTEGER NOT NULL REFERENCES incidents (id),
	key      TEXT    NOT NULL,
	kind     TEXT    NOT NULL,
	at       INTEGER NOT NULL,
	by_id    TEXT    NOT NULL, -- Webex person id
	by_email TEXT    NOT NULL,
	by_name  TEXT    NOT NULL,
	of_id    TEXT    NOT NULL,
	of_email TEXT    NOT NULL,
	of_name  TEXT    NOT NULL,
	subject  TEXT    NOT NULL,
	text     TEXT    NOT NULL,
	UNIQUE (incident, key)
) STRICT;
