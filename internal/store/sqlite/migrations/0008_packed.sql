-- +goose Up

-- How journal.payload is kept: 0 as it came, 1 as a block of S2
-- (https://github.com/klauspost/compress/tree/master/s2). A payload is mostly names of macros: packed,
-- several share a page, and each page costs a commit and a checkpoint.
ALTER TABLE journal ADD COLUMN packed INTEGER NOT NULL DEFAULT 0;
