//! pip in a sandbox of its own: the network is open, and only the folder of packages can be changed.
//!
//! That folder lies with the user's state, one for each workspace and Python, where no cell can write: Python in its
//! sandbox only reads it. pip takes wheels alone, so nothing of a package runs before a step imports it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::Command;

use super::{Inmate, Network, Private, Sandbox, Settings, Tier, private, real};

/// What Python runs.
const INSTALL: &str = include_str!("install.py");

/// What pip tells an index of the system. Without a namespace it sees that they exist, and then must be able to read them.
const RELEASES: &[&str] = &[
    "/etc/os-release",
    "/etc/lsb-release",
    "/etc/debian_version",
    "/etc/redhat-release",
    "/etc/system-release",
    "/etc/fedora-release",
    "/etc/centos-release",
    "/etc/SuSE-release",
    "/etc/arch-release",
    "/etc/alpine-release",
];

/// How much of what pip says is told, in characters.
const MAX_TOLD: usize = 2000;

/// pip, ready to run; what it needs is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Installer {
    command: Command,
    _private: Private,
    _runtime: TempDir,
}

impl Sandbox {
    /// The folder of packages for a workspace, which is absolute and without links; made when it is not there.
    pub(super) fn packages(&self, workspace: &Path) -> Option<PathBuf> {
        let all = self.settings.packages.as_ref().filter(|_| self.tier != Tier::None)?;
        let folder = all.join(private::name_of(workspace)).join(private::name_of(&self.python));
        std::fs::create_dir_all(&folder).ok()?;
        std::fs::canonicalize(folder).ok()
    }

    /// Makes pip ready to install `packages` for a workspace.
    ///
    /// # Errors
    /// One sentence, when there is no place for them.
    pub(crate) fn installer(
        &self,
        workspace: &Path,
        packages: &[String],
    ) -> Result<Installer, String> {
        let target = self
            .packages(&real(workspace)?)
            .ok_or("there is no place for packages: `XDG_STATE_HOME` names a folder that can be written to")?;
        let settings = Settings {
            network: Network::On,
            readable: RELEASES.iter().map(PathBuf::from).collect(),
            history: None,
            packages: None,
            ..self.settings.clone()
        };
        let pip = Sandbox { settings, ..self.clone() };
        let private = Private::create(&pip.settings, &target)?;
        let runtime = tempfile::tempdir().map_err(|error| error.to_string())?;
        let inmate = Inmate { python: &self.python, folder: &target, runtime: runtime.path() };
        // Isolated, so that Python looks for modules neither in the folder that it runs in nor where a variable says.
        let mut arguments = vec!["-I".into(), "-c".into(), INSTALL.into(), target.clone().into()];
        arguments.extend(packages.iter().map(Into::into));
        let command = pip.command(inmate, &private, &arguments, None)?;
        Ok(Installer { command: command.into(), _private: private, _runtime: runtime })
    }
}

impl Installer {
    /// Installs; ends pip when this is dropped.
    ///
    /// # Errors
    /// What pip said of it, or that it took too long.
    pub(crate) async fn run(mut self, timeout: Duration) -> Result<(), String> {
        self.command.stdin(Stdio::null()).kill_on_drop(true);
        let ended = tokio::time::timeout(timeout, self.command.output()).await;
        let output = ended
            .map_err(|_| format!("pip did not end within {} seconds", timeout.as_secs()))?
            .map_err(|error| format!("pip does not start ({error})"))?;
        if output.status.success() {
            return Ok(());
        }
        Err(complaint(&String::from_utf8_lossy(&output.stderr), &output.status.to_string()))
    }
}

/// What pip complains of, without its warnings and its advice.
fn complaint(said: &str, status: &str) -> String {
    let errors = said.lines().filter_map(|line| line.strip_prefix("ERROR: "));
    // What follows that one is a traceback, whose last line says what it was.
    let errors: Vec<_> = errors.filter(|line| *line != "Exception:").collect();
    let told = match errors.as_slice() {
        [] => said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or(status).to_owned(),
        errors => errors.join("\n"),
    };
    told.chars().filter(|c| !c.is_control() || *c == '\n').take(MAX_TOLD).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pip_complains_of_is_told_without_its_advice() {
        let said = "WARNING: slow\nERROR: Could not find x\nERROR: No matching distribution\n\n[notice] new pip\n";
        assert_eq!(complaint(said, "1"), "Could not find x\nNo matching distribution");
        assert_eq!(complaint("a\nNo module named pip\n\n", "1"), "No module named pip");
        assert_eq!(complaint("ERROR: Exception:\nTraceback\n  x\nOSError: y\n", "1"), "OSError: y");
        assert_eq!(complaint("", "exit status: 1"), "exit status: 1");
    }
}
