-- Hot: the system and mapped properties of every open interaction, one encoded value.
CREATE TABLE interactions (
    key INTEGER PRIMARY KEY,
    row BLOB NOT NULL
) STRICT;

-- Cold: user data, packed (a format byte, then plain or compressed bytes).
CREATE TABLE contents (
    key INTEGER PRIMARY KEY,
    user_data BLOB NOT NULL
) STRICT;

CREATE TABLE agents (
    id TEXT PRIMARY KEY,
    row BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- The commit log. Its newest record is never deleted: a commit must name that record's successor, in its epoch.
-- log_bytes: the bytes of all records up to this one since the database was made.
CREATE TABLE commit_log (
    seq INTEGER PRIMARY KEY,
    epoch INTEGER NOT NULL,
    hash INTEGER NOT NULL,
    first_event INTEGER NOT NULL,
    last_event INTEGER NOT NULL,
    log_bytes INTEGER NOT NULL,
    events_bytes INTEGER NOT NULL,
    format INTEGER NOT NULL,
    at INTEGER NOT NULL,
    counters BLOB NOT NULL,
    changed_ids BLOB NOT NULL,
    events BLOB NOT NULL
) STRICT;

-- Idempotency keys: one row per commit that brought some, deleted whole.
CREATE TABLE idempotency (
    seq INTEGER PRIMARY KEY,
    expires_at INTEGER NOT NULL,
    entries BLOB NOT NULL
) STRICT;
CREATE INDEX idempotency_expiry ON idempotency (expires_at);

-- One row.
CREATE TABLE database_info (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    id_prefix TEXT NOT NULL,
    created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
) STRICT;
