use std::fs;

use super::*;

#[test]
fn what_belongs_to_all_is_no_workspace() {
    for folder in ["/", "/usr", "/etc", "/tmp"] {
        assert!(check_workspace(Path::new(folder)).is_err(), "{folder}");
    }
    assert!(check_workspace(Path::new("/tmp/mine")).is_ok());
}

#[test]
fn a_home_that_is_the_workspace_shows_nothing_that_begins_with_a_dot() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    for name in [".ssh", ".config", "project"] {
        fs::create_dir(home.join(name)).unwrap();
    }
    fs::write(home.join(".netrc"), "").unwrap();
    let mut found = hidden(home, None, [home.to_owned()].iter());
    found.sort();
    assert_eq!(found, [home.join(".netrc"), home.join(".ssh")]);
    let project = [home.join("project")];
    assert!(hidden(home, None, project.iter()).is_empty());
    // What models keep may lie below the workspace, and be made only later.
    let caches = home.join("project/cache/datarus");
    let found = hidden(home, Some(&caches), project.iter());
    assert!(caches.is_dir());
    assert_eq!(found, [caches]);
    assert!(hidden(home, Some(&home.join("cache")), project.iter()).is_empty());
}

#[test]
fn what_stands_in_a_folder_is_mounted_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let workspace = fs::canonicalize(folder.path()).unwrap();
    fs::create_dir_all(workspace.join(".venv/bin")).unwrap();
    let settings = Settings::default();
    let private = Private::create(&settings, &workspace).unwrap();
    let inmate = Inmate {
        python: &workspace.join(".venv/bin/python"),
        folder: &workspace,
        runtime: Path::new("/run/user/1/datarus-x"),
    };
    let environment = [workspace.join(".venv")];
    let mounts = Grants::of(&settings, inmate, &environment, &private).unwrap().mounts();
    let at = |path: &Path| mounts.iter().position(|mount| mount.at() == path);
    let environment = at(&workspace.join(".venv"));
    assert!(environment > at(&workspace) && at(&workspace) > at(Path::new("/tmp")), "{mounts:?}");
    assert!(matches!(mounts[environment.unwrap()], Mount::ReadOnly { .. }), "{mounts:?}");
}
