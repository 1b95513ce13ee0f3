//! What a user is told below a cell that failed because of the sandbox: what it holds back, and how to let it through.

use std::path::Path;

use super::{Network, Sandbox, Tier};

/// Exceptions of what is not there, not permitted, or not writable.
const OF_FILES: &[&str] = &["FileNotFoundError", "PermissionError", "OSError"];

/// What libraries say when there is no network.
const OF_NETWORK: &[&str] = &[
    "Temporary failure in name resolution",
    "Name or service not known",
    "Network is unreachable",
    "Connection refused",
    "Failed to resolve",
    "No address associated with hostname",
];

/// What they say when the proxy refuses a host.
const OF_PROXY: &[&str] = &["403 Forbidden", "HTTP Error 403"];

impl Sandbox {
    /// The hint for an exception of a cell that ran in `folder`, if the sandbox may be its cause.
    pub(crate) fn hint(&self, folder: &Path, ename: &str, evalue: &str) -> Option<String> {
        if self.tier == Tier::None {
            return None;
        }
        if OF_FILES.contains(&ename)
            && let Some(hint) = self.file_hint(folder, evalue)
        {
            return Some(hint);
        }
        if ename == "MemoryError" {
            return Some(
                "Each process of a cell has a limit of memory: `DATARUS_MEMORY` sets it, in GB.\n"
                    .into(),
            );
        }
        let said = |words: &[&str]| words.iter().any(|words| evalue.contains(words));
        match &self.settings.network {
            Network::Off if said(OF_NETWORK) => Some(NO_NETWORK.to_owned()),
            Network::Hosts(hosts) if said(OF_NETWORK) || said(OF_PROXY) => Some(format!(
                "Cells reach these hosts alone: {hosts}. `--network HOST,HOST` or `DATARUS_NETWORK` names others.\n"
            )),
            Network::Off | Network::On | Network::Hosts(_) => None,
        }
    }

    /// The hint for a cell that is about to install packages.
    pub(crate) fn install_hint(&self, code: &str) -> Option<&'static str> {
        let held = self.tier != Tier::None;
        let installs = |line: &str| {
            let command = line.trim_start().trim_start_matches(['%', '!']);
            let word = command.split_whitespace().take(2).collect::<Vec<_>>();
            line.trim_start().starts_with(['%', '!'])
                && matches!(
                    word.as_slice(),
                    ["pip" | "pip3" | "conda" | "mamba" | "uv", "install" | "pip"]
                )
        };
        (held && code.lines().any(installs)).then_some(NO_INSTALL)
    }

    fn file_hint(&self, folder: &Path, evalue: &str) -> Option<String> {
        let named = quoted(evalue)?;
        let home = super::private::user_home();
        let path = match named.strip_prefix("~/") {
            Some(rest) => home.join(rest),
            None => folder.join(named),
        };
        let folder = std::fs::canonicalize(folder).ok()?;
        let known = std::fs::canonicalize(&path);
        // Of a file that is to be written only the folder is there.
        let place = known.as_ref().ok().cloned();
        let place = place.or_else(|| std::fs::canonicalize(path.parent()?).ok())?;
        if place.starts_with(&folder)
            || self.settings.readable.iter().any(|path| place.starts_with(path))
        {
            return None;
        }
        Some(match known {
            Ok(known) => format!(
                "`{}` is outside of this notebook's folder, and its sandbox keeps it from cells. To let them read it, \
                 start with `--readable PATH` or set `DATARUS_READABLE`.\n",
                known.display()
            ),
            Err(_) if evalue.contains("Errno 2]") => return None,
            Err(_) => format!(
                "Cells write only in this notebook's folder `{}` and in folders for temporary files.\n",
                folder.display()
            ),
        })
    }
}

const NO_NETWORK: &str =
    "Cells reach no network: `--network on` or `DATARUS_NETWORK=on` opens it to them.\n";

const NO_INSTALL: &str = "Cells cannot change the Python environment: its sandbox is read-only. Install packages in a \
                          terminal, then restart the kernel; `datarus doctor` names the Python.\n";

/// The last path that stands in quotes.
fn quoted(text: &str) -> Option<&str> {
    let quote = if text.trim_end().ends_with('"') { '"' } else { '\'' };
    let end = text.rfind(quote)?;
    let start = text.get(..end)?.rfind(quote)?;
    text.get(start + 1..end).filter(|path| !path.is_empty())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::Settings;
    use super::*;

    fn sandbox(tier: Tier) -> Sandbox {
        let (settings, python) = (Settings::default(), "python3".into());
        Sandbox { settings, python, environment: Vec::new(), tier, not_better: None }
    }

    #[test]
    fn a_file_that_is_there_but_outside_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("work")).unwrap();
        fs::write(folder.path().join("data.csv"), "").unwrap();
        fs::write(folder.path().join("work/mine.csv"), "").unwrap();
        let work = folder.path().join("work");
        let hint = |path: &str| {
            let said = format!("[Errno 2] No such file or directory: '{path}'");
            sandbox(Tier::Bubblewrap).hint(&work, "FileNotFoundError", &said)
        };
        assert!(hint("../data.csv").unwrap().contains("data.csv` is outside"));
        assert_eq!(hint("../other.csv"), None, "it is nowhere");
        assert_eq!(hint("mine.csv"), None, "it is in the workspace");
        let written = "[Errno 30] Read-only file system: '../out.csv'";
        let hint = sandbox(Tier::Bubblewrap).hint(&work, "OSError", written).unwrap();
        assert!(hint.starts_with("Cells write only in this notebook's folder"), "{hint}");
    }

    #[test]
    fn the_network_is_named_only_where_a_sandbox_closes_it() {
        let said = "<urlopen error [Errno -3] Temporary failure in name resolution>";
        let folder = Path::new("/");
        assert_eq!(
            sandbox(Tier::Landlock).hint(folder, "URLError", said).as_deref(),
            Some(NO_NETWORK)
        );
        assert_eq!(sandbox(Tier::None).hint(folder, "URLError", said), None);
        assert_eq!(sandbox(Tier::Landlock).hint(folder, "ValueError", "x"), None);
    }

    #[test]
    fn only_commands_that_install_are_met_with_the_hint() {
        let met = |code| sandbox(Tier::Bubblewrap).install_hint(code).is_some();
        assert!(met("%pip install polars") && met("x = 1\n!pip3 install -U polars"));
        assert!(!met("!pip list") && !met("pip = 1") && !met("# pip install x"));
    }
}
