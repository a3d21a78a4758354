-- Which agent was spawned by which thread. A child has one parent; its own `session_meta` names it, so the edges of a
-- lost index come back with the rows of the children.
CREATE TABLE thread_spawn_edges (
    child_thread_id TEXT PRIMARY KEY NOT NULL,
    parent_thread_id TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('open', 'closed')),
    agent_path TEXT
) WITHOUT ROWID;
CREATE INDEX thread_spawn_edges_by_parent ON thread_spawn_edges (parent_thread_id, status, child_thread_id);

INSERT INTO thread_spawn_edges (child_thread_id, parent_thread_id, status, agent_path)
SELECT id, json_extract(source, '$.subagent.thread_spawn.parent_thread_id'), 'open', agent_path
FROM threads
WHERE source_kind = 'subAgentThreadSpawn'
    AND json_extract(source, '$.subagent.thread_spawn.parent_thread_id') IS NOT NULL;
