//! The binary: everything is in the library.

fn main() -> std::process::ExitCode {
    // Before anything else: this process may be the first moment of a sandboxed command, which has no time to lose.
    if let Some(code) = greenroom::exec::sandbox::stage() {
        return code;
    }
    // Or one operation on files that is done confined.
    if let Some(code) = greenroom::executor::stage() {
        return code;
    }
    greenroom::cli::main()
}
