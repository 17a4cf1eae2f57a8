-- +goose Up

-- What is remembered of a trigger's resolved problems after they were pruned: alert.TriggerStats.
-- It has rowids: a doc grows to some kilobytes, and a b-tree of such rows would be deep.
CREATE TABLE trigger_stats (
	id         INTEGER PRIMARY KEY,
	trigger_id TEXT    NOT NULL,
	host       TEXT    NOT NULL, -- the technical name of the first host
	source     TEXT    NOT NULL,
	written_at INTEGER NOT NULL,
	doc        BLOB    NOT NULL,
	UNIQUE (trigger_id, host, source)
) STRICT;
CREATE INDEX trigger_stats_written ON trigger_stats (written_at);

-- The newest 50 resolved problems of each trigger that are still stored, with the rooms that they were posted in. What people wrote
-- about them is left out.
INSERT INTO trigger_stats (trigger_id, host, source, written_at, doc)
SELECT trigger_id, host, source, max(written_at), CAST(json_object('occurrences', json_group_array(json(occurrence) ORDER BY age DESC)) AS BLOB)
FROM (
	SELECT trigger_id, host, source, written_at, age, json_patch(
		json_object('e', event_id, 'o', opened_at,
			'in', json((SELECT json_group_array(room) FROM (SELECT room FROM posts p WHERE p.event_id = n.event_id AND p.source = n.source ORDER BY room LIMIT 20)))),
		json_object('r', resolved)) AS occurrence
	FROM (
		SELECT *, row_number() OVER (PARTITION BY trigger_id, host, source ORDER BY opened_at DESC, length(event_id) DESC, event_id DESC) AS age
		FROM (
			SELECT event_id, source, opened_at, written_at, d ->> 'trigger_id' AS trigger_id, d ->> 'origin' AS origin,
				coalesce((SELECT min(value ->> 'host') FROM json_each(d, '$.hosts') WHERE value ->> 'host' <> ''), '') AS host,
				CASE WHEN d ->> 'gone' THEN NULL ELSE CAST(round(unixepoch(d ->> 'resolved_at', 'subsec') * 1000000) AS INTEGER) END AS resolved
			FROM (SELECT *, CAST(doc AS TEXT) AS d FROM problems WHERE state = 'resolved' AND opened_at > 0 AND json_valid(CAST(doc AS TEXT)))
		)
		WHERE coalesce(trigger_id, '') <> '' AND origin = 'trigger'
	) n
	WHERE age <= 50
)
GROUP BY trigger_id, host, source;
