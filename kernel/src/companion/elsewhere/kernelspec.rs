//! Kernelspecs: found where Jupyter finds them, started as Jupyter starts them.
//!
//! # Source
//! <https://jupyter-client.readthedocs.io/en/stable/kernels.html#kernel-specs>.

use std::collections::BTreeMap;
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::companion::process;
use crate::config::{API_KEY, COMPANION, COMPANION_TOKEN, TOKEN, user_data_dir};
use crate::connection::{Channel, ConnectionInfo};

/// How long a kernel may take to open its sockets, as long as `jupyter_client` waits.
const STARTING: Duration = Duration::from_secs(60);

/// How often it is looked whether they are open.
const POLL: Duration = Duration::from_millis(50);

/// What a kernelspec says.
#[derive(Debug, Deserialize)]
struct Kernelspec {
    argv: Vec<String>,
    #[serde(default)]
    language: String,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    interrupt_mode: Option<String>,
    #[serde(default)]
    metadata: Value,
    #[serde(skip)]
    folder: PathBuf,
}

/// The process of a kernelspec's kernel, in a group of its own; dropping it kills the process.
pub(super) struct Started {
    child: Child,
    group: Option<Pid>,
    /// Whether it is interrupted by message rather than by a signal.
    pub(super) by_message: bool,
    /// Kills it when we are gone without a word.
    guard: Option<Child>,
    /// Holds the connection file.
    _folder: TempDir,
}

impl Started {
    /// Starts the kernel of this name, and waits until its sockets are open.
    ///
    /// # Errors
    /// One sentence.
    pub(super) async fn begin(
        name: &str,
        python: &Path,
        workspace: &Path,
    ) -> Result<(Self, ConnectionInfo), String> {
        let spec = find(name, &places(python))?;
        spec.check()?;
        let folder = TempDir::with_prefix("datarus-").map_err(|error| error.to_string())?;
        let connection = connection().map_err(|error| format!("no port is free ({error})"))?;
        let file = folder.path().join("connection.json");
        connection.write(&file).map_err(|error| error.to_string())?;
        let mut command = spec.command(&file, python);
        command.current_dir(workspace);
        let child = command.spawn().map_err(|error| {
            let program = spec.argv.first().map(String::as_str).unwrap_or_default();
            format!("its program `{program}` does not start ({error})")
        })?;
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let guard = process::guard(group, std::iter::once(folder.path()));
        let by_message = spec.interrupt_mode.as_deref() == Some("message");
        let mut started = Self { child, group, by_message, guard, _folder: folder };
        started.until_open(&connection).await?;
        Ok((started, connection))
    }

    async fn until_open(&mut self, connection: &ConnectionInfo) -> Result<(), String> {
        let begun = Instant::now();
        for channel in [Channel::Shell, Channel::Control, Channel::Stdin, Channel::IoPub] {
            let endpoint = connection.endpoint(channel);
            let address = endpoint.strip_prefix("tcp://").unwrap_or_default();
            while TcpStream::connect(address).await.is_err() {
                if begun.elapsed() > STARTING {
                    return Err(format!(
                        "it opens no sockets within {} seconds",
                        STARTING.as_secs()
                    ));
                }
                if let Ok(ended) = tokio::time::timeout(POLL, self.ended()).await {
                    return Err(ended);
                }
            }
        }
        Ok(())
    }

    /// Waits for the end of the process, and says how it ended.
    pub(super) async fn ended(&mut self) -> String {
        process::described(self.child.wait().await)
    }

    /// Sends a signal to the process and its children that stayed in its group.
    pub(super) fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // It fails only when nobody is left in the group.
            let _ = kill_process_group(group, signal);
        }
    }

    /// Kills the process and what it left running.
    pub(super) async fn end(&mut self) -> io::Result<ExitStatus> {
        self.signal(Signal::KILL);
        let ended = self.child.wait().await;
        if let Some(guard) = &mut self.guard {
            let _ = guard.kill().await;
        }
        ended
    }
}

impl Kernelspec {
    /// Refuses what cannot be a companion.
    fn check(&self) -> Result<(), String> {
        if !self.language.is_empty() && !self.language.eq_ignore_ascii_case("python") {
            let language = &self.language;
            return Err(format!(
                "cells are Python, and its kernel speaks {language}: name another one"
            ));
        }
        let program = self.argv.first().map(Path::new).and_then(Path::file_stem);
        if program.is_none() {
            return Err("its `argv` is empty".into());
        }
        if program.is_some_and(|program| program == "datarus") {
            return Err("it is Datarus itself: name one that runs Python".into());
        }
        let provisioner = &self.metadata["kernel_provisioner"]["provisioner_name"];
        match provisioner.as_str() {
            None | Some("local-provisioner") => Ok(()),
            Some(other) => Err(format!(
                "its provisioner `{other}` needs a Jupyter Server: give the address of one that has the kernelspec"
            )),
        }
    }

    fn command(&self, connection: &Path, python: &Path) -> Command {
        let mut arguments = self.argv.iter().map(|argument| {
            argument
                .replace("{connection_file}", &connection.to_string_lossy())
                .replace("{resource_dir}", &self.folder.to_string_lossy())
        });
        let program = arguments.next().unwrap_or_default();
        // As `jupyter_client` has it: a bare name is the Python that belongs to us.
        let is_python = ["python", "python3"].contains(&program.as_str());
        let mut command =
            Command::new(if is_python { python.as_os_str() } else { program.as_ref() });
        command.args(arguments);
        for (name, value) in &self.env {
            command.env(name, expanded(value));
        }
        for secret in [API_KEY, TOKEN, COMPANION, COMPANION_TOKEN] {
            command.env_remove(secret);
        }
        // ipykernel ends itself when this is no longer its parent.
        command.env("JPY_PARENT_PID", std::process::id().to_string());
        // Our standard output is for data, so what it says outside of cells is talk.
        command.stdin(Stdio::null()).stdout(io::stderr()).process_group(0).kill_on_drop(true);
        command
    }
}

/// Where kernelspecs may lie, the nearest first.
///
/// # Source
/// `jupyter_core.paths.jupyter_path`.
fn places(python: &Path) -> Vec<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let named = variable("JUPYTER_PATH");
    let named = named.iter().flat_map(std::env::split_paths);
    let of_user = variable("JUPYTER_DATA_DIR").map(PathBuf::from);
    let of_user = of_user.or_else(|| user_data_dir().map(|folder| folder.join("jupyter")));
    let of_mac = variable("HOME").map(|home| PathBuf::from(home).join("Library/Jupyter"));
    let of_python =
        python.parent().and_then(Path::parent).map(|prefix| prefix.join("share/jupyter"));
    let of_system = ["/usr/local/share/jupyter", "/usr/share/jupyter"].map(PathBuf::from);
    named
        .chain(of_user)
        .chain(of_mac.filter(|_| cfg!(target_os = "macos")))
        .chain(of_python)
        .chain(of_system)
        .map(|folder| folder.join("kernels"))
        .collect()
}

fn find(name: &str, places: &[PathBuf]) -> Result<Kernelspec, String> {
    let folder = places.iter().map(|place| place.join(name));
    let Some(folder) = folder.into_iter().find(|folder| folder.join("kernel.json").is_file())
    else {
        let mut known: Vec<_> = places.iter().flat_map(|place| names_in(place)).collect();
        known.sort();
        known.dedup();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err(format!("no such kernelspec is here; there are: {known}"));
    };
    let file = folder.join("kernel.json");
    let unread = |error: String| format!("`{}` cannot be read ({error})", file.display());
    let text = std::fs::read(&file).map_err(|error| unread(error.to_string()))?;
    let spec: Kernelspec =
        serde_json::from_slice(&text).map_err(|error| unread(error.to_string()))?;
    Ok(Kernelspec { folder, ..spec })
}

fn names_in(place: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(place).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.path().join("kernel.json").is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// `${NAME}` stands for a variable of ours; one that is not set stays as it is written.
fn expanded(value: &str) -> String {
    let mut parts = value.split("${");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let known =
            part.split_once('}').and_then(|(name, rest)| Some((std::env::var(name).ok()?, rest)));
        match known {
            Some((value, rest)) => text.extend([value.as_str(), rest]),
            None => text.extend(["${", part]),
        }
    }
    text
}

/// Five ports that are free now, as `jupyter_client` chooses them, and a key of their own.
fn connection() -> io::Result<ConnectionInfo> {
    let listeners = std::iter::repeat_with(|| TcpListener::bind("127.0.0.1:0"));
    let listeners = listeners.take(5).collect::<io::Result<Vec<_>>>()?;
    let mut ports = [0; 5];
    for (port, listener) in ports.iter_mut().zip(&listeners) {
        *port = listener.local_addr()?.port();
    }
    Ok(ConnectionInfo::new_loopback(ports))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(json: &str) -> Kernelspec {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("kernels");
        std::fs::create_dir_all(place.join("it")).unwrap();
        std::fs::write(place.join("it/kernel.json"), json).unwrap();
        find("it", &[folder.path().join("none"), place]).unwrap()
    }

    #[track_caller]
    fn refused(json: &str, words: &str) {
        let error = spec(json).check().unwrap_err();
        assert!(error.contains(words), "{error}");
    }

    #[test]
    fn a_kernelspec_is_started_as_jupyter_starts_it() {
        let json = r#"{"argv": ["python3", "-m", "x", "-f", "{connection_file}", "{resource_dir}/y"],
            "language": "python", "env": {"A": "b:${DATARUS_NOT_SET}"}}"#;
        let spec = spec(json);
        spec.check().unwrap();
        let command = spec.command(Path::new("c.json"), Path::new("/its/python"));
        let command = command.as_std();
        assert_eq!(command.get_program(), "/its/python");
        let arguments: Vec<_> =
            command.get_args().map(|argument| argument.to_string_lossy()).collect();
        assert_eq!(arguments.get(..4).unwrap(), ["-m", "x", "-f", "c.json"]);
        assert!(arguments.last().unwrap().ends_with("/it/y"));
        let variables: Vec<_> = command.get_envs().collect();
        assert!(variables.contains(&("A".as_ref(), Some("b:${DATARUS_NOT_SET}".as_ref()))));
        for secret in [API_KEY, TOKEN, COMPANION, COMPANION_TOKEN] {
            assert!(variables.contains(&(secret.as_ref(), None)), "{secret}");
        }
    }

    #[test]
    fn what_cannot_be_a_companion_is_refused_with_the_reason() {
        refused(r#"{"argv": ["R"], "language": "R"}"#, "speaks R");
        refused(r#"{"argv": ["/bin/datarus", "kernel"], "language": "python"}"#, "Datarus itself");
        refused(r#"{"argv": []}"#, "`argv` is empty");
        let far = r#"{"argv": ["python"], "metadata": {"kernel_provisioner": {"provisioner_name": "yarn"}}}"#;
        refused(far, "the address of one");
    }

    #[test]
    fn a_name_that_is_not_there_is_told_with_those_that_are() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("python3")).unwrap();
        std::fs::write(folder.path().join("python3/kernel.json"), "{}").unwrap();
        let places = [folder.path().to_owned()];
        assert_eq!(
            find("spark", &places).unwrap_err(),
            "no such kernelspec is here; there are: python3"
        );
        assert!(find("python3", &places).unwrap_err().contains("cannot be read"));
    }
}
