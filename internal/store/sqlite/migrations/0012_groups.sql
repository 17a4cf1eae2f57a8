-- +goose Up

-- Posts and groups are written by the ledger alone, their cursors by delivery alone. pending and
-- pending_groups are what delivery has to do: the fold inserts, delivery deletes what it has shown.

CREATE TABLE groups (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    room         TEXT    NOT NULL,
    kind         TEXT    NOT NULL, -- storm, flap
    name         TEXT    NOT NULL, -- of a flap: its opening, in decimal
    opened_at    INTEGER NOT NULL,
    joined_at    INTEGER NOT NULL,
    joined       INTEGER NOT NULL,
    left_count   INTEGER NOT NULL,
    revision     INTEGER NOT NULL,
    nudged_at    INTEGER NOT NULL,
    left_at      INTEGER NOT NULL,
    left_burst   INTEGER NOT NULL
);

CREATE TABLE group_cursors (
    grp              INTEGER PRIMARY KEY REFERENCES groups (id) ON DELETE CASCADE,
    state            TEXT    NOT NULL,
    message_id       TEXT    NOT NULL,
    hash             TEXT    NOT NULL,
    complete         INTEGER NOT NULL,
    edits            INTEGER NOT NULL,
    shown            INTEGER NOT NULL,
    says_resolved    INTEGER NOT NULL,
    listed           INTEGER NOT NULL,
    said_through     INTEGER NOT NULL,
    nudged_through   INTEGER NOT NULL,
    spoke_at         INTEGER NOT NULL,
    owes             INTEGER NOT NULL,
    attempts         INTEGER NOT NULL,
    not_before       INTEGER NOT NULL,
    last_error       TEXT    NOT NULL,
    tracking_id      TEXT    NOT NULL,
    dead_at          INTEGER NOT NULL,
    list_dead_at     INTEGER NOT NULL,
    list_error       TEXT    NOT NULL,
    list_tracking_id TEXT    NOT NULL
);

CREATE TABLE pending_groups (
    grp   INTEGER PRIMARY KEY REFERENCES groups (id) ON DELETE CASCADE,
    since INTEGER NOT NULL
);

-- The old table is out of the way before any foreign key refers to the new one: dropping it must not
-- cascade.
DROP TRIGGER messages_root;
DROP TRIGGER messages_card;
DROP TRIGGER messages_post_gone;
ALTER TABLE posts RENAME TO posts_old;

CREATE TABLE posts (
    event_id      TEXT    NOT NULL,
    source        TEXT    NOT NULL,
    room          TEXT    NOT NULL,
    route         TEXT    NOT NULL,
    desired       INTEGER NOT NULL,
    severity      INTEGER NOT NULL,
    open          INTEGER NOT NULL,
    opened_at     INTEGER NOT NULL,
    joined_at     INTEGER NOT NULL,
    hold_until    INTEGER NOT NULL,
    tell_after    INTEGER NOT NULL,
    remind_at     INTEGER NOT NULL,
    escalate_at   INTEGER NOT NULL,
    look_at       INTEGER NOT NULL,
    due_at        INTEGER NOT NULL, -- the earliest of the three
    escalated     INTEGER NOT NULL,
    opening       INTEGER NOT NULL,
    grp           INTEGER NOT NULL,
    left_group    INTEGER NOT NULL,
    left_revision INTEGER NOT NULL,
    from_seq      INTEGER NOT NULL,
    PRIMARY KEY (event_id, source, room)
) WITHOUT ROWID;

CREATE TABLE cursors (
    event_id     TEXT    NOT NULL,
    source       TEXT    NOT NULL,
    room         TEXT    NOT NULL,
    state        TEXT    NOT NULL,
    delivered    INTEGER NOT NULL,
    shown        INTEGER NOT NULL,
    told_seq     INTEGER NOT NULL,
    root_id      TEXT    NOT NULL,
    root_hash    TEXT    NOT NULL,
    card_id      TEXT    NOT NULL,
    card_actions TEXT    NOT NULL,
    edits        INTEGER NOT NULL,
    attempts     INTEGER NOT NULL,
    not_before   INTEGER NOT NULL,
    last_error   TEXT    NOT NULL,
    tracking_id  TEXT    NOT NULL,
    dead_at      INTEGER NOT NULL,
    delivered_at INTEGER NOT NULL,
    PRIMARY KEY (event_id, source, room),
    FOREIGN KEY (event_id, source, room) REFERENCES posts (event_id, source, room) ON UPDATE CASCADE ON DELETE CASCADE
) WITHOUT ROWID;

CREATE TABLE pending (
    room     TEXT    NOT NULL,
    event_id TEXT    NOT NULL,
    source   TEXT    NOT NULL,
    since    INTEGER NOT NULL,
    fresh    INTEGER NOT NULL, -- 1 while the post has no cursor
    PRIMARY KEY (room, event_id, source),
    FOREIGN KEY (event_id, source, room) REFERENCES posts (event_id, source, room) ON UPDATE CASCADE ON DELETE CASCADE
) WITHOUT ROWID;

-- Digests become groups of revision 2. One whose message is out of date has shown revision 1. The
-- history of flapping is lost: a flapping trigger's old group takes no more posts.
INSERT INTO groups (id, room, kind, name, opened_at, joined_at, joined, left_count, revision, nudged_at, left_at, left_burst)
    SELECT id, room, CASE flap WHEN '' THEN 'storm' ELSE 'flap' END, CASE flap WHEN '' THEN '' ELSE 'before the upgrade' END,
        created_at, created_at, joined, left_for, 2, 0, 0, 0
    FROM digests;
INSERT INTO group_cursors
    SELECT d.id, d.state, d.message_id, d.hash, d.complete, d.edits,
        CASE WHEN d.message_id = '' THEN 0
            WHEN d.pending = 1 OR EXISTS (SELECT 1 FROM posts_old t WHERE t.digest = d.id AND t.desired > t.delivered) THEN 1
            ELSE 2 END,
        d.message_id <> '' AND NOT EXISTS (SELECT 1 FROM posts_old t WHERE t.digest = d.id AND t.open = 1),
        d.listed,
        CASE d.message_id WHEN '' THEN 0 ELSE unixepoch() * 1000000 END, CASE d.message_id WHEN '' THEN 0 ELSE unixepoch() * 1000000 END,
        d.spoke_at, d.pending, d.attempts, d.not_before, d.last_error, d.tracking_id, d.dead_at, d.list_dead_at, d.list_error, d.list_tracking_id
    FROM digests d;
INSERT INTO pending_groups
    SELECT g.id, max(g.opened_at, c.spoke_at) FROM groups g JOIN group_cursors c ON c.grp = g.id
    WHERE c.state = 'live' AND (g.revision > c.shown OR c.owes = 1);
-- An id is never given twice.
INSERT INTO groups SELECT seq, '', '', '', 0, 0, 0, 0, 0, 0, 0, 0 FROM sqlite_sequence WHERE name = 'digests' AND seq NOT IN (SELECT id FROM groups);
DELETE FROM groups WHERE kind = '';

-- look_at had no column of its own.
INSERT INTO posts
    SELECT event_id, source, room, route, desired, severity, open, opened_at, joined_at, hold_until, tell_after, remind_at, escalate_at,
        CASE WHEN due_at NOT IN (remind_at, escalate_at) THEN due_at ELSE 0 END, due_at,
        escalated, 0, CASE WHEN digest IN (SELECT id FROM groups) THEN digest ELSE 0 END, 0, 0, 0
    FROM posts_old ORDER BY event_id, source, room;

-- What was never tried is fresh. A member of a group has no cursor.
INSERT INTO cursors
    SELECT event_id, source, room, state, delivered, shown, told_seq, root_id, root_hash, card_id, card_actions, edits, attempts,
        not_before, last_error, tracking_id, dead_at, delivered_at
    FROM posts_old t
    WHERE digest NOT IN (SELECT id FROM groups) AND (root_id <> '' OR told_seq > 0 OR state <> 'live' OR attempts > 0)
    ORDER BY event_id, source, room;

-- A fresh post that may not be told yet isn't pending; the ledger looks at it when it may be.
INSERT INTO pending (room, event_id, source, since, fresh)
    SELECT t.room, t.event_id, t.source,
        max(t.dirty_since, CASE WHEN c.state IS NULL THEN max(t.hold_until, t.tell_after) ELSE 0 END),
        c.state IS NULL
    FROM posts_old t LEFT JOIN cursors c ON c.event_id = t.event_id AND c.source = t.source AND c.room = t.room
    WHERE t.state = 'live' AND t.desired > t.delivered AND t.digest NOT IN (SELECT id FROM groups)
        AND (c.state IS NOT NULL OR max(t.hold_until, t.tell_after) <= unixepoch() * 1000000
            AND (t.open = 1 OR t.tell_after = 0)
            AND NOT EXISTS (SELECT 1 FROM problems p WHERE p.event_id = t.event_id AND p.source = t.source
                AND json_valid(CAST(p.doc AS TEXT)) AND json_extract(CAST(p.doc AS TEXT), '$.held_back') = 1))
    ORDER BY t.room, t.event_id, t.source;

DROP TABLE posts_old;
DROP TABLE digests;

UPDATE posts SET look_at = max(hold_until, tell_after)
    WHERE max(hold_until, tell_after) > unixepoch() * 1000000 AND grp = 0 AND (look_at = 0 OR look_at > max(hold_until, tell_after))
        AND NOT EXISTS (SELECT 1 FROM cursors c WHERE c.event_id = posts.event_id AND c.source = posts.source AND c.room = posts.room);
UPDATE posts SET due_at = look_at WHERE look_at > 0 AND (due_at = 0 OR due_at > look_at);

CREATE INDEX posts_due     ON posts (due_at) WHERE due_at > 0;
CREATE INDEX posts_grp     ON posts (grp, open) WHERE grp > 0;
CREATE INDEX posts_left    ON posts (left_group, left_revision) WHERE left_group > 0;
CREATE INDEX posts_opening ON posts (room, opening, opened_at) WHERE opening <> 0;
CREATE INDEX posts_joined  ON posts (room, joined_at);
-- Fresh posts that wait until they may be told.
CREATE INDEX posts_waiting ON posts (look_at) WHERE grp = 0 AND look_at > 0 AND look_at = max(hold_until, tell_after);
CREATE INDEX cursors_dead  ON cursors (dead_at) WHERE state = 'dead';
CREATE INDEX pending_fresh ON pending (room, since) WHERE fresh = 1;
CREATE INDEX groups_room   ON groups (room, kind, name, id);
CREATE INDEX groups_opened ON groups (opened_at);
CREATE INDEX group_cursors_dead      ON group_cursors (dead_at) WHERE state = 'dead';
CREATE INDEX group_cursors_list_dead ON group_cursors (list_dead_at) WHERE list_dead_at > 0;

-- Messages, as before, but of groups and by the cursors' triggers.
ALTER TABLE messages RENAME COLUMN digest TO grp;
DROP INDEX messages_digest;
CREATE INDEX messages_group ON messages (grp) WHERE grp > 0;
-- +goose StatementBegin
CREATE TRIGGER messages_root AFTER UPDATE OF root_id ON cursors WHEN new.root_id <> '' AND new.root_id <> old.root_id BEGIN
    INSERT INTO messages VALUES (new.root_id, new.event_id, new.source, new.room, 0, 0)
    ON CONFLICT (id) DO UPDATE SET event_id = new.event_id, source = new.source, room = new.room, grp = 0, notice = 0;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER messages_card AFTER UPDATE OF card_id ON cursors WHEN new.card_id <> '' AND new.card_id <> old.card_id BEGIN
    INSERT INTO messages VALUES (new.card_id, new.event_id, new.source, new.room, 0, 0)
    ON CONFLICT (id) DO UPDATE SET event_id = new.event_id, source = new.source, room = new.room, grp = 0, notice = 0;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER messages_group_first AFTER INSERT ON group_cursors WHEN new.message_id <> '' BEGIN
    INSERT INTO messages VALUES (new.message_id, '', '', '', new.grp, 0)
    ON CONFLICT (id) DO UPDATE SET event_id = '', source = '', room = '', grp = new.grp, notice = 0;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER messages_group_again AFTER UPDATE OF message_id ON group_cursors WHEN new.message_id <> '' AND new.message_id <> old.message_id BEGIN
    INSERT INTO messages VALUES (new.message_id, '', '', '', new.grp, 0)
    ON CONFLICT (id) DO UPDATE SET event_id = '', source = '', room = '', grp = new.grp, notice = 0;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER messages_post_gone AFTER DELETE ON posts BEGIN
    DELETE FROM messages WHERE event_id <> '' AND event_id = old.event_id AND source = old.source AND room = old.room;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER messages_group_gone AFTER DELETE ON groups BEGIN
    DELETE FROM messages WHERE grp > 0 AND grp = old.id;
END;
-- +goose StatementEnd
