//! The stand-in for a hub as a program, for `tests/conformance/test_hub.py`: it writes its address on the first line of
//! stdout, serves the files of a folder as the repository `stand-in/model` until its stdin ends, and then writes the
//! requests that it got.

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;

use tests::hub::{Fault, Repository, StandInHub};

/// Files from this length on are large ones.
const LARGE: usize = 10_000;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("expected a folder")?);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let bytes = std::fs::read(entry.path())?;
        let is_large = bytes.len() >= LARGE;
        files.push((entry.file_name().to_string_lossy().into_owned(), bytes, is_large));
    }
    let name = String::from("stand-in/model");
    let repository = Repository { name, files, ..Repository::default() };
    let hub = StandInHub::start(vec![repository], vec![Fault::Cut(5_000)]);
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{}", hub.address)?;
    stdout.flush()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    for asked in hub.asked() {
        writeln!(stdout, "{asked:?}")?;
    }
    Ok(())
}
