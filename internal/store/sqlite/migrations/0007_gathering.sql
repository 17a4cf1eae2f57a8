-- +goose Up

-- A digest that gathers takes in new problems in the transaction that makes them known.
ALTER TABLE digests ADD COLUMN gathers_until INTEGER NOT NULL DEFAULT 0;
ALTER TABLE digests ADD COLUMN gathers_below INTEGER NOT NULL DEFAULT 0; -- severity
