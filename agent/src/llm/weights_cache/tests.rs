//! What is taken from disk, what is refused, and what is made of it.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::time::Duration;

use tempfile::TempDir;

use super::*;

/// Bytes of tiles of the one matrix `m`.
const TILES: [u8; 5_000] = [7; 5_000];
const FILE: Hash = [9; 32];

fn cache(folder: &TempDir) -> WeightsCache {
    WeightsCache { folder: folder.path().join("weights"), most_bytes: 1 << 20 }
}

fn identity(name: &str) -> Identity {
    Identity { name: String::from(name), hash: [3; 32] }
}

fn layout() -> Layout {
    let mut layout = Layout::default();
    layout.add("m", TILES.len());
    layout
}

fn open(cache: &WeightsCache, model: &Identity) -> Option<Kept> {
    cache.open(model, layout())
}

/// Makes a file and seals it; where it is.
fn make(cache: &WeightsCache, name: &str) -> PathBuf {
    let mut kept = open(cache, &identity(name)).unwrap();
    let (tiles, are_there) = kept.tiles("m").unwrap();
    assert!(!are_there);
    kept.write(&tiles, 0, &TILES).unwrap();
    assert!(!kept.path.exists(), "nothing has its name before it is whole");
    kept.put_in_place().unwrap();
    kept.seal_or_verify(FILE).unwrap();
    kept.path.clone()
}

/// Whether a model finds its weights on disk; they are right then.
fn finds(cache: &WeightsCache, model: &Identity) -> bool {
    let kept = open(cache, model).unwrap();
    let (tiles, are_there) = kept.tiles("m").unwrap();
    assert!(!are_there || tiles.bytes() == TILES);
    are_there
}

#[test]
fn what_one_start_writes_the_next_maps_and_knows_the_hash() {
    let folder = tempfile::tempdir().unwrap();
    let cache = cache(&folder);
    let path = make(&cache, "a");
    assert_eq!(fs::metadata(&cache.folder).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(finds(&cache, &identity("a")));
    let mut kept = open(&cache, &identity("a")).unwrap();
    assert_eq!(kept.hash_of_model(), Some(FILE));
    kept.seal_or_verify(FILE).unwrap();
    assert!(kept.tiles("other").is_none());
}

#[test]
fn what_was_not_finished_or_could_not_be_read_is_not_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    let cache = cache(&folder);
    let left = || fs::read_dir(&cache.folder).unwrap().count();
    let kept = open(&cache, &identity("a")).unwrap();
    assert_eq!(left(), 1);
    // As when the model is refused for its tokenizer.
    drop(kept);
    assert_eq!(left(), 0);
    let mut kept = open(&cache, &identity("a")).unwrap();
    kept.spoil();
    assert!(kept.put_in_place().is_err());
    assert_eq!(left(), 0);
    // A process that was killed leaves its part, and the next start of any model takes it away.
    make(&cache, "a");
    fs::write(cache.folder.join("dead.part"), "").unwrap();
    fs::set_permissions(cache.folder.join("dead.part"), fs::Permissions::from_mode(0o600)).unwrap();
    assert!(finds(&cache, &identity("a")));
    assert_eq!(left(), 1);
}

#[test]
fn a_file_of_another_model_or_that_was_changed_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let cache = cache(&folder);
    let model = identity("a");
    let other = Identity { hash: [4; 32], ..model.clone() };
    let path = make(&cache, "a");
    assert!(!finds(&cache, &other), "another model");
    fs::remove_file(path).unwrap();
    let change = |what: &str, change: &dyn Fn(&Path)| {
        let path = make(&cache, "a");
        assert!(finds(&cache, &model));
        change(&path);
        assert!(!finds(&cache, &model), "{what}");
        fs::remove_file(path).unwrap();
    };
    let with = |path: &Path, work: &dyn Fn(&File)| {
        work(&File::options().write(true).open(path).unwrap());
    };
    let length = layout().end as u64;
    change("cut short", &|path| with(path, &|file| file.set_len(length - 1).unwrap()));
    change("longer", &|path| with(path, &|file| file.set_len(length + 1).unwrap()));
    change("empty", &|path| with(path, &|file| file.set_len(0).unwrap()));
    for at in [0, 16, 20, 52, 60, 61, 93, 125] {
        let flip = |file: &File| file.write_all_at(&[0xFF], at).unwrap();
        change(&format!("byte {at}"), &|path| with(path, &flip));
    }
    change("others write to it", &|path| {
        fs::set_permissions(path, fs::Permissions::from_mode(0o666)).unwrap();
    });
    change("a link", &|path| {
        let moved = path.with_extension("moved");
        fs::rename(path, &moved).unwrap();
        symlink(moved, path).unwrap();
    });
}

#[test]
fn damaged_tiles_are_found_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let cache = cache(&folder);
    let path = make(&cache, "a");
    let file = File::options().write(true).open(&path).unwrap();
    file.write_all_at(&[8], header::LENGTH as u64 + 17).unwrap();
    let mut kept = open(&cache, &identity("a")).unwrap();
    assert!(kept.seal_or_verify(FILE).is_err());
    assert!(!path.exists());
}

#[test]
fn a_folder_that_others_write_to_and_a_link_to_one_are_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let cache = cache(&folder);
    fs::create_dir(&cache.folder).unwrap();
    fs::set_permissions(&cache.folder, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(open(&cache, &identity("a")).is_none());
    fs::set_permissions(&cache.folder, fs::Permissions::from_mode(0o700)).unwrap();
    assert!(open(&cache, &identity("a")).is_some());
    let link = WeightsCache { folder: folder.path().join("link"), ..cache.clone() };
    symlink(&cache.folder, &link.folder).unwrap();
    assert!(open(&link, &identity("a")).is_none());
}

#[test]
fn what_a_dead_process_left_is_taken_over_and_what_a_living_one_writes_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let cache = cache(&folder);
    let first = open(&cache, &identity("a")).unwrap();
    assert!(open(&cache, &identity("a")).is_none(), "somebody writes it");
    let part = first.path.with_extension(folder::PART);
    assert!(open(&cache, &identity("b")).is_some());
    assert!(part.exists());
    drop(first);
    assert!(open(&cache, &identity("b")).is_some());
    assert!(!part.exists(), "swept up");
}

#[test]
fn a_file_that_could_not_be_written_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let cache = cache(&folder);
    let mut kept = open(&cache, &identity("a")).unwrap();
    kept.file = File::open("/dev/null").unwrap();
    let (tiles, _) = kept.tiles("m").unwrap();
    assert!(kept.write(&tiles, 0, &TILES).is_err());
    assert!(kept.put_in_place().is_err());
    assert_eq!(fs::read_dir(&cache.folder).unwrap().count(), 0);
}

#[test]
fn those_used_the_longest_ago_give_way() {
    let folder = tempfile::tempdir().unwrap();
    let mut cache = cache(&folder);
    let paths = ["a", "b", "c"].map(|name| make(&cache, name));
    for (path, age) in paths.iter().zip([3, 1, 2]) {
        let used = SystemTime::now() - Duration::from_secs(age * 3_600);
        File::options().write(true).open(path).unwrap().set_modified(used).unwrap();
    }
    assert!(finds(&cache, &identity("a")), "and is used now");
    cache.most_bytes = layout().end as u64 * 3;
    let fourth = make(&cache, "d");
    let there = |path: &PathBuf| path.exists();
    assert!(there(&fourth) && there(&paths[0]) && there(&paths[1]) && !there(&paths[2]));
    cache.most_bytes = layout().end as u64 - 1;
    assert!(open(&cache, &identity("e")).is_none(), "larger than all that may be kept");
    assert!(there(&fourth));
}

#[test]
fn a_file_takes_no_more_than_a_third_of_what_is_free() {
    let folder = tempfile::tempdir().unwrap();
    let disk = rustix::fs::statvfs(folder.path()).unwrap();
    let mut layout = Layout::default();
    layout.add("m", usize::try_from(disk.f_bavail * disk.f_frsize / 2).unwrap());
    let cache = WeightsCache { most_bytes: u64::MAX, ..cache(&folder) };
    assert!(cache.open(&identity("a"), layout).is_none());
    assert_eq!(fs::read_dir(&cache.folder).unwrap().count(), 0);
}

#[test]
fn an_identity_tells_paths_contents_and_headers_apart() {
    let folder = tempfile::tempdir().unwrap();
    let (path, link) = (folder.path().join("model"), folder.path().join("link"));
    fs::write(&path, "one").unwrap();
    symlink(&path, &link).unwrap();
    let of = |path: &Path, header: &[u8]| {
        Identity::new(path, &fs::metadata(path).unwrap(), header).unwrap()
    };
    let first = of(&path, b"header");
    let same = of(&link, b"header");
    assert_eq!((&first.name, first.hash), (&same.name, same.hash));
    assert_ne!(of(&path, b"other").hash, first.hash);
    let file = File::options().write(true).open(&path).unwrap();
    file.write_all_at(b"two", 0).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    assert_ne!(of(&path, b"header").hash, first.hash, "contents changed");
    let copy = folder.path().join("copy");
    fs::copy(&path, &copy).unwrap();
    assert_ne!(of(&copy, b"header").name, first.name);
}
