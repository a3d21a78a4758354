//! The tables of the index, as diesel sees them. In step with `migrations/`; a test compares the two.

diesel::table! {
    /// Threads: what lists and look-ups need.
    threads (key) {
        /// The row.
        key -> Integer,
        /// The thread.
        id -> Text,
        /// Its rollout.
        rollout_path -> Text,
        /// Whether the rollout lies in the archive.
        archived -> Bool,
        /// Whether lists show it.
        listed -> Bool,
        /// The thread it was forked from.
        forked_from_id -> Nullable<Text>,
        /// Unix milliseconds.
        created_at_ms -> BigInt,
        /// Unix milliseconds.
        updated_at_ms -> BigInt,
        /// Its folder.
        cwd -> Text,
        /// The version that made it.
        cli_version -> Text,
        /// What made it, as the rollout spells it.
        source -> Text,
        /// The kind of that, for filters.
        source_kind -> Text,
        /// On whose behalf.
        thread_source -> Nullable<Text>,
        /// The agent's nickname.
        agent_nickname -> Nullable<Text>,
        /// The agent's role.
        agent_role -> Nullable<Text>,
        /// The agent's place in the spawn tree.
        agent_path -> Nullable<Text>,
        /// The provider; empty when the rollout names none.
        model_provider -> Text,
        /// The model of its last turn.
        model -> Nullable<Text>,
        /// The effort of its last turn.
        reasoning_effort -> Nullable<Text>,
        /// The first message.
        title -> Text,
        /// What lists show.
        preview -> Text,
        /// Commit.
        git_sha -> Nullable<Text>,
        /// Branch.
        git_branch -> Nullable<Text>,
        /// Remote.
        git_origin_url -> Nullable<Text>,
        /// Memory mode.
        memory_mode -> Nullable<Text>,
        /// All tokens used.
        tokens_used -> BigInt,
        /// The file's size when the row was true.
        file_size -> BigInt,
        /// The file's time when the row was true, in Unix nanoseconds.
        file_mtime_ns -> BigInt,
        /// Where it is to be taken up, as JSON.
        landmarks -> Text,
    }
}

diesel::table! {
    /// Turns and where their lines stand.
    turns (thread_key, position) {
        /// The thread's row.
        thread_key -> Integer,
        /// The turn's place among the thread's turns.
        position -> Integer,
        /// Its id on the wire.
        turn_id -> Text,
        /// `completed`, `interrupted`, `failed` or `inProgress`.
        status -> Text,
        /// Unix seconds.
        started_at -> Nullable<BigInt>,
        /// Unix seconds.
        completed_at -> Nullable<BigInt>,
        /// Milliseconds.
        duration_ms -> Nullable<BigInt>,
        /// Whether the user said something in it.
        has_user_message -> Bool,
        /// Where its first line begins.
        start_offset -> BigInt,
        /// Where its last line ends.
        end_offset -> BigInt,
        /// What it failed with, as JSON.
        error -> Nullable<Text>,
        /// How many items it has.
        item_count -> Integer,
    }
}

diesel::table! {
    /// Items and where their lines stand.
    items (thread_key, turn_position, position) {
        /// The thread's row.
        thread_key -> Integer,
        /// The turn.
        turn_position -> Integer,
        /// The item's place in the turn.
        position -> Integer,
        /// Its id on the wire.
        item_id -> Text,
        /// Its wire type.
        kind -> Text,
        /// Where its first line begins.
        line_offset -> BigInt,
        /// The length of its lines.
        line_length -> BigInt,
    }
}

diesel::table! {
    /// Which thread spawned which.
    thread_spawn_edges (child_thread_id) {
        /// The spawned thread.
        child_thread_id -> Text,
        /// Who spawned it.
        parent_thread_id -> Text,
        /// `open` or `closed`.
        status -> Text,
        /// The child's place in the tree of agents.
        agent_path -> Nullable<Text>,
    }
}

diesel::allow_tables_to_appear_in_same_query!(threads, turns, items, thread_spawn_edges);
