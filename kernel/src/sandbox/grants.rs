//! Which files and folders exist for the companion, and which of them it may change.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::jail::Fence;
use super::private::OF_HOME;
use super::{Inmate, Private, Settings};

pub(super) mod python;

/// Folders of the system with programs and libraries; none holds what belongs to a user.
const SYSTEM: &[&str] = &[
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/nix/store",
    "/gnu/store",
    "/sys/devices/system",
];

/// Of `/etc` what libraries read; it also holds keys and passwords.
const ETC: &[&str] = &[
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "passwd",
    "group",
    "nsswitch.conf",
    "localtime",
    "timezone",
    "locale.alias",
    "locale.conf",
    "fonts",
    "mime.types",
    "alternatives",
    "protocols",
    "services",
    "hosts",
    "host.conf",
    "gai.conf",
    "resolv.conf",
    "ssl/certs",
    "ssl/openssl.cnf",
    "ca-certificates",
    "pki/tls/certs",
    "pki/ca-trust",
    "matplotlibrc",
    "inputrc",
    "terminfo",
];

/// Devices that hold nothing; Landlock leaves the real `/dev` in place.
const DEVICES: &[&str] = &[
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/ptmx",
    "/dev/pts",
    "/dev/shm",
];

/// What says how many processors and how much memory there are; namespaces have their own.
const ABOUT_MACHINE: [&str; 2] = ["/proc", "/sys/fs/cgroup"];

/// Folders that are no workspace, nor is what they stand in: too much belongs to others there.
const NO_WORKSPACE: &[&str] =
    &["/usr", "/etc", "/proc", "/dev", "/sys", "/run", "/var", "/boot", "/tmp", "/bin", "/lib"];

/// What stands at a path inside the namespaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mount {
    /// A symbolic link.
    Link {
        /// Where it stands.
        at: PathBuf,
        /// What it says.
        to: PathBuf,
    },
    /// An empty folder.
    Folder(PathBuf),
    /// An empty folder on top of one that is there.
    Hidden(PathBuf),
    /// A file or folder that can be read.
    ReadOnly {
        /// Outside.
        from: PathBuf,
        /// Inside.
        at: PathBuf,
    },
    /// A folder that can be changed.
    Writable {
        /// Outside.
        from: PathBuf,
        /// Inside.
        at: PathBuf,
    },
}

impl Mount {
    fn at(&self) -> &Path {
        match self {
            Mount::Folder(at)
            | Mount::Hidden(at)
            | Mount::Link { at, .. }
            | Mount::ReadOnly { at, .. }
            | Mount::Writable { at, .. } => at,
        }
    }
}

/// What the companion may reach.
#[derive(Debug)]
pub(super) struct Grants {
    workspace: PathBuf,
    /// At their own paths.
    readable: Vec<PathBuf>,
    /// At their own paths, the workspace first.
    writable: Vec<PathBuf>,
    /// Inside of what is granted, and yet not granted.
    hidden: Vec<PathBuf>,
    home: PathBuf,
    private_home: PathBuf,
    temporary: PathBuf,
}

impl Grants {
    /// What a companion may reach; `inmate.folder` is absolute and without links, `environment` the folders of its
    /// Python.
    ///
    /// # Errors
    /// When the folder cannot be a workspace.
    pub(super) fn of(
        settings: &Settings,
        inmate: Inmate<'_>,
        environment: &[PathBuf],
        private: &Private,
    ) -> Result<Grants, String> {
        check_workspace(inmate.folder)?;
        let home = private.user_home().to_owned();
        let mut readable: Vec<PathBuf> = SYSTEM.iter().map(PathBuf::from).collect();
        readable.extend(ETC.iter().map(|name| Path::new("/etc").join(name)));
        readable.extend(environment.iter().cloned());
        readable.extend([".fonts", ".local/share/fonts"].map(|fonts| home.join(fonts)));
        readable.extend(settings.readable.iter().cloned());
        readable.retain(|path| path.exists());
        let mut writable = vec![inmate.folder.to_owned(), inmate.runtime.to_owned()];
        writable.extend(private.history().map(Path::to_owned));
        let granted = readable.iter().chain(&writable);
        let hidden = hidden(&home, settings.caches.as_deref(), granted);
        Ok(Grants {
            workspace: inmate.folder.to_owned(),
            readable,
            writable,
            hidden,
            home,
            private_home: private.home(),
            temporary: private.temporary(),
        })
    }

    /// Where cells run.
    pub(super) fn workspace(&self) -> &Path {
        &self.workspace
    }

    /// What stands where inside the namespaces, folders before what stands in them.
    pub(super) fn mounts(&self) -> Vec<Mount> {
        let same = |path: &PathBuf| (path.clone(), path.clone());
        let mut mounts = vec![
            Mount::Folder(self.home.clone()),
            Mount::Writable { from: self.temporary.clone(), at: "/tmp".into() },
        ];
        mounts.extend(self.readable.iter().filter(|path| !self.is_within_readable(path)).map(
            |path| match std::fs::read_link(path) {
                Ok(to) if SYSTEM.iter().any(|system| path == Path::new(system)) => {
                    Mount::Link { at: path.clone(), to }
                }
                _ => {
                    let (from, at) = same(path);
                    Mount::ReadOnly { from, at }
                }
            },
        ));
        mounts.extend(self.writable.iter().map(|path| {
            let (from, at) = same(path);
            Mount::Writable { from, at }
        }));
        mounts.extend(self.hidden.iter().map(|at| {
            if at.is_dir() {
                Mount::Hidden(at.clone())
            } else {
                Mount::ReadOnly { from: "/dev/null".into(), at: at.clone() }
            }
        }));
        mounts.extend(OF_HOME.iter().filter(|name| self.is_own(name)).map(|name| {
            Mount::Writable { from: self.private_home.join(name), at: self.home.join(name) }
        }));
        mounts.sort_by_key(|mount| mount.at().components().count());
        mounts
    }

    /// The same for Landlock, which cannot put anything elsewhere.
    pub(super) fn fence(&self) -> Fence {
        let private = [&self.private_home, &self.temporary].into_iter().cloned();
        let devices = DEVICES.iter().map(PathBuf::from).filter(|path| path.exists());
        Fence {
            readable: self
                .readable
                .iter()
                .cloned()
                .chain(ABOUT_MACHINE.map(PathBuf::from))
                .collect(),
            writable: self.writable.iter().cloned().chain(private).chain(devices).collect(),
        }
    }

    /// Landlock cannot take a part out of a whole.
    ///
    /// # Errors
    /// When something is to be hidden.
    pub(super) fn hides_nothing(&self) -> Result<(), String> {
        match self.hidden.first() {
            None => Ok(()),
            Some(hidden) => Err(format!(
                "`{}` stands in the workspace and must not be seen, which needs bubblewrap: work in a folder of its own",
                hidden.display()
            )),
        }
    }

    /// Whether a part of the home is mounted: in a home that is granted whole, only what is there.
    fn is_own(&self, name: &str) -> bool {
        let at = self.home.join(name);
        let whole =
            self.readable.iter().chain(&self.writable).any(|path| self.home.starts_with(path));
        !whole || at.is_dir()
    }

    fn is_within_readable(&self, path: &Path) -> bool {
        self.readable.iter().any(|above| {
            let between =
                |writable: &PathBuf| path.starts_with(writable) && writable.starts_with(above);
            path != above && path.starts_with(above) && !self.writable.iter().any(between)
        })
    }
}

fn check_workspace(folder: &Path) -> Result<(), String> {
    let no = |reason: &str| {
        Err(format!(
            "`{}` cannot be a workspace, since {reason}: work in a folder of its own",
            folder.display()
        ))
    };
    if folder.parent().is_none() {
        return no("it is the whole machine");
    }
    if NO_WORKSPACE.iter().any(|shared| folder == Path::new(shared)) {
        return no("much in it belongs to others");
    }
    Ok(())
}

/// What must not be seen of a home that is granted as a whole, and of Jupyter's own files and what models keep wherever
/// they are: settings and keys have names that begin with a dot, whoever reads a connection file can run code outside,
/// and the kernel computes with what lies in `caches`.
fn hidden<'a>(
    home: &Path,
    caches: Option<&Path>,
    granted: impl Iterator<Item = &'a PathBuf>,
) -> Vec<PathBuf> {
    let granted: Vec<_> = granted.collect();
    let covered = |path: &Path| granted.iter().any(|folder| path.starts_with(folder));
    let mut hidden = Vec::new();
    if covered(home) {
        let entries = std::fs::read_dir(home).into_iter().flatten().flatten();
        hidden.extend(entries.map(|entry| entry.path()).filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with('.') && !OF_HOME.contains(&&*name) && !path.is_symlink()
        }));
    }
    let runtime = std::env::var_os("JUPYTER_RUNTIME_DIR").map(PathBuf::from);
    hidden.extend(runtime.filter(|folder| folder.is_dir() && covered(folder)));
    let is_seen = |folder: &Path| covered(folder) && !hidden.iter().any(|h| folder.starts_with(h));
    if let Some(caches) = caches.filter(|folder| is_seen(folder)) {
        // It may be made later, when the sandbox stands.
        let made = DirBuilder::new().recursive(true).mode(0o700).create(caches);
        hidden.extend(made.is_ok().then(|| caches.to_owned()));
    }
    hidden
}

#[cfg(test)]
mod tests;
