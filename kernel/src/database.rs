//! Databases that a user names by a connection string: what it says, without its secret wherever it is shown. Pure.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::Serialize;
use url::Url;

/// Names that Python takes for its own.
///
/// # Source
/// <https://docs.python.org/3/reference/lexical_analysis.html#keywords>.
const KEYWORDS: [&str; 35] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue",
    "def", "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import",
    "in", "is", "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while",
    "with", "yield",
];

/// How a connection string is written.
const FORM: &str = "`postgresql://USER:PASSWORD@HOST:PORT/DATABASE` or `mysql://…`, with `%40` for an `@` in a password \
                    and the like";

/// A password. It is not shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The password itself, for the server alone.
    pub(crate) fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// What was typed of a database, such as `sales=postgresql://…`. It is not shown: it may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Typed(String);

impl FromStr for Typed {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Typed, Self::Err> {
        Ok(Typed(text.trim().to_owned()))
    }
}

impl fmt::Debug for Typed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl Typed {
    /// The name, and the connection string where one stands.
    pub(crate) fn parts(&self) -> (&str, Option<&str>) {
        match self.0.split_once('=') {
            Some((name, url)) => (name.trim(), Some(url.trim())),
            None => (&self.0, None),
        }
    }
}

/// Whose protocol a database speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// PostgreSQL, and what speaks as it does.
    PostgreSql,
    /// MySQL and MariaDB.
    MySql,
}

impl Dialect {
    /// The port that such servers have unless another is named.
    fn port(self) -> u16 {
        match self {
            Dialect::PostgreSql => 5432,
            Dialect::MySql => 3306,
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Dialect::PostgreSql => "PostgreSQL",
            Dialect::MySql => "MySQL",
        })
    }
}

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A name or an address, and a port.
    Host(String, u16),
    /// A socket on this machine.
    Socket(PathBuf),
}

/// Whether what is said to a server is encrypted.
///
/// # Source
/// The words of libpq, <https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-SSLMODE-STATEMENTS>.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encryption {
    /// No.
    Disable,
    /// Where the server can.
    Prefer,
    /// Always; whose key it is is not looked at.
    Require,
    /// Always, and the server shows a certificate for its name.
    VerifyFull,
}

/// A database that a user named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// Its name, which is a variable in Python.
    pub name: String,
    /// How it is spoken to.
    pub dialect: Dialect,
    /// Whether sessions begin as such that may write.
    pub writable: bool,
    pub(crate) place: Place,
    pub(crate) user: String,
    pub(crate) password: Secret,
    /// What it is called on its server; may be empty.
    pub(crate) schema: String,
    pub(crate) encryption: Encryption,
}

impl Database {
    /// Reads a connection string.
    ///
    /// # Errors
    /// A sentence that says what was expected. It holds nothing of the string but the name of an option.
    pub(crate) fn read(name: &str, text: &str) -> Result<Database, String> {
        if !is_name(name) {
            // What was found is not shown: whoever forgets the name has typed a connection string.
            return Err(
                "expected `NAME=URL` with a name that a variable of Python can have".to_owned()
            );
        }
        read(name, text).map_err(|problem| format!("database `{name}`: {problem}"))
    }
}

/// Whether a database can have this name.
pub(crate) fn is_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.len() <= 32
        && name.chars().all(is_plain)
        && !KEYWORDS.contains(&name)
}

fn read(name: &str, text: &str) -> Result<Database, String> {
    let expected = || format!("expected {FORM}");
    let url = Url::parse(text).map_err(|_| expected())?;
    // A driver behind a plus is SQLAlchemy's: which one Python has is seen there.
    let dialect = match url.scheme().split('+').next().unwrap_or_default() {
        "postgresql" | "postgres" => Dialect::PostgreSql,
        "mysql" | "mariadb" => Dialect::MySql,
        "sqlite" | "duckdb" => {
            return Err("it is a file: name it as one, as with `--data FILE`".to_owned());
        }
        _ => return Err(format!("{}, found another scheme", expected())),
    };
    let user = decoded(url.username()).ok_or_else(expected)?;
    let password = decoded(url.password().unwrap_or_default()).ok_or_else(expected)?;
    let schema = decoded(url.path().trim_start_matches('/')).ok_or_else(expected)?;
    if user.is_empty() || schema.contains('/') {
        return Err(expected());
    }
    let port = url.port().unwrap_or(dialect.port());
    // In brackets it is an address of the sixth version.
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let place = Place::Host(decoded(host).ok_or_else(expected)?, port);
    let mut database = Database {
        name: name.to_owned(),
        dialect,
        writable: false,
        place,
        user,
        password: Secret(password),
        schema,
        encryption: Encryption::Prefer,
    };
    for (option, value) in url.query_pairs() {
        database.set(&option, &value, port)?;
    }
    match &database.place {
        Place::Host(host, _) if host.is_empty() => Err(expected()),
        Place::Host(..) | Place::Socket(_) => Ok(database),
    }
}

impl Database {
    fn set(&mut self, option: &str, value: &str, port: u16) -> Result<(), String> {
        match (option, value) {
            ("sslmode", "disable") => self.encryption = Encryption::Disable,
            ("sslmode", "prefer") => self.encryption = Encryption::Prefer,
            ("sslmode", "require") => self.encryption = Encryption::Require,
            ("sslmode", "verify-full") => self.encryption = Encryption::VerifyFull,
            ("sslmode", _) => {
                return Err(
                    "expected `sslmode` to be disable, prefer, require or verify-full".to_owned()
                );
            }
            ("write", "on") => self.writable = true,
            ("write", "off") => self.writable = false,
            ("write", _) => return Err("expected `write` to be on or off".to_owned()),
            // As libpq: a folder with the socket, or as MySQL's drivers: the socket.
            ("host", folder) if folder.starts_with('/') && self.dialect == Dialect::PostgreSql => {
                self.place = Place::Socket(format!("{folder}/.s.PGSQL.{port}").into());
            }
            ("unix_socket", socket) if socket.starts_with('/') => {
                self.place = Place::Socket(socket.into());
            }
            (option, _) => {
                let option: String = option.chars().take(40).collect();
                return Err(format!(
                    "expected `sslmode`, `write`, `host` (the folder of a socket) or `unix_socket` behind `?`, found \
                     `{}`",
                    option.escape_debug()
                ));
            }
        }
        Ok(())
    }

    /// One line for people: `sales (PostgreSQL, read only)`.
    pub(crate) fn in_words(&self) -> String {
        let rights = if self.writable { "with writing" } else { "read only" };
        format!("{} ({}, {rights})", self.name, self.dialect)
    }
}

/// Text with `%40` and the like; `None` where it is no UTF-8.
fn decoded(text: &str) -> Option<String> {
    let decoded = percent_encoding::percent_decode_str(text).decode_utf8().ok()?;
    // It ends strings in both protocols.
    (!decoded.contains('\0')).then(|| decoded.into_owned())
}

#[cfg(test)]
mod tests;
