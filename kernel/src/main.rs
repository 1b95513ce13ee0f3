//! The program `datarus`: reads the command line, does the work, turns errors into exit codes.

use std::io::{IsTerminal as _, Write as _};
use std::panic::PanicHookInfo;
use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::prelude::*;

use datarus_kernel::cli::Cli;
use datarus_kernel::commands;
use datarus_kernel::model::template;
use datarus_kernel::sandbox::jail;

/// What is logged unless `DATARUS_LOG` says otherwise. A subscriber of zeromq tries to connect again for a moment after
/// its kernel has ended as it should; a certificate that is not trusted is told in our own words.
const LOGGED: &str = "warn,zeromq=error,rustls_platform_verifier=off";

/// Begins the names of what would log the bytes of requests to a server, its key or token among them; no `DATARUS_LOG`
/// turns that on.
const NEVER_LOGGED: [&str; 3] = ["ureq", "tungstenite", "tokio_tungstenite"];

fn main() -> ExitCode {
    // First, with nothing else begun: it is about to become another program, or to give up memory and time.
    let hidden = jail::run(std::env::args_os());
    if let Some(done) = hidden.or_else(|| template::run(std::env::args_os())) {
        return ended(done);
    }
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_env("DATARUS_LOG").unwrap_or_else(|_| EnvFilter::new(LOGGED));
    // Jupyter reads our stdout.
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none());
    tracing_subscriber::registry()
        .with(filter)
        .with(filter_fn(|metadata| {
            !NEVER_LOGGED.iter().any(|name| metadata.target().starts_with(name))
        }))
        .with(lines)
        .init();
    std::panic::set_hook(Box::new(tell_panic));
    match commands::run(cli.command) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {}", chain(&error.cause));
            ExitCode::from(error.code)
        }
    }
}

/// Tells where a panic was. Its words may quote what it failed at, such as a cell, which only a trace may hold.
fn tell_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
    tracing::error!(%place, %thread, "a fault of this program");
    tracing::trace!(%panic, "what it said");
}

fn ended(done: Result<(), String>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            let _ = writeln!(std::io::stderr(), "{reason}");
            ExitCode::FAILURE
        }
    }
}

/// The error and its causes, each said once: some texts name their cause already.
fn chain(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |said, cause| {
        if said.contains(&cause) {
            said
        } else if said.is_empty() {
            cause
        } else {
            format!("{said}: {cause}")
        }
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What is logged at `level` when code fails at words of a cell.
    fn logged(level: tracing::Level) -> String {
        let written = Written::default();
        let writer = written.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            let _ = std::panic::catch_unwind(|| panic!("cannot split `salary = 5200`"));
        });
        let bytes = written.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_panic_tells_its_place_and_only_a_trace_what_it_said() {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(tell_panic));
        let [debug, trace] = [tracing::Level::DEBUG, tracing::Level::TRACE].map(logged);
        std::panic::set_hook(before);
        assert!(debug.contains("a fault of this program") && debug.contains("main.rs:"), "{debug}");
        assert!(!debug.contains("salary"), "{debug}");
        assert!(trace.contains("salary = 5200"), "{trace}");
    }
}
