-- +goose Up

-- A list that the thread of a digest refused for good: a dead letter of its own.
ALTER TABLE digests ADD COLUMN list_dead_at     INTEGER NOT NULL DEFAULT 0;
ALTER TABLE digests ADD COLUMN list_error       TEXT    NOT NULL DEFAULT '';
ALTER TABLE digests ADD COLUMN list_tracking_id TEXT    NOT NULL DEFAULT '';
CREATE INDEX digests_list_dead ON digests (list_dead_at) WHERE list_dead_at > 0;
