-- One commit. The main statement runs first, so the log's number decides before a row is touched; the others follow
-- within the same snapshot and the same transaction. Their keys are disjoint.
-- The commit before must be there, in the same epoch: without it the epoch is null, which the log refuses. It is read from
-- its own partition: a plan over the whole log would lock every partition with every commit, and none could be dropped.
WITH hot AS (
    INSERT INTO interactions (key, row)
    SELECT unnest($12::bigint[]), unnest($13::bytea[])
    ON CONFLICT (key) DO UPDATE SET row = EXCLUDED.row
), cold AS (
    INSERT INTO contents (key, user_data)
    SELECT unnest($14::bigint[]), unnest($15::bytea[])
    ON CONFLICT (key) DO UPDATE SET user_data = EXCLUDED.user_data
), deleted_hot AS (
    DELETE FROM interactions WHERE key = ANY ($16::bigint[])
), deleted_cold AS (
    DELETE FROM contents WHERE key = ANY ($16::bigint[])
), upserted_agents AS (
    INSERT INTO agents (id, row)
    SELECT unnest($17::text[]), unnest($18::bytea[])
    ON CONFLICT (id) DO UPDATE SET row = EXCLUDED.row
), deleted_agents AS (
    DELETE FROM agents WHERE id = ANY ($19::text[])
), keys AS (
    INSERT INTO idempotency (seq, expires_at, entries)
    SELECT $1, $20::bigint, $21::bytea WHERE $21::bytea IS NOT NULL
)
INSERT INTO commit_log
    (seq, epoch, hash, first_event, last_event, counters, changed_ids, events, events_bytes, format, at)
VALUES ($1::bigint, (SELECT epoch FROM PREDECESSORS_PARTITION WHERE seq = $1::bigint - 1 AND epoch = $2), $3, $4, $5, $6, $7, $8, $9, $10, $11)
