-- +goose Up

-- What reconciliation compares, of problems of triggers. suppressed_until is the largest integer for indefinitely. updates is how many
-- Zabbix's API listed last, -1 if it was never asked.
ALTER TABLE problems ADD COLUMN of_trigger       INTEGER NOT NULL DEFAULT 0;
ALTER TABLE problems ADD COLUMN suppressed_until INTEGER NOT NULL DEFAULT 0;
ALTER TABLE problems ADD COLUMN updates          INTEGER NOT NULL DEFAULT -1;
ALTER TABLE problems ADD COLUMN cause            TEXT    NOT NULL DEFAULT '';

UPDATE problems SET of_trigger = 1, cause = coalesce(json_extract(CAST(doc AS TEXT), '$.cause_event_id'), ''),
    suppressed_until = CASE WHEN coalesce(json_extract(CAST(doc AS TEXT), '$.suppressed'), 0) = 0 THEN 0
        WHEN json_extract(CAST(doc AS TEXT), '$.suppressed_until') IS NULL THEN 9223372036854775807
        ELSE coalesce(unixepoch(json_extract(CAST(doc AS TEXT), '$.suppressed_until')), 0) * 1000000 END
    WHERE open = 1 AND CASE WHEN json_valid(CAST(doc AS TEXT)) THEN json_extract(CAST(doc AS TEXT), '$.origin') = 'trigger' END;
