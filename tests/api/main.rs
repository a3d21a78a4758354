//! The integration tests: a real server process, real SQLite, real files, a scripted model over real HTTP.
//!
//! One binary, so that everything links once. Suites that hold for every transport run over stdio, ws and unix.

#![allow(clippy::disallowed_methods, reason = "a test starts the server under test")]

mod harness;

mod agents;
mod approvals;
mod bad_providers;
mod catalog;
mod chaos;
mod chat_completions;
mod client_processes;
mod command_exec;
mod compaction;
mod compatibility;
mod configuration;
mod consistency;
mod copies;
mod disk;
mod doctor;
mod durability;
mod elicitation;
mod environments;
mod exec_server;
mod files;
mod forks;
mod goals;
mod guardian;
mod handshake;
mod hooks;
mod models;
mod network;
mod operators;
mod permissions;
mod pictures;
mod process;
mod process_flood;
mod profiles;
mod reconnect;
mod rehearsal;
mod repair;
mod reviews;
mod sandbox;
mod shell_command;
mod skills;
mod sockets;
mod starters;
mod strange_files;
mod thread_changes;
mod threads;
mod tidy;
mod tool_search;
mod transports;
mod turns;
mod user_shell;
mod web_search;
