-- +goose Up

-- Only open problems are listed, and each index costs every event that is folded.
DROP INDEX problems_worst;
