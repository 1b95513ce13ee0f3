//! Where Python cells run: here, or at a place that the user named.

use std::convert::Infallible;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use url::Url;

/// Pages of a Jupyter Server whose address people copy.
const PAGES: [&str; 5] = ["lab", "tree", "notebooks", "doc", "login"];

/// What was typed for `--companion`. It may hold a token, so it is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Named(String);

impl FromStr for Named {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Named(..)")
    }
}

/// Where Python cells run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Place {
    /// In a process of ours on this machine, in the sandbox.
    #[default]
    Here,
    /// In the kernel of a kernelspec, which we start on this machine.
    Kernelspec(String),
    /// In a kernel that runs already and is reached by its connection file.
    File(PathBuf),
    /// In a kernel behind a Jupyter Server or a gateway.
    Server(ServerAddress),
}

/// A Jupyter Server, and which kernel of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAddress {
    /// Ends with a slash; holds neither user nor token.
    base: Url,
    /// Proves that we may.
    pub(crate) token: Token,
    /// Which kernel.
    pub(crate) kernel: Wanted,
}

/// Which kernel of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// A new one of this kernelspec, or of the server's own choice; it ends with us.
    New(Option<String>),
    /// The one with this id; it stays when we go.
    Running(String),
}

/// A secret that is sent to one server, and shown nowhere.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl Token {
    /// The header that proves who asks; none without a token.
    pub(crate) fn authorization(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| format!("token {}", self.0))
    }
}

/// Why a place cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// It is nothing that could name a place.
    #[error(
        "expected the name of a kernelspec, the path of a connection file, or the address of a Jupyter Server, found \
         nothing"
    )]
    Empty,
    /// It begins as an address and is none. Its text may hold a token and is not shown.
    #[error(
        "expected an address such as `http://127.0.0.1:8888`, found one that cannot be read ({0})"
    )]
    Address(url::ParseError),
    /// An address with a name or password before the host.
    #[error(
        "expected an address without a user: the token is the variable `DATARUS_COMPANION_TOKEN`"
    )]
    User,
    /// Something in the address that means nothing here.
    #[error("expected at most `kernel_name` and `token` after the `?` of the address, found `{0}`")]
    Query(String),
    /// The token cannot be sent.
    #[error(
        "expected a token of visible ASCII characters in `DATARUS_COMPANION_TOKEN`, found others"
    )]
    Token,
}

impl Place {
    /// What was named: an address if it begins as one, a file if it has a slash or ends with `.json`, else a
    /// kernelspec. `token` is that of the environment; one in the address wins over it.
    ///
    /// # Errors
    /// When it names no place.
    pub fn resolve(named: Option<&Named>, token: &str) -> Result<Self, PlaceError> {
        let Some(Named(text)) = named else { return Ok(Self::Here) };
        let text = text.trim();
        if text.is_empty() {
            return Err(PlaceError::Empty);
        }
        if is_address(text) {
            return Ok(Self::Server(ServerAddress::read(text, token)?));
        }
        if text.contains('/') || has_ending(text, "json") {
            let path = PathBuf::from(text);
            return Ok(Self::File(std::path::absolute(&path).unwrap_or(path)));
        }
        Ok(Self::Kernelspec(text.to_owned()))
    }

    /// Whether the kernel there ran before us, and stays when we go.
    pub(crate) fn is_joined(&self) -> bool {
        match self {
            Self::Here | Self::Kernelspec(_) => false,
            Self::File(_) => true,
            Self::Server(server) => matches!(server.kernel, Wanted::Running(_)),
        }
    }

    /// Whether it is a process of ours that the sandbox holds.
    pub fn is_here(&self) -> bool {
        matches!(self, Self::Here)
    }
}

/// For people and notebooks: nothing secret.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here => f.write_str("this machine"),
            Self::Kernelspec(name) => write!(f, "the kernelspec `{name}` on this machine"),
            Self::File(path) => write!(f, "the kernel of `{}`", path.display()),
            Self::Server(server) => match &server.kernel {
                Wanted::New(_) => write!(f, "the Jupyter Server at {}", server.base),
                Wanted::Running(id) => {
                    write!(f, "the kernel {id} of the Jupyter Server at {}", server.base)
                }
            },
        }
    }
}

/// What a notebook notes instead of a sandbox.
pub(crate) fn ran_at(place: &str) -> String {
    format!("not sandboxed by Datarus: the code ran at {place}")
}

impl ServerAddress {
    fn read(text: &str, token: &str) -> Result<Self, PlaceError> {
        let mut base = Url::parse(text).map_err(PlaceError::Address)?;
        if !base.username().is_empty() || base.password().is_some() {
            return Err(PlaceError::User);
        }
        let (mut token, mut name) = (token.trim().to_owned(), None);
        for (key, value) in base.query_pairs() {
            match &*key {
                "token" => token = value.into_owned(),
                "kernel_name" => name = Some(value.into_owned()),
                _ => return Err(PlaceError::Query(key.into_owned())),
            }
        }
        if !token.chars().all(|c| c.is_ascii_graphic()) {
            return Err(PlaceError::Token);
        }
        let path = base.path().to_owned();
        let (path, kernel) = match path.split_once("/api/kernels/") {
            Some((path, id)) => {
                let id = id.split('/').next().unwrap_or_default().to_owned();
                (path.to_owned(), Wanted::Running(id))
            }
            None => (without_page(&path), Wanted::New(name)),
        };
        base.set_query(None);
        base.set_fragment(None);
        base.set_path(&format!("{}/", path.trim_end_matches('/')));
        Ok(Self { base, token: Token(token), kernel })
    }

    /// The address of a resource such as `api/kernels`.
    pub(crate) fn of(&self, resource: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{resource}", self.base.path()));
        url
    }
}

fn is_address(text: &str) -> bool {
    ["http://", "https://"].iter().any(|scheme| {
        text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    })
}

fn has_ending(text: &str, ending: &str) -> bool {
    Path::new(text).extension().is_some_and(|found| found.eq_ignore_ascii_case(ending))
}

/// The path of an address as a browser shows it, without the page that it shows.
fn without_page(path: &str) -> String {
    let parts: Vec<_> = path.split('/').collect();
    let end = parts.iter().position(|part| PAGES.contains(part)).unwrap_or(parts.len());
    parts.get(..end).unwrap_or_default().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123secret";

    fn place(text: &str) -> Result<Place, PlaceError> {
        Place::resolve(Some(&text.parse().unwrap()), "of-environment")
    }

    #[track_caller]
    fn check(text: &str, words: &str) {
        assert_eq!(place(text).unwrap().to_string(), words);
    }

    #[test]
    fn a_place_is_a_kernelspec_a_file_or_a_server() {
        assert_eq!(Place::resolve(None, "").unwrap(), Place::Here);
        check("python3", "the kernelspec `python3` on this machine");
        check("/run/kernel-1.json", "the kernel of `/run/kernel-1.json`");
        assert!(matches!(place("kernel-1.json"), Ok(Place::File(path)) if path.is_absolute()));
        check("http://h:8888", "the Jupyter Server at http://h:8888/");
        check("https://h/base/lab/tree/a.ipynb", "the Jupyter Server at https://h/base/");
        check(
            "http://h/x/api/kernels/12-34/channels",
            "the kernel 12-34 of the Jupyter Server at http://h/x/",
        );
    }

    #[test]
    fn a_token_is_taken_from_the_address_or_the_environment_and_never_shown() {
        let text = format!("http://h:8888/lab?token={SECRET}&kernel_name=spark");
        let named: Named = text.parse().unwrap();
        let Place::Server(server) = place(&text).unwrap() else { panic!("expected a server") };
        assert_eq!(server.token.authorization().unwrap(), format!("token {SECRET}"));
        assert_eq!(server.kernel, Wanted::New(Some("spark".into())));
        assert_eq!(server.of("api/kernels").as_str(), "http://h:8888/api/kernels");
        let shown = format!("{named:?} {server:?} {}", Place::Server(server.clone()));
        assert!(!shown.contains(SECRET), "{shown}");
        let Place::Server(server) = place("http://h").unwrap() else { panic!("expected a server") };
        assert_eq!(server.token.authorization().unwrap(), "token of-environment");
    }

    #[test]
    fn what_is_no_place_is_refused_without_its_secrets() {
        for (text, words) in [
            (" ", "found nothing"),
            ("http://", "cannot be read"),
            ("http://me:0123secret@h", "without a user"),
            ("http://h?tokn=0123secret", "found `tokn`"),
            ("http://h?token=0123secret%0a", "visible ASCII"),
        ] {
            let error = place(text).unwrap_err().to_string();
            assert!(error.contains(words) && !error.contains(SECRET), "{text}: {error}");
        }
    }
}
