-- +goose Up

-- Which post, digest or notice a Webex message shows or showed: a reply in the thread of a
-- message that was replaced still finds its problem. Triggers keep it, so that nothing that
-- writes or removes those can forget it.
CREATE TABLE messages (
    id       TEXT    NOT NULL PRIMARY KEY, -- of the Webex message
    event_id TEXT    NOT NULL,             -- of a post, with source and room; '' for others
    source   TEXT    NOT NULL,
    room     TEXT    NOT NULL,
    digest   INTEGER NOT NULL,             -- 0 for others
    notice   INTEGER NOT NULL              -- 0 for others
) WITHOUT ROWID;
CREATE INDEX messages_post   ON messages (event_id, source, room) WHERE event_id <> '';
CREATE INDEX messages_digest ON messages (digest) WHERE digest > 0;
CREATE INDEX messages_notice ON messages (notice) WHERE notice > 0;

INSERT OR IGNORE INTO messages SELECT root_id, event_id, source, room, 0, 0 FROM posts WHERE root_id <> '';
INSERT OR IGNORE INTO messages SELECT card_id, event_id, source, room, 0, 0 FROM posts WHERE card_id <> '';
INSERT OR IGNORE INTO messages SELECT message_id, '', '', '', id, 0 FROM digests WHERE message_id <> '';
INSERT OR IGNORE INTO messages SELECT message_id, '', '', '', 0, id FROM notices WHERE message_id <> '';

DROP INDEX posts_root;
DROP INDEX posts_card;
DROP INDEX digests_message;

-- +goose StatementBegin
CREATE TRIGGER messages_root AFTER UPDATE OF root_id ON posts WHEN new.root_id <> '' AND new.root_id <> old.root_id BEGIN
    INSERT INTO messages VALUES (new.root_id, new.event_id, new.source, new.room, 0, 0)
    ON CONFLICT (id) DO UPDATE SET event_id = new.event_id, source = new.source, room = new.room, digest = 0, notice = 0;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER messages_card AFTER UPDATE OF card_id ON posts WHEN new.card_id <> '' AND new.card_id <> old.card_id BEGIN
    INSERT INTO messages VALUES (new.card_id, new.event_id, new.source, new.room, 0, 0)
    ON CONFLICT (id) DO UPDATE SET event_id = new.event_id, source = new.source, room = new.room, digest = 0, notice = 0;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER messages_digest AFTER UPDATE OF message_id ON digests WHEN new.message_id <> '' AND new.message_id <> old.message_id BEGIN
    INSERT INTO messages VALUES (new.message_id, '', '', '', new.id, 0)
    ON CONFLICT (id) DO UPDATE SET event_id = '', source = '', room = '', digest = new.id, notice = 0;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER messages_notice AFTER UPDATE OF message_id ON notices WHEN new.message_id <> '' AND new.message_id <> old.message_id BEGIN
    INSERT INTO messages VALUES (new.message_id, '', '', '', 0, new.id)
    ON CONFLICT (id) DO UPDATE SET event_id = '', source = '', room = '', digest = 0, notice = new.id;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER messages_post_gone AFTER DELETE ON posts BEGIN
    DELETE FROM messages WHERE event_id <> '' AND event_id = old.event_id AND source = old.source AND room = old.room;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER messages_digest_gone AFTER DELETE ON digests BEGIN
    DELETE FROM messages WHERE digest > 0 AND digest = old.id;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER messages_notice_gone AFTER DELETE ON notices BEGIN
    DELETE FROM messages WHERE notice > 0 AND notice = old.id;
END;
-- +goose StatementEnd
