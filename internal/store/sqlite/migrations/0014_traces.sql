-- +goose Up

-- Traces: a W3C traceparent, '' while tracing is off. causes is a JSON array of store.Cause, '' for none.
ALTER TABLE journal  ADD COLUMN trace  TEXT NOT NULL DEFAULT '';
ALTER TABLE posts    ADD COLUMN causes TEXT NOT NULL DEFAULT '';
ALTER TABLE notices  ADD COLUMN trace  TEXT NOT NULL DEFAULT '';
ALTER TABLE commands ADD COLUMN trace  TEXT NOT NULL DEFAULT '';
