-- +goose Up

-- When the relay received the event that created the post; 0 in earlier posts.
ALTER TABLE posts ADD COLUMN received_at INTEGER NOT NULL DEFAULT 0;
