//! Threads on disk: rollout files are the truth, SQLite is their index.
