-- Times are microseconds since 1970 in UTC; 0 stands for "none".

-- +goose Up

-- Append-only. Which entries are folded isn't written into this table: marking
-- a row would rewrite its whole payload. Everything up to fold.done_through is
-- done with, but for what journal_open names.
CREATE TABLE journal (
    id          INTEGER PRIMARY KEY,
    source      TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    received_at INTEGER NOT NULL,
    payload     BLOB    NOT NULL
);

CREATE TABLE fold (
    only_row     INTEGER PRIMARY KEY CHECK (only_row = 1),
    done_through INTEGER NOT NULL
);
INSERT INTO fold (only_row, done_through) VALUES (1, 0);

CREATE TABLE journal_open (
    id INTEGER PRIMARY KEY
);

CREATE TABLE journal_aside (
    id     INTEGER PRIMARY KEY,
    reason TEXT NOT NULL
);

-- The document is the truth; the columns beside it are what is searched.
CREATE TABLE problems (
    id           INTEGER PRIMARY KEY,
    event_id     TEXT    NOT NULL,
    source       TEXT    NOT NULL,
    state        TEXT    NOT NULL,
    open         INTEGER NOT NULL,
    severity     INTEGER NOT NULL,
    acknowledged INTEGER NOT NULL,
    opened_at    INTEGER NOT NULL,
    written_at   INTEGER NOT NULL,
    name         TEXT    NOT NULL, -- in lower case
    hosts        TEXT    NOT NULL, -- JSON array of the hosts' names, in lower case
    doc          BLOB    NOT NULL,
    UNIQUE (event_id, source)
);
CREATE INDEX problems_worst      ON problems (severity DESC, opened_at DESC);
CREATE INDEX problems_open       ON problems (severity DESC, opened_at DESC) WHERE open = 1;
CREATE INDEX problems_prunable   ON problems (written_at) WHERE state <> 'open';

CREATE TABLE posts (
    event_id     TEXT    NOT NULL,
    source       TEXT    NOT NULL,
    room         TEXT    NOT NULL,
    route        TEXT    NOT NULL,
    desired      INTEGER NOT NULL,
    severity     INTEGER NOT NULL,
    open         INTEGER NOT NULL,
    opened_at    INTEGER NOT NULL,
    dirty_since  INTEGER NOT NULL,
    hold_until   INTEGER NOT NULL,
    state        TEXT    NOT NULL,
    delivered    INTEGER NOT NULL,
    shown        INTEGER NOT NULL,
    told_seq     INTEGER NOT NULL,
    root_id      TEXT    NOT NULL,
    root_hash    TEXT    NOT NULL,
    card_id      TEXT    NOT NULL,
    card_actions TEXT    NOT NULL,
    edits        INTEGER NOT NULL,
    digest       INTEGER NOT NULL,
    attempts     INTEGER NOT NULL,
    not_before   INTEGER NOT NULL,
    last_error   TEXT    NOT NULL,
    tracking_id  TEXT    NOT NULL,
    dead_at      INTEGER NOT NULL,
    delivered_at INTEGER NOT NULL,
    PRIMARY KEY (event_id, source, room)
) WITHOUT ROWID;
-- Post.Pending. The last three columns are there so that the index alone can count.
CREATE INDEX posts_pending ON posts (room, dirty_since, state, desired, delivered) WHERE state = 'live' AND desired > delivered;
CREATE INDEX posts_dead    ON posts (dead_at) WHERE state = 'dead';
CREATE INDEX posts_root    ON posts (root_id) WHERE root_id <> '';
CREATE INDEX posts_card    ON posts (card_id) WHERE card_id <> '';

CREATE TABLE notices (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    kind         TEXT    NOT NULL,
    sender       TEXT    NOT NULL,
    room         TEXT    NOT NULL,
    room_id      TEXT    NOT NULL,
    person       TEXT    NOT NULL,
    bot          TEXT    NOT NULL,
    parent_id    TEXT    NOT NULL,
    markdown     TEXT    NOT NULL,
    text         TEXT    NOT NULL,
    card         BLOB,
    dedup        TEXT    NOT NULL,
    state        TEXT    NOT NULL,
    message_id   TEXT    NOT NULL,
    version      INTEGER NOT NULL,
    sent_version INTEGER NOT NULL,
    edits        INTEGER NOT NULL,
    attempts     INTEGER NOT NULL,
    not_before   INTEGER NOT NULL,
    last_error   TEXT    NOT NULL,
    tracking_id  TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    changed_at   INTEGER NOT NULL
);
CREATE UNIQUE INDEX notices_dedup ON notices (sender, room, room_id, person, dedup) WHERE dedup <> '';
CREATE INDEX notices_pending ON notices (id) WHERE state = 'pending';
CREATE INDEX notices_dead    ON notices (id) WHERE state = 'dead';
CREATE INDEX notices_sent    ON notices (changed_at) WHERE state = 'sent';

CREATE TABLE commands (
    id         TEXT    PRIMARY KEY,
    bot        TEXT    NOT NULL,
    room_id    TEXT    NOT NULL,
    room       TEXT    NOT NULL,
    parent_id  TEXT    NOT NULL,
    person_id  TEXT    NOT NULL,
    email      TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    text       TEXT    NOT NULL,
    action     TEXT    NOT NULL,
    keys       TEXT    NOT NULL, -- JSON array
    state      TEXT    NOT NULL,
    outcome    TEXT    NOT NULL,
    attempts   INTEGER NOT NULL,
    not_before INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    done_at    INTEGER NOT NULL,
    detail     BLOB
);
CREATE INDEX commands_unfinished ON commands (created_at) WHERE state IN ('received', 'executing', 'retrying');
CREATE INDEX commands_log        ON commands (created_at);

CREATE TABLE kept_values (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
