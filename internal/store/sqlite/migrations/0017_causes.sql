-- +goose Up

-- Finds the symptoms that arrived before their cause. Few problems are symptoms.
CREATE INDEX problems_causes ON problems (cause, source) WHERE cause <> '';
