//! Where the parts of a Python environment are, without starting it: that would take a tenth of a second.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// How many links a program may be behind.
const MAX_LINKS: usize = 16;

/// How long a script that stands for Python may take to say where its Python is.
const PATIENCE: Duration = Duration::from_secs(2);

/// Prints the program that runs.
const SCRIPT: &str = "import sys; print(sys.executable)";

/// The Python that a shim stands for, as pyenv, asdf and mise have them: a script that looks for it where a sandbox has
/// nothing. Any other program stands for itself, a script that somebody wrote, too.
pub(in crate::sandbox) fn behind(python: &Path) -> PathBuf {
    let found = crate::config::find_program(python);
    let shim = found.filter(|found| found.parent().is_some_and(|folder| folder.ends_with("shims")));
    shim.and_then(|shim| started_by(&shim)).unwrap_or_else(|| python.to_owned())
}

/// The program that a script starts.
fn started_by(program: &Path) -> Option<PathBuf> {
    chain(program).last().filter(|last| is_script(last))?;
    let said = PathBuf::from(ask(program)?.trim());
    said.is_file().then_some(said)
}

/// The folders that a Python needs: those of its environment, of what that is based on, of packages in development,
/// and those that `PYTHONPATH` names.
pub(in crate::sandbox) fn places(python: &Path, home: &Path) -> Vec<PathBuf> {
    let mut found = BTreeSet::new();
    let Some(python) = crate::config::find_program(python) else { return Vec::new() };
    let started = started_by(&python);
    for program in started.iter().chain([&python]).flat_map(|program| chain(program)) {
        let Some(bin) = program.parent() else { continue };
        found.insert(environment_of(bin, home));
        let Some(prefix) = bin.parent() else { continue };
        let settings = fs::read_to_string(prefix.join("pyvenv.cfg")).unwrap_or_default();
        let base = settings.lines().filter_map(|line| line.split_once('='));
        let base = base.filter(|(name, _)| name.trim() == "home");
        found.extend(base.map(|(_, bin)| environment_of(Path::new(bin.trim()), home)));
        found.extend(in_development(prefix));
    }
    let named = std::env::var_os("PYTHONPATH").unwrap_or_default();
    found.extend(std::env::split_paths(&named));
    let libraries = fs::read_dir(home.join(".local/lib")).into_iter().flatten().flatten();
    let of_user = |name: &str| name.starts_with("python3");
    found.extend(
        libraries
            .filter(|entry| of_user(&entry.file_name().to_string_lossy()))
            .map(|entry| entry.path()),
    );
    found.into_iter().filter(|path| is_harmless(path, home)).collect()
}

/// A program and what it is a link to, each as it is named.
fn chain(program: &Path) -> Vec<PathBuf> {
    let mut chain = vec![program.to_owned()];
    for _ in 0..MAX_LINKS {
        let Some(last) = chain.last() else { break };
        let Ok(next) = fs::read_link(last) else { break };
        let next = last.parent().unwrap_or(Path::new("/")).join(next);
        chain.push(next);
    }
    chain.extend(fs::canonicalize(program));
    chain
}

/// The environment of a folder of programs; that folder alone when the environment would be too much.
fn environment_of(bin: &Path, home: &Path) -> PathBuf {
    match bin.parent() {
        Some(prefix) if bin.ends_with("bin") && is_harmless(prefix, home) => prefix.to_owned(),
        _ => bin.to_owned(),
    }
}

/// Neither the whole machine nor the home nor what that stands in.
fn is_harmless(folder: &Path, home: &Path) -> bool {
    let real = fs::canonicalize(folder);
    let too_much = |path: &Path| path.parent().is_none() || home.starts_with(path);
    folder.is_absolute() && !too_much(folder) && real.is_ok_and(|real| !too_much(&real))
}

/// Folders that `pip install --editable` noted.
fn in_development(prefix: &Path) -> Vec<PathBuf> {
    let libraries = fs::read_dir(prefix.join("lib")).into_iter().flatten().flatten();
    let packages = libraries.map(|entry| entry.path().join("site-packages"));
    let notes = packages.flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten());
    let notes = notes
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "pth"));
    let lines = notes.flat_map(|note| {
        let text = fs::read_to_string(note).unwrap_or_default();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    });
    lines
        .filter(|line| line.starts_with('/'))
        .map(PathBuf::from)
        .filter(|path| path.is_dir())
        .collect()
}

/// Whether a program is a script.
fn is_script(program: &Path) -> bool {
    let mut start = [0; 2];
    fs::File::open(program).and_then(|mut file| file.read_exact(&mut start)).is_ok()
        && start == *b"#!"
}

fn ask(python: &Path) -> Option<String> {
    let mut child = crate::python::command(python)
        .args(["-c", SCRIPT])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let begun = Instant::now();
    while child.try_wait().ok()?.is_none() {
        if begun.elapsed() > PATIENCE {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut said = String::new();
    child.stdout.take()?.read_to_string(&mut said).ok()?;
    Some(said)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn make_executable(path: &Path) {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn an_environment_its_base_and_the_links_between_them_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        let home = root.join("home");
        let make = |path: &str| {
            fs::create_dir_all(root.join(path)).unwrap();
            root.join(path)
        };
        let (base, venv) = (make("versions/3.11.7/bin"), make("home/project/.venv/bin"));
        let source = make("home/source");
        let packages = make("home/project/.venv/lib/python3.11/site-packages");
        fs::write(base.join("python3.11"), b"\x7fELF").unwrap();
        make_executable(&base.join("python3.11"));
        symlink("python3.11", base.join("python3")).unwrap();
        symlink(root.join("versions/3.11.7"), root.join("versions/current")).unwrap();
        symlink(root.join("versions/current/bin/python3"), venv.join("python")).unwrap();
        let settings = format!("home = {}\n", root.join("versions/current/bin").display());
        fs::write(root.join("home/project/.venv/pyvenv.cfg"), settings).unwrap();
        fs::write(packages.join("mine.pth"), format!("import x\n{}\n", source.display())).unwrap();

        let found = places(&venv.join("python"), &home);
        let named = |path: &str| found.contains(&root.join(path));
        assert!(named("versions/current") && named("versions/3.11.7"), "{found:?}");
        assert!(named("home/project/.venv") && named("home/source"), "{found:?}");
        assert!(!named("home") && !named("home/project"), "{found:?}");
    }

    #[test]
    fn a_shim_stands_for_the_python_that_it_starts() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("shims")).unwrap();
        let real = folder.path().join("real");
        fs::write(&real, "").unwrap();
        let script = |name: &str, text: &str| {
            let script = folder.path().join(name);
            fs::write(&script, format!("#!/bin/sh\n{text}\n")).unwrap();
            make_executable(&script);
            script
        };
        let says = format!("echo {}", real.display());
        assert_eq!(behind(&script("shims/python3", &says)), real);
        let mute = script("shims/python3", "exit 1");
        assert_eq!(behind(&mute), mute, "one that says nothing is tried as it is");
        let own = script("python3", &says);
        assert_eq!(behind(&own), own);
    }

    #[test]
    fn a_python_in_the_home_itself_does_not_grant_the_home() {
        let folder = tempfile::tempdir().unwrap();
        let home = fs::canonicalize(folder.path()).unwrap();
        fs::create_dir(home.join("bin")).unwrap();
        fs::write(home.join("bin/python"), b"\x7fELF").unwrap();
        make_executable(&home.join("bin/python"));
        let found = places(&home.join("bin/python"), &home);
        assert!(found.contains(&home.join("bin")) && !found.contains(&home), "{found:?}");
    }
}
