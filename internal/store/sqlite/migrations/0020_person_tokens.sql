-- +goose Up

-- People's own API tokens of Zabbix, encrypted: store.PersonToken.
CREATE TABLE person_tokens (
	person     TEXT    NOT NULL, -- Webex person id
	source     TEXT    NOT NULL,
	confirmed  INTEGER NOT NULL, -- 1: in use
	sealed     TEXT    NOT NULL, -- see package seal
	command    TEXT    NOT NULL,
	username   TEXT    NOT NULL,
	email      TEXT    NOT NULL,
	bot        TEXT    NOT NULL,
	room_id    TEXT    NOT NULL,
	created_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,
	told_at    INTEGER NOT NULL,
	PRIMARY KEY (person, source, confirmed)
) STRICT, WITHOUT ROWID;
