//! The configuration of a home: config.toml and its layers, resolved for a thread.
