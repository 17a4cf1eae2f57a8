-- +goose Up

-- Threads and files of notices.
ALTER TABLE notices ADD COLUMN thread    TEXT NOT NULL DEFAULT '';
ALTER TABLE notices ADD COLUMN file_name TEXT NOT NULL DEFAULT '';
ALTER TABLE notices ADD COLUMN file_type TEXT NOT NULL DEFAULT '';
CREATE INDEX notices_thread ON notices (sender, thread, id) WHERE thread <> '';

-- The files of notices that aren't sent yet, or are dead letters.
CREATE TABLE notice_files (
	notice  INTEGER NOT NULL PRIMARY KEY,
	size    INTEGER NOT NULL, -- before content, so that adding up sizes reads no content
	content BLOB    NOT NULL
) STRICT;

-- +goose StatementBegin
CREATE TRIGGER notice_file_sent AFTER UPDATE OF state ON notices WHEN new.state = 'sent' AND new.file_name <> '' BEGIN
	DELETE FROM notice_files WHERE notice = new.id;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER notice_file_gone AFTER DELETE ON notices WHEN old.file_name <> '' BEGIN
	DELETE FROM notice_files WHERE notice = old.id;
END;
-- +goose StatementEnd

-- The idempotency keys of the last day.
CREATE TABLE notice_keys (
	sender     TEXT    NOT NULL,
	key        TEXT    NOT NULL,
	digest     TEXT    NOT NULL, -- of the request
	notice     INTEGER NOT NULL,
	created_at INTEGER NOT NULL,
	PRIMARY KEY (sender, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX notice_keys_created ON notice_keys (created_at);
