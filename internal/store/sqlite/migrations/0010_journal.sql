-- +goose Up

-- Each entry says itself whether it is pending or why it was set aside, and its id is given by the
-- database: two processes may append, and a lower id may commit later. pending comes before the
-- payload, and changing it from 1 to 0 doesn't change the row's length, so that SQLite overwrites
-- it in place.
CREATE TABLE journal_new (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    source      TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    received_at INTEGER NOT NULL,
    pending     INTEGER NOT NULL DEFAULT 1,
    set_aside   TEXT    NOT NULL DEFAULT '', -- the reason; '' for all others
    packed      INTEGER NOT NULL DEFAULT 0,
    payload     BLOB    NOT NULL
);

-- An id is never given twice, even if the newest entries were pruned.
INSERT INTO journal_new (id, source, kind, received_at, payload) SELECT done_through, '', '', 0, x'' FROM fold WHERE done_through > 0;
DELETE FROM journal_new;

INSERT INTO journal_new (id, source, kind, received_at, pending, set_aside, packed, payload)
    SELECT j.id, j.source, j.kind, j.received_at,
        (j.id > f.done_through OR o.id IS NOT NULL) AND a.id IS NULL,
        CASE WHEN a.id IS NULL THEN '' WHEN a.reason = '' THEN 'unknown' ELSE a.reason END,
        j.packed, j.payload
    FROM fold f CROSS JOIN journal j
    LEFT JOIN journal_open o ON o.id = j.id
    LEFT JOIN journal_aside a ON a.id = j.id
    ORDER BY j.id;

DROP TABLE journal;
DROP TABLE journal_open;
DROP TABLE journal_aside;
DROP TABLE fold;
ALTER TABLE journal_new RENAME TO journal;
CREATE INDEX journal_pending   ON journal (id) WHERE pending = 1;
CREATE INDEX journal_set_aside ON journal (id) WHERE set_aside <> '';
