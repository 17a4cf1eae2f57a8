-- +goose Up

-- Progress is compared by counters, never by times. lines is a JSON array of store.Line, '' for none.
ALTER TABLE posts ADD COLUMN group_revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE posts ADD COLUMN lines          TEXT    NOT NULL DEFAULT '';

ALTER TABLE groups RENAME COLUMN nudged_at TO lines_at;
ALTER TABLE groups ADD COLUMN lines_since     INTEGER NOT NULL DEFAULT 0;
ALTER TABLE groups ADD COLUMN lines           INTEGER NOT NULL DEFAULT 0;
ALTER TABLE groups ADD COLUMN joined_revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE groups ADD COLUMN left_revision   INTEGER NOT NULL DEFAULT 0;

ALTER TABLE group_cursors ADD COLUMN notified     INTEGER NOT NULL DEFAULT 0;
ALTER TABLE group_cursors ADD COLUMN down         INTEGER NOT NULL DEFAULT 0;
ALTER TABLE group_cursors ADD COLUMN lines_posted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE group_cursors RENAME COLUMN owes TO reroute;
ALTER TABLE group_cursors DROP COLUMN said_through;
ALTER TABLE group_cursors DROP COLUMN nudged_through;

-- Reminders that weren't posted yet are lost. A group that owed nothing else is no longer pending.
UPDATE group_cursors SET notified = shown, reroute = (state = 'dead' AND reroute = 1);
UPDATE posts SET from_seq = coalesce((SELECT max(e.value ->> 'seq') FROM problems p, json_each(CAST(p.doc AS TEXT), '$.timeline') e
    WHERE p.event_id = posts.event_id AND p.source = posts.source AND json_valid(CAST(p.doc AS TEXT))), 1) WHERE grp > 0;
DELETE FROM pending_groups WHERE grp IN (SELECT c.grp FROM group_cursors c JOIN groups g ON g.id = c.grp
    WHERE c.state = 'live' AND c.shown >= g.revision AND (c.complete = 1 OR c.listed >= g.joined));
