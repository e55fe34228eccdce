-- Hot: the system and mapped properties of every open interaction, one encoded value. Updated by every step of an
-- interaction, never indexed beyond its key, so that updates stay on their page.
CREATE TABLE interactions (
    key bigint PRIMARY KEY,
    row bytea NOT NULL
) WITH (
    fillfactor = 60,
    autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_vacuum_insert_threshold = 100000, autovacuum_vacuum_insert_scale_factor = 0.2,
    autovacuum_vacuum_cost_limit = 2000
);
ALTER TABLE interactions ALTER COLUMN row SET STORAGE EXTERNAL;

-- Cold: user data, packed (a format byte, then plain or compressed bytes), hence never compressed again.
CREATE TABLE contents (
    key bigint PRIMARY KEY,
    user_data bytea NOT NULL
) WITH (
    fillfactor = 90,
    autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_vacuum_insert_threshold = 100000, autovacuum_vacuum_insert_scale_factor = 0.2,
    autovacuum_vacuum_cost_limit = 2000
);
ALTER TABLE contents ALTER COLUMN user_data SET STORAGE EXTERNAL;

CREATE TABLE agents (
    id text PRIMARY KEY,
    row bytea NOT NULL
) WITH (fillfactor = 50);

-- The commit log. Partitions are named commit_log_LOWER_UPPER and attached in ascending order by the server; there is no
-- default partition, and a dropped range is never made again: that is what fences a server that slept.
CREATE TABLE commit_log (
    seq bigint PRIMARY KEY,
    epoch bigint NOT NULL,
    hash bigint NOT NULL,
    first_event bigint NOT NULL,
    last_event bigint NOT NULL,
    counters bytea NOT NULL,
    changed_ids bytea NOT NULL,
    events bytea NOT NULL,
    events_bytes bigint NOT NULL,
    format smallint NOT NULL,
    at bigint NOT NULL
) PARTITION BY RANGE (seq);
ALTER TABLE commit_log ALTER COLUMN changed_ids SET STORAGE EXTERNAL;
ALTER TABLE commit_log ALTER COLUMN events SET STORAGE EXTERNAL;

-- Idempotency keys: one row per commit that brought some, dropped whole. Partitions as above.
CREATE TABLE idempotency (
    seq bigint PRIMARY KEY,
    expires_at bigint NOT NULL,
    entries bytea NOT NULL
) PARTITION BY RANGE (seq);
ALTER TABLE idempotency ALTER COLUMN entries SET STORAGE EXTERNAL;

-- One row.
CREATE TABLE database_info (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    id_prefix text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
