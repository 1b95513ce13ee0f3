//! One file, from the hub or from where it leads to: taken up where it broke off, and put in its place when it is whole.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use ureq::Body;
use ureq::http::{Response, Uri};

use super::{ATTEMPTS, Check, Fault, File, Hub, HubError, PAUSE, header};
use crate::llm::weights_cache::hex;

/// Bytes that are read at once.
const PIECE: usize = 256 << 10;

/// One file on its way.
pub(super) struct Transfer<'a> {
    /// From whom.
    pub(super) hub: &'a Hub,
    /// Where the hub has it.
    pub(super) at: String,
    /// What it is.
    pub(super) file: &'a File,
    /// Where its path begins.
    pub(super) folder: &'a Path,
}

/// Why a piece of a file did not come.
enum Stopped {
    /// There, or on the way.
    Fault(Fault),
    /// Here.
    Disk(io::Error),
}

impl Transfer<'_> {
    /// Brings the file; see [`Hub::fetch`].
    pub(super) fn run(&self, tell: &mut dyn FnMut(u64)) -> Result<(), HubError> {
        let whole = self.folder.join(&self.file.path);
        // It got its name when its hash was right.
        if fs::metadata(&whole).is_ok_and(|found| found.len() == self.file.bytes) {
            tell(self.file.bytes);
            return Ok(());
        }
        let part = PathBuf::from(format!("{}.part", whole.display()));
        let disk = |path: &Path| {
            let path = path.to_owned();
            move |source| HubError::Disk { path, source }
        };
        let parent = whole.parent().unwrap_or(self.folder);
        fs::create_dir_all(parent).map_err(disk(parent))?;
        let mut options = OpenOptions::new();
        let to = options.read(true).write(true).create(true).truncate(false).open(&part);
        let mut to = to.map_err(disk(&part))?;
        let mut sum = Sum::of(self.file);
        let mut there = self.taken_up(&mut to, &mut sum).map_err(disk(&part))?;
        self.bring(&mut to, &mut sum, &mut there, tell).map_err(|stopped| match stopped {
            Stopped::Fault(fault) => self.hub.refused(fault),
            Stopped::Disk(source) => HubError::Disk { path: part.clone(), source },
        })?;
        to.sync_all().map_err(disk(&part))?;
        let found = sum.finish();
        let (Check::Sha256(expected) | Check::GitBlob(expected)) = &self.file.check;
        if found != *expected {
            let _ = fs::remove_file(&part);
            let file = self.file.path.clone();
            return Err(HubError::Hash { file, expected: expected.clone(), found });
        }
        fs::rename(&part, &whole).map_err(disk(&whole))
    }

    /// What is there of an earlier try, in bytes.
    fn taken_up(&self, to: &mut fs::File, sum: &mut Sum) -> io::Result<u64> {
        let there = to.metadata()?.len();
        if there > self.file.bytes {
            to.set_len(0)?;
            return Ok(0);
        }
        let mut piece = vec![0; PIECE];
        loop {
            match to.read(&mut piece)? {
                0 => return Ok(there),
                read => sum.add(piece.get(..read).unwrap_or_default()),
            }
        }
    }

    /// Asks for what is missing until nothing is, and gives up only when several tries brought nothing.
    fn bring(
        &self,
        to: &mut fs::File,
        sum: &mut Sum,
        there: &mut u64,
        tell: &mut dyn FnMut(u64),
    ) -> Result<(), Stopped> {
        let (mut attempt, mut pause) = (1, PAUSE);
        tell(*there);
        while *there < self.file.bytes {
            let before = *there;
            let came = self
                .ask(to, sum, there)
                .and_then(|mut response| self.receive(&mut response, to, sum, there, tell));
            match came {
                // As much as was promised and too little: another try shows whether more comes.
                Ok(()) => {}
                Err(Stopped::Fault(fault)) if fault.passes => {
                    tracing::info!(reason = fault.reason, there = *there, "taken up again");
                    if attempt == ATTEMPTS && *there <= before {
                        return Err(Stopped::Fault(fault));
                    }
                }
                Err(stopped) => return Err(stopped),
            }
            if *there > before {
                (attempt, pause) = (1, PAUSE);
                continue;
            }
            if attempt == ATTEMPTS {
                let reason = format!(
                    "`{}` ends after {there} of {} bytes: add it again, what came is kept",
                    self.file.path, self.file.bytes
                );
                return Err(Stopped::Fault(Fault { passes: false, reason }));
            }
            attempt += 1;
            std::thread::sleep(pause);
            pause *= 2;
        }
        Ok(())
    }

    /// Asks for the file from `there` on. A server that sends it from the beginning has it begun anew.
    fn ask(
        &self,
        to: &mut fs::File,
        sum: &mut Sum,
        there: &mut u64,
    ) -> Result<Response<Body>, Stopped> {
        let range = format!("bytes={there}-");
        let headers: &[(&str, &str)] = if *there > 0 { &[("range", &range)] } else { &[] };
        let response = self.hub.call(&self.at, headers, false).map_err(Stopped::Fault)?;
        let (from, total) = span(&response);
        if total.is_some_and(|total| total != self.file.bytes) {
            let reason = format!(
                "`{}` has {} bytes there, expected {}: the repository has changed, or what is between changes files",
                self.file.path,
                total.unwrap_or_default(),
                self.file.bytes
            );
            return Err(Stopped::Fault(Fault { passes: false, reason }));
        }
        if from != *there {
            (*there, *sum) = (0, Sum::of(self.file));
            to.set_len(0).map_err(Stopped::Disk)?;
            if from != 0 {
                let reason = String::from("it sent another part of the file than was asked for");
                return Err(Stopped::Fault(Fault { passes: true, reason }));
            }
        }
        to.seek(SeekFrom::Start(*there)).map_err(Stopped::Disk)?;
        Ok(response)
    }

    fn receive(
        &self,
        response: &mut Response<Body>,
        to: &mut fs::File,
        sum: &mut Sum,
        there: &mut u64,
        tell: &mut dyn FnMut(u64),
    ) -> Result<(), Stopped> {
        let mut piece = vec![0; PIECE];
        // More than was promised is not wanted.
        let mut body = response.body_mut().as_reader().take(self.file.bytes - *there);
        loop {
            let read = body.read(&mut piece);
            let read = read.map_err(|error| Stopped::Fault(self.hub.fault(&error.into())))?;
            let Some(bytes) = piece.get(..read).filter(|bytes| !bytes.is_empty()) else {
                return Ok(());
            };
            to.write_all(bytes).map_err(Stopped::Disk)?;
            sum.add(bytes);
            *there += read as u64;
            tell(*there);
        }
    }
}

/// From which byte on an answer is, and how long the whole file, as far as it says.
fn span(response: &Response<Body>) -> (u64, Option<u64>) {
    if response.status().as_u16() == 206 {
        let range = header(response, "content-range").and_then(|text| text.strip_prefix("bytes "));
        let range = range.and_then(|range| range.split_once('/'));
        let from = range.and_then(|(range, _)| range.split_once('-')?.0.trim().parse().ok());
        return (from.unwrap_or(u64::MAX), range.and_then(|(_, total)| total.trim().parse().ok()));
    }
    (0, header(response, "content-length").and_then(|length| length.parse().ok()))
}

/// The hash of a file in the making.
enum Sum {
    Sha256(Sha256),
    Git(Sha1),
}

impl Sum {
    fn of(file: &File) -> Self {
        match file.check {
            Check::Sha256(_) => Self::Sha256(Sha256::new()),
            // <https://git-scm.com/book/en/v2/Git-Internals-Git-Objects>
            Check::GitBlob(_) => {
                Self::Git(Sha1::new().chain_update(format!("blob {}\0", file.bytes)))
            }
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(sum) => sum.update(bytes),
            Self::Git(sum) => sum.update(bytes),
        }
    }

    fn finish(self) -> String {
        match self {
            Self::Sha256(sum) => hex(&sum.finalize()),
            Self::Git(sum) => hex(&sum.finalize()),
        }
    }
}

/// Scheme, host and port of an address.
pub(super) fn origin_of(at: &str) -> Option<&str> {
    let (scheme, rest) = at.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next()?;
    at.get(..scheme.len() + "://".len() + host.len())
}

/// Where an answer leads to; never from an encrypted connection to one that is not.
///
/// # Errors
/// In words.
pub(super) fn next_place(at: &str, location: Option<&str>) -> Result<String, String> {
    let location = location.ok_or("it leads on and does not say where to")?;
    let next = match (location.starts_with('/') && !location.starts_with("//"), origin_of(at)) {
        (true, Some(origin)) => format!("{origin}{location}"),
        _ => location.to_owned(),
    };
    let uri: Uri = next.parse().map_err(|_| "it leads to an address that cannot be read")?;
    match (uri.scheme_str(), uri.authority()) {
        (Some("http"), Some(_)) if at.starts_with("https://") => Err(String::from(
            "it leads from an encrypted connection to one that is not: nothing is taken from there",
        )),
        (Some("http" | "https"), Some(authority)) if !authority.as_str().contains('@') => Ok(next),
        _ => Err(String::from("it leads to something else than a web address")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_followed_to_where_it_leads_but_to_nothing_unencrypted() {
        let check = |at: &str, location: &str, expected: Result<&str, &str>| match (
            next_place(at, Some(location)),
            expected,
        ) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(found), Err(words)) => assert!(found.contains(words), "{found}"),
            (found, expected) => panic!("expected {expected:?}, found {found:?}"),
        };
        check("http://h:1/a?b", "/c", Ok("http://h:1/c"));
        check("https://h/a", "https://cdn/x?sig=1", Ok("https://cdn/x?sig=1"));
        check("https://h/a", "http://cdn/x", Err("from an encrypted connection"));
        check("http://h/a", "//cdn/x", Err("it leads to"));
        check("http://h/a", "file:///etc/passwd", Err("it leads to"));
        check("http://h/a", "http://me:secret@h/", Err("something else"));
        assert!(next_place("http://h/a", None).is_err());
    }

    #[test]
    fn the_token_goes_by_scheme_host_and_port() {
        assert_eq!(origin_of("http://h:1/a/b?c"), Some("http://h:1"));
        assert_eq!(origin_of("https://h?x"), Some("https://h"));
        assert_eq!(origin_of("h/a"), None);
    }

    #[test]
    fn a_small_file_has_the_hash_that_git_gives_it() {
        let blob = |check| File { path: String::from("a"), bytes: 3, check };
        let sum = |file: &File| {
            let mut sum = Sum::of(file);
            sum.add(b"ab");
            sum.add(b"c");
            sum.finish()
        };
        // `printf abc | git hash-object --stdin`, and FIPS 180-4.
        let git = sum(&blob(Check::GitBlob(String::new())));
        assert_eq!(git, "f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f");
        let large = sum(&blob(Check::Sha256(String::new())));
        assert!(large.starts_with("ba7816bf8f01cfea"), "{large}");
    }
}
