-- What lists and look-ups need of a thread. The rollout at `rollout_path` is the truth; `file_size` and
-- `file_mtime_ns` tell whether the row still agrees with it.
CREATE TABLE threads (
    key INTEGER PRIMARY KEY NOT NULL,
    id TEXT NOT NULL UNIQUE,
    rollout_path TEXT NOT NULL,
    archived BOOLEAN NOT NULL,
    listed BOOLEAN NOT NULL,
    forked_from_id TEXT,
    created_at_ms BIGINT NOT NULL,
    updated_at_ms BIGINT NOT NULL,
    cwd TEXT NOT NULL,
    cli_version TEXT NOT NULL,
    source TEXT NOT NULL,
    source_kind TEXT NOT NULL,
    thread_source TEXT,
    agent_nickname TEXT,
    agent_role TEXT,
    agent_path TEXT,
    model_provider TEXT NOT NULL,
    model TEXT,
    reasoning_effort TEXT,
    title TEXT NOT NULL,
    preview TEXT NOT NULL,
    git_sha TEXT,
    git_branch TEXT,
    git_origin_url TEXT,
    memory_mode TEXT,
    tokens_used BIGINT NOT NULL,
    file_size BIGINT NOT NULL,
    file_mtime_ns BIGINT NOT NULL
);
CREATE INDEX threads_by_creation ON threads (archived, listed, created_at_ms, id);
CREATE INDEX threads_by_update ON threads (archived, listed, updated_at_ms, id);

-- The turns of a thread in order, with the range of their lines in the rollout.
CREATE TABLE turns (
    thread_key INTEGER NOT NULL REFERENCES threads (key) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    turn_id TEXT NOT NULL,
    status TEXT NOT NULL,
    started_at BIGINT,
    completed_at BIGINT,
    duration_ms BIGINT,
    has_user_message BOOLEAN NOT NULL,
    start_offset BIGINT NOT NULL,
    end_offset BIGINT NOT NULL,
    PRIMARY KEY (thread_key, position)
) WITHOUT ROWID;

-- The items of a turn in order, with the place of their lines in the rollout.
CREATE TABLE items (
    thread_key INTEGER NOT NULL,
    turn_position INTEGER NOT NULL,
    position INTEGER NOT NULL,
    item_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    line_offset BIGINT NOT NULL,
    line_length BIGINT NOT NULL,
    PRIMARY KEY (thread_key, turn_position, position),
    FOREIGN KEY (thread_key, turn_position) REFERENCES turns (thread_key, position) ON DELETE CASCADE
) WITHOUT ROWID;
