//! fs/*: the files of this machine, for clients that have no other way to them.
//!
//! There is no sandbox here: whoever may connect may do what the server may. Everything that touches more than one
//! file's metadata runs on the blocking pool. What the system refuses is answered in its own words.

use std::io;

use crate::rpc::RpcError;

mod content;
mod copy;
mod entries;
mod metadata;
mod watch;

pub use content::{read_file, write_file};
pub use copy::copy;
pub use entries::{create_directory, read_directory, remove};
pub use metadata::get_metadata;
pub use watch::{unwatch, watch};

/// The system's own words: clients match on them.
fn os_error(error: io::Error) -> RpcError {
    match error.kind() {
        io::ErrorKind::InvalidInput => RpcError::invalid_request(error.to_string()),
        _ => RpcError::internal(error.to_string()),
    }
}

/// Does on the blocking pool what touches files.
async fn on_files<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, RpcError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(io::Error::other).flatten().map_err(os_error)
}
