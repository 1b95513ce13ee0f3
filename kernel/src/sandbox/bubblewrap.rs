//! Namespaces made by bubblewrap: the command line that says what exists in them.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use super::grants::{Grants, Mount};
use super::{Network, Settings};

/// Where our own program is, inside.
const INSIDE: &str = "/.datarus";

/// The beginning of the command: bubblewrap, what it makes, and our program inside it.
///
/// # Errors
/// When there is no bubblewrap.
pub(super) fn command(grants: &Grants, settings: &Settings) -> Result<Command, String> {
    let found = crate::config::on_path(Path::new("bwrap"));
    let bwrap =
        found.ok_or("there is no `bwrap` on the path (Debian: `apt install bubblewrap`)")?;
    let mut command = Command::new(bwrap);
    command.args(arguments(grants, settings));
    Ok(command)
}

fn arguments(grants: &Grants, settings: &Settings) -> Vec<OsString> {
    let mut line = Line::default();
    line.add(&["--unshare-all", "--die-with-parent", "--cap-drop", "ALL"]);
    if settings.network == Network::On {
        line.add(&["--share-net"]);
    }
    line.add(&["--proc", "/proc", "--dev", "/dev"]);
    let mounts = grants.mounts();
    for mount in &mounts {
        match mount {
            Mount::Link { at, to } => line.two("--symlink", to, at),
            Mount::Folder(at) => line.one("--dir", at),
            Mount::Hidden(at) => line.one("--tmpfs", at),
            Mount::ReadOnly { from, at } => line.two("--ro-bind-try", from, at),
            Mount::Writable { from, at } => line.two("--bind", from, at),
        }
    }
    line.two("--ro-bind", &settings.program, Path::new(INSIDE));
    for mount in &mounts {
        // Only now, since the Python may be in it.
        if let Mount::Hidden(at) = mount {
            line.one("--remount-ro", at);
        }
    }
    // What is written outside of the workspace must be refused, not lost without a word.
    line.add(&["--remount-ro", "/"]);
    line.one("--chdir", grants.workspace());
    line.add(&["--", INSIDE]);
    line.0
}

#[derive(Default)]
struct Line(Vec<OsString>);

impl Line {
    fn add(&mut self, words: &[&str]) {
        self.0.extend(words.iter().map(OsString::from));
    }

    fn one(&mut self, option: &str, path: &Path) {
        self.0.extend([option.into(), path.into()]);
    }

    fn two(&mut self, option: &str, from: &Path, to: &Path) {
        self.0.extend([option.into(), from.into(), to.into()]);
    }
}
