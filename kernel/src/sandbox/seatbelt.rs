//! The sandbox of macOS: the profile that `sandbox-exec` takes.
//!
//! Compiled and tested as text everywhere. It was not run: there is no macOS among our machines.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use super::grants::Grants;
use super::jail::Fence;
use super::{Network, Settings};

/// By its full path, as one on the path might be another.
const PROGRAM: &str = "/usr/bin/sandbox-exec";

/// What Python needs of the system beside files: to start programs and wait for them, to know the machine, terminals
/// and semaphores of its own. All else is denied.
///
/// # Source
/// The base policy of <https://github.com/openai/codex>, `codex-rs/core/src/seatbelt_base_policy.sbpl`.
const BASE: &str = r#"(version 1)
(deny default)
(allow process-exec)
(allow process-fork)
(allow signal (target same-sandbox))
(allow process-info* (target same-sandbox))
(allow sysctl-read)
(allow ipc-posix-sem)
(allow ipc-posix-shm*)
(allow pseudo-tty)
(allow mach-lookup (global-name "com.apple.system.opendirectoryd.libinfo"))
(allow file-read-metadata)
(allow file-read* (literal "/"))
(allow file-read* (subpath "/System") (subpath "/Library/Apple") (subpath "/private/var/db/timezone"))
(allow file-read* file-write* (literal "/dev/null") (literal "/dev/zero") (literal "/dev/ptmx") (regex #"^/dev/ttys[0-9]+"))
(allow file-read* (literal "/dev/random") (literal "/dev/urandom"))
"#;

/// The beginning of the command: `sandbox-exec`, the profile, and our program.
///
/// # Errors
/// When there is no `sandbox-exec`, or a folder would have to be hidden.
pub(super) fn command(grants: &Grants, settings: &Settings) -> Result<Command, String> {
    if !Path::new(PROGRAM).exists() {
        return Err(format!("there is no `{PROGRAM}`"));
    }
    grants.hides_nothing()?;
    let mut command = Command::new(PROGRAM);
    command.arg("-p").arg(profile(&grants.fence(), settings));
    command.arg("--").arg(&settings.program);
    Ok(command)
}

fn profile(fence: &Fence, settings: &Settings) -> String {
    let mut text = BASE.to_owned();
    for path in fence.readable.iter().chain([&settings.program]) {
        let _ = writeln!(text, "(allow file-read* file-map-executable (subpath {}))", quoted(path));
    }
    for path in &fence.writable {
        let path = quoted(path);
        let _ =
            writeln!(text, "(allow file-read* file-write* file-map-executable (subpath {path}))");
        // The sockets between the kernel and the companion are files there.
        let _ = writeln!(text, "(allow network-bind network-inbound (subpath {path}))");
        let _ = writeln!(text, "(allow network-outbound (subpath {path}))");
    }
    text.push_str(if settings.network == Network::On { "(allow network*)\n" } else { "" });
    text
}

/// A path as a string of the profile's language.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy().replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{text}\"")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn fence() -> Fence {
        Fence { readable: vec!["/opt/py".into()], writable: vec![PathBuf::from("/w/a \"b\\")] }
    }

    #[test]
    fn the_profile_denies_first_and_allows_what_is_granted() {
        let text =
            profile(&fence(), &Settings { program: "/p/datarus".into(), ..Settings::default() });
        assert!(text.starts_with("(version 1)\n(deny default)\n"));
        for line in [
            "(allow file-read* file-map-executable (subpath \"/opt/py\"))",
            "(allow file-read* file-map-executable (subpath \"/p/datarus\"))",
            "(allow file-read* file-write* file-map-executable (subpath \"/w/a \\\"b\\\\\"))",
            "(allow network-outbound (subpath \"/w/a \\\"b\\\\\"))",
        ] {
            assert!(text.lines().any(|found| found == line), "expected {line} in\n{text}");
        }
        assert!(!text.contains("(allow network*)"));
        assert_eq!(text.matches('(').count(), text.matches(')').count());
    }

    #[test]
    fn the_network_is_open_only_when_it_is_wanted() {
        let settings = Settings { network: Network::On, ..Settings::default() };
        assert!(profile(&fence(), &settings).ends_with("(allow network*)\n"));
    }
}
