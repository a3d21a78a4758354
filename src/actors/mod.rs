//! The actors: supervisor, connection, thread, db. Each owns its state; nobody else locks it.
