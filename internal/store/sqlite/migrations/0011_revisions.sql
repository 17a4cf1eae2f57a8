-- +goose Up

-- A fold commits only if the problems that it read are still at the revisions that it read.
ALTER TABLE problems ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
UPDATE problems SET revision = coalesce(json_extract(CAST(doc AS TEXT), '$.revision'), 0) WHERE json_valid(CAST(doc AS TEXT));
