-- +goose Up

-- A digest is one message that stands for many posts: those whose column
-- digest has its id.
CREATE TABLE digests (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    room        TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    message_id  TEXT    NOT NULL,
    hash        TEXT    NOT NULL,
    complete    INTEGER NOT NULL,
    edits       INTEGER NOT NULL,
    shown       INTEGER NOT NULL,
    listed      INTEGER NOT NULL,
    said        INTEGER NOT NULL,
    spoke_at    INTEGER NOT NULL,
    pending     INTEGER NOT NULL,
    joined      INTEGER NOT NULL,
    left_for    INTEGER NOT NULL, -- left for a message of their own
    attempts    INTEGER NOT NULL,
    not_before  INTEGER NOT NULL,
    last_error  TEXT    NOT NULL,
    tracking_id TEXT    NOT NULL,
    dead_at     INTEGER NOT NULL
);
CREATE INDEX digests_room    ON digests (room, id) WHERE state = 'live';
CREATE INDEX digests_pending ON digests (id) WHERE state = 'live' AND pending = 1;
CREATE INDEX digests_dead    ON digests (dead_at) WHERE state = 'dead';
CREATE INDEX digests_message ON digests (message_id) WHERE message_id <> '';
CREATE INDEX digests_created ON digests (created_at);

-- Post.Pending: what is in a digest isn't behind by itself. The last columns are
-- there so that the index alone can count.
DROP INDEX posts_pending;
CREATE INDEX posts_pending ON posts (room, dirty_since, state, desired, delivered, digest) WHERE state = 'live' AND desired > delivered AND digest = 0;
CREATE INDEX posts_digest  ON posts (digest, open) WHERE digest > 0;
CREATE INDEX posts_digest_behind ON posts (digest, dirty_since, state, desired, delivered) WHERE state = 'live' AND desired > delivered AND digest > 0;
