-- +goose Up

-- Posts know when they may be told, and when the ledger looks at them again.
ALTER TABLE posts ADD COLUMN joined_at   INTEGER NOT NULL DEFAULT 0;
ALTER TABLE posts ADD COLUMN tell_after  INTEGER NOT NULL DEFAULT 0;
ALTER TABLE posts ADD COLUMN remind_at   INTEGER NOT NULL DEFAULT 0;
ALTER TABLE posts ADD COLUMN escalate_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE posts ADD COLUMN escalated   INTEGER NOT NULL DEFAULT 0;
ALTER TABLE posts ADD COLUMN due_at      INTEGER NOT NULL DEFAULT 0; -- the earlier of the two
ALTER TABLE posts ADD COLUMN flap        TEXT    NOT NULL DEFAULT '';
CREATE INDEX posts_due ON posts (due_at) WHERE due_at > 0;

ALTER TABLE digests ADD COLUMN flap TEXT NOT NULL DEFAULT '';
DROP INDEX digests_room;
CREATE INDEX digests_room ON digests (room, flap, id) WHERE state = 'live';

-- Post.Pending, again: what is held isn't late yet.
DROP INDEX posts_pending;
CREATE INDEX posts_pending ON posts (room, dirty_since, state, desired, delivered, digest, hold_until, tell_after)
    WHERE state = 'live' AND desired > delivered AND digest = 0;
