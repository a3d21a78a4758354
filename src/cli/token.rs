//! `greenroom token new`: a random capability token and its digest.

use std::process::ExitCode;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::{CommandError, terminal};

/// Tokens.
#[derive(Debug, clap::Args)]
pub struct TokenArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Make a random token for `--ws-auth capability-token`.
    New {
        /// Print the token alone, for a file.
        #[arg(long)]
        raw: bool,
    },
}

/// Runs the command.
pub fn run(args: TokenArgs) -> Result<ExitCode, CommandError> {
    let Action::New { raw } = args.action;
    let token = random_token()?;
    terminal::answer(&token)?;
    if !raw {
        let digest = hex::encode(Sha256::digest(token.as_bytes()));
        terminal::answer(&format!("sha256 {digest}"))?;
        terminal::tell("\nserver: --ws-auth capability-token --ws-token-sha256 SHA256 (or --ws-token-file FILE)");
        terminal::tell("client: Authorization: Bearer TOKEN");
    }
    Ok(ExitCode::SUCCESS)
}

/// 256 bits from the system, as text that needs no quoting anywhere.
fn random_token() -> std::io::Result<String> {
    let mut bytes = [0_u8; 32];
    std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, &mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
