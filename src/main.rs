//! The binary: arguments, logs, start, end.

use greenroom::startup::{Options, build};

fn main() -> std::process::ExitCode {
    greenroom::telemetry::logging::install();
    let outcome = actix_rt::System::new().block_on(async {
        let options = Options {
            stdio: true,
            ..Options::default()
        };
        build(options).await?.run_until_stopped().await;
        Ok::<(), greenroom::startup::StartError>(())
    });
    match outcome {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}
