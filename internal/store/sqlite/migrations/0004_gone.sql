-- +goose Up

-- Who left a digest since its message was written last: keys, one a line.
ALTER TABLE digests ADD COLUMN gone TEXT NOT NULL DEFAULT '';
