//! The properties over the corpus of the fuzz targets.

use std::path::Path;

use super::*;

#[test]
fn what_a_fuzzer_found_once_stays_mended() {
    for (name, target) in TARGETS {
        let folder = Path::new("../tests/fuzz/corpus").join(name);
        let mut files: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        assert!(!files.is_empty(), "{name} has seeds");
        for file in files {
            let bytes = std::fs::read(&file).unwrap();
            let held = std::panic::catch_unwind(|| target(&bytes));
            assert!(held.is_ok(), "{} breaks a promise", file.display());
        }
    }
}
