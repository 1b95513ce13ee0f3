//! Makes the kernel known to Jupyter, and undoes it: the kernelspec, the lab extension, and a note of the Python to
//! run cells on.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Parser as _;
use serde_json::{Value, json};

use crate::cli::{Cli, InstallArgs, PlaceArgs, UninstallArgs};
use crate::config;
use crate::python;

pub mod labextension;

/// Name of the kernelspec, which notebooks carry.
pub const KERNEL_NAME: &str = "datarus";

const TEMPLATE: &str = include_str!("../../kernelspec/kernel.json");

const LOGOS: &[(&str, &[u8])] = &[
    ("logo-32x32.png", include_bytes!("../../kernelspec/logo-32x32.png")),
    ("logo-64x64.png", include_bytes!("../../kernelspec/logo-64x64.png")),
    ("logo-svg.svg", include_bytes!("../../kernelspec/logo-svg.svg")),
];

/// What `install` did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The folder of the kernelspec.
    pub kernelspec: PathBuf,
    /// The folder of the lab extension; absent when only a folder was written.
    pub labextension: Option<PathBuf>,
    /// The note of the Python, and that Python; absent when only a folder was written.
    pub note: Option<(PathBuf, PathBuf)>,
}

/// The folders that belong to one installation.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    kernelspec: PathBuf,
    labextension: PathBuf,
    note: PathBuf,
    /// The Python of the environment that is installed into.
    python: Option<PathBuf>,
}

/// Writes the kernelspec and the lab extension and notes the Python. Running it again renews them.
///
/// # Errors
/// When no Python is found or a folder cannot be written to.
pub fn install(args: &InstallArgs) -> Result<Installed> {
    let program = std::env::current_exe().context("cannot find the path of this program")?;
    if let Some(folder) = &args.folder {
        write_kernelspec(folder, &program, &args.kernel_args)?;
        return Ok(Installed { kernelspec: folder.clone(), labextension: None, note: None });
    }
    let place = place(&args.place)?;
    let python = match (&args.python, &place.python) {
        (None, Some(python)) => python.clone(),
        (named, _) => config::find_python(named.as_deref())?,
    };
    write_kernelspec(&place.kernelspec, &program, &args.kernel_args)?;
    labextension::place(&place.labextension)?;
    let note = json!({"python": python}).to_string() + "\n";
    write(&place.note, note.as_bytes())?;
    Ok(Installed {
        kernelspec: place.kernelspec,
        labextension: Some(place.labextension),
        note: Some((place.note, python)),
    })
}

/// Removes what [`install`] wrote, and says what was there.
///
/// # Errors
/// When something that is there cannot be removed, or is not ours.
pub fn uninstall(args: &UninstallArgs) -> Result<Vec<PathBuf>> {
    let place = place(&args.place)?;
    let mut removed = Vec::new();
    if place.kernelspec.exists() {
        if !is_ours(&place.kernelspec) {
            bail!("`{}` is not a kernelspec of Datarus: left alone", place.kernelspec.display());
        }
        std::fs::remove_dir_all(&place.kernelspec)
            .with_context(|| format!("cannot remove `{}`", place.kernelspec.display()))?;
        removed.push(place.kernelspec);
    }
    if labextension::remove(&place.labextension)? {
        removed.push(place.labextension);
    }
    match std::fs::remove_file(&place.note) {
        Ok(()) => removed.push(place.note.clone()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => bail!("cannot remove `{}`: {error}", place.note.display()),
    }
    if let Some(folder) = place.note.parent() {
        // Goes when nothing else is in it; else it is not ours alone.
        let _ = std::fs::remove_dir(folder);
    }
    Ok(removed)
}

/// The kernelspec as JSON, with the program's path in it and what it is to be started with.
fn kernelspec(program: &Path, arguments: &[String]) -> Value {
    let mut spec: Value = serde_json::from_str(TEMPLATE).expect("the template is JSON");
    spec["argv"][0] = json!(program);
    if let Some(argv) = spec["argv"].as_array_mut() {
        argv.extend(arguments.iter().map(|argument| json!(argument)));
    }
    spec
}

fn write_kernelspec(folder: &Path, program: &Path, arguments: &[String]) -> Result<()> {
    check_arguments(arguments)?;
    let spec = serde_json::to_string_pretty(&kernelspec(program, arguments))? + "\n";
    write(&folder.join("kernel.json"), spec.as_bytes())?;
    for (name, bytes) in LOGOS {
        write(&folder.join(name), bytes)?;
    }
    Ok(())
}

/// A kernel whose arguments are wrong would end in a server's log.
fn check_arguments(arguments: &[String]) -> Result<()> {
    let typed = ["datarus", "kernel", "-f", "file"].into_iter();
    Cli::try_parse_from(typed.chain(arguments.iter().map(String::as_str)))
        .context("the kernel cannot be started with these arguments")?;
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder `{}`", folder.display()))?;
    }
    std::fs::write(path, bytes).with_context(|| format!("cannot write `{}`", path.display()))
}

fn is_ours(folder: &Path) -> bool {
    is_named(&folder.join("kernel.json"), "display_name", "Datarus")
}

/// Whether a JSON file has this name in this field.
fn is_named(file: &Path, field: &str, name: &str) -> bool {
    let read = std::fs::read(file).ok();
    let read = read.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    read.is_some_and(|read| read[field] == name)
}

fn place(args: &PlaceArgs) -> Result<Place> {
    if args.user {
        return of_user();
    }
    if args.sys_prefix {
        let python = config::on_path(Path::new("python3"))
            .context("expected an active Python environment, found no `python3` on the path")?;
        let prefix = python::probe(&python)?.prefix;
        return Ok(Place { python: Some(python), ..under(&prefix) });
    }
    args.prefix.as_ref().map_or_else(of_user, |prefix| {
        let prefix = std::path::absolute(prefix)
            .with_context(|| format!("`{}` is no path", prefix.display()))?;
        Ok(under(&prefix))
    })
}

fn under(prefix: &Path) -> Place {
    Place {
        kernelspec: prefix.join("share/jupyter/kernels").join(KERNEL_NAME),
        labextension: prefix.join("share/jupyter/labextensions").join(labextension::NAME),
        note: prefix.join("share/datarus/config.json"),
        python: None,
    }
}

fn of_user() -> Result<Place> {
    let nowhere = "expected the variable HOME or XDG_DATA_HOME, found neither";
    let data = config::user_data_dir().context(nowhere)?;
    let jupyter = jupyter_data_dir().context(nowhere)?;
    Ok(Place {
        kernelspec: jupyter.join("kernels").join(KERNEL_NAME),
        labextension: jupyter.join("labextensions").join(labextension::NAME),
        note: data.join("datarus/config.json"),
        python: None,
    })
}

/// The user's Jupyter data folder.
///
/// # Source
/// `jupyter_core.paths.jupyter_data_dir`.
pub fn jupyter_data_dir() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(folder) = set("JUPYTER_DATA_DIR") {
        return Some(folder.into());
    }
    if cfg!(target_os = "macos") {
        return Some(PathBuf::from(set("HOME")?).join("Library/Jupyter"));
    }
    Some(config::user_data_dir()?.join("jupyter"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn install_under(prefix: &Path) -> Result<Installed> {
        let place = PlaceArgs { prefix: Some(prefix.to_owned()), ..PlaceArgs::default() };
        let kernel_args = vec!["--network".to_owned(), "on".to_owned()];
        install(&InstallArgs {
            place,
            folder: None,
            python: Some("sh".into()),
            json: false,
            kernel_args,
        })
    }

    #[test]
    fn what_is_installed_is_removed_without_a_trace() {
        let prefix = tempfile::tempdir().unwrap();
        let installed = install_under(prefix.path()).unwrap();
        assert_eq!(install_under(prefix.path()).unwrap(), installed, "a second time does no harm");
        let spec = std::fs::read(installed.kernelspec.join("kernel.json")).unwrap();
        let spec: Value = serde_json::from_slice(&spec).unwrap();
        assert!(Path::new(spec["argv"][0].as_str().unwrap()).is_absolute());
        assert_eq!(spec["argv"][1], "kernel");
        assert_eq!(spec["argv"][5], "on", "what it is to be started with stands at its end");
        assert_eq!(spec["interrupt_mode"], "message");
        assert!(installed.kernelspec.join("logo-64x64.png").exists());
        let extension = installed.labextension.unwrap();
        assert!(extension.ends_with("share/jupyter/labextensions/datarus"));
        assert!(labextension::is_current(&extension));
        let (note, python) = installed.note.unwrap();
        assert_eq!(
            std::fs::read_to_string(&note).unwrap(),
            json!({"python": python}).to_string() + "\n"
        );

        let place = PlaceArgs { prefix: Some(prefix.path().to_owned()), ..PlaceArgs::default() };
        let removed = uninstall(&UninstallArgs { place: place.clone(), json: false }).unwrap();
        assert_eq!(removed, [installed.kernelspec, extension, note]);
        assert!(!prefix.path().join("share/datarus").exists());
        assert!(uninstall(&UninstallArgs { place, json: false }).unwrap().is_empty());
    }

    #[test]
    fn a_kernelspec_of_somebody_else_is_left_alone() {
        let prefix = tempfile::tempdir().unwrap();
        let folder = prefix.path().join("share/jupyter/kernels/datarus");
        write(&folder.join("kernel.json"), br#"{"display_name": "Other"}"#).unwrap();
        let place = PlaceArgs { prefix: Some(prefix.path().to_owned()), ..PlaceArgs::default() };
        assert!(uninstall(&UninstallArgs { place, json: false }).is_err());
        assert!(folder.exists());
    }

    #[test]
    fn a_folder_for_jupyter_kernelspec_install_is_written_alone() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("datarus");
        let args = InstallArgs {
            json: false,
            place: PlaceArgs::default(),
            folder: Some(target.clone()),
            python: None,
            kernel_args: Vec::new(),
        };
        assert_eq!(
            install(&args).unwrap(),
            Installed { kernelspec: target.clone(), labextension: None, note: None }
        );
        assert!(is_ours(&target));
    }
}
