DROP TABLE thread_spawn_edges;
