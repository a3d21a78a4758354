//! `greenroom app-server generate-json-schema` and `generate-ts`.

use std::path::PathBuf;
use std::process::ExitCode;

use super::{CommandError, terminal};
use crate::protocol::schema::{SchemaOptions, write_json, write_typescript};
use crate::rpc::gate::{FIELDS, outgoing};

/// Where to write, and how much.
#[derive(Debug, clap::Args)]
pub struct SchemaArgs {
    /// The folder for the files; made when missing.
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// Also write what only clients with the experimental capability may use.
    #[arg(long)]
    experimental: bool,
}

impl SchemaArgs {
    fn options(&self) -> SchemaOptions<'static> {
        SchemaOptions {
            experimental: self.experimental,
            gated_fields: FIELDS,
            gated_request_fields: outgoing::FIELDS,
        }
    }
}

/// Writes JSON Schema.
pub fn json(args: &SchemaArgs) -> Result<ExitCode, CommandError> {
    let written = write_json(&args.out, &args.options())?;
    done(written, "schemas", args)
}

/// Writes TypeScript.
pub fn typescript(args: &SchemaArgs) -> Result<ExitCode, CommandError> {
    let written = write_typescript(&args.out, &args.options())?;
    done(written, "types", args)
}

fn done(written: usize, what: &str, args: &SchemaArgs) -> Result<ExitCode, CommandError> {
    terminal::tell(&format!("wrote {written} {what} to {}", args.out.display()));
    Ok(ExitCode::SUCCESS)
}
