//! The opening of a connection as MySQL and MariaDB speak it.
//!
//! Client and server agree on what they can before one authenticates: so the server's greeting goes on to who has
//! connected, without what is between the gate and the server alone, and the answer comes back with our proof in it.
//!
//! # Source
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase.html>.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::outside::{self, Outside, Stream};
use super::{LONGEST, OPENING, Refused};
use crate::database::Database;

mod proof;

use proof::Plugin;

/// Capabilities.
const WITH_DATABASE: u32 = 1 << 3;
const COMPRESS: u32 = 1 << 5;
const PROTOCOL_41: u32 = 1 << 9;
const SSL: u32 = 1 << 11;
const SECURE_CONNECTION: u32 = 1 << 15;
const PLUGIN_AUTH: u32 = 1 << 19;
const CONNECT_ATTRIBUTES: u32 = 1 << 20;
const AUTH_LENENC: u32 = 1 << 21;
const ZSTD: u32 = 1 << 26;

/// What is between the gate and the server alone, or what the gate writes otherwise.
const NOT_HANDED_ON: u32 = COMPRESS | SSL | CONNECT_ATTRIBUTES | AUTH_LENENC | ZSTD;

/// First bytes of a server's messages.
const OK: u8 = 0;
const MORE: u8 = 1;
const SWITCH: u8 = 0xfe;
const FAILED: u8 = 0xff;

/// What the server says when it knows the proof already, and when it wants the password.
const KNOWN: u8 = 3;
const WHOLE: u8 = 4;

/// A command.
const QUERY: u8 = 3;

/// Opens a connection for who has connected to the gate; `None` where the server refuses and has said so.
pub(super) async fn open(
    inside: &mut UnixStream,
    database: &Database,
) -> Result<Option<Box<dyn Stream>>, Refused> {
    let mut outside = outside::connect(database).await?;
    let (_, greeting) = read(&mut outside.stream).await?;
    if greeting.first() == Some(&FAILED) {
        write(inside, 0, &greeting).await?;
        return Ok(None);
    }
    let greeting = Greeting::read(&greeting).ok_or_else(strange)?;
    write(inside, 0, &greeting.for_client()).await?;
    let (_, answer) = read(inside).await?;
    let entering = timeout(OPENING, enter(outside, database, &greeting, &answer));
    let entered = entering.await.unwrap_or_else(|_| Err(Refused::late()));
    // The second message of ours to who has connected, behind one of theirs.
    match entered {
        Ok((outside, last)) => {
            write(inside, 2, &last).await?;
            Ok((last.first() == Some(&OK)).then_some(outside.stream))
        }
        Err(Refused(why)) => {
            tracing::info!(database = database.name, why, "a database is not opened");
            let why = format!("database `{}`: {why}", database.name);
            write(inside, 2, &failure(&why)).await?;
            Ok(None)
        }
    }
}

/// Answers the greeting, and proves who the user is; returns what the server says at last.
async fn enter(
    mut outside: Outside,
    database: &Database,
    greeting: &Greeting,
    answer: &[u8],
) -> Result<(Outside, Vec<u8>), Refused> {
    let answer = Answer::read(answer, greeting)
        .ok_or_else(|| Refused::new("expected the start of a connection as MySQL speaks it"))?;
    let (mut number, mut ssl) = (1, 0);
    if outside::wants_encryption(database) {
        if greeting.capabilities & SSL == 0 {
            outside::without_encryption(database)?;
        } else {
            (number, ssl) = (2, SSL);
            write(&mut outside.stream, 1, &answer.beginning(database, ssl)).await?;
            outside = outside::encrypt(outside, database).await?;
        }
    }
    // A password in clear text is asked for, never offered.
    let plugin = Plugin::named(&greeting.plugin).filter(|plugin| *plugin != Plugin::ClearText);
    let plugin = plugin.unwrap_or(Plugin::Native);
    let proof = plugin.proof(database.password.expose(), &greeting.scramble);
    write(&mut outside.stream, number, &answer.whole(database, ssl, plugin, &proof)).await?;
    let last = authenticate(&mut outside, database).await?;
    if last.first() == Some(&OK) && !database.writable {
        close_to_writing(&mut outside).await?;
    }
    Ok((outside, last))
}

/// Tells who has connected why nothing is opened.
pub(super) async fn refuse(inside: &mut UnixStream, why: &str) -> io::Result<()> {
    // In place of a greeting.
    write(inside, 0, &failure(why)).await
}

/// `CR_SERVER_LOST` in words of ours.
fn failure(why: &str) -> Vec<u8> {
    [&[FAILED][..], &2013_u16.to_le_bytes(), b"#HY000", why.as_bytes()].concat()
}

fn strange() -> Refused {
    Refused::new("the server speaks as no MySQL does")
}

/// Proves who the user is; returns what the server says at last.
async fn authenticate(outside: &mut Outside, database: &Database) -> Result<Vec<u8>, Refused> {
    let password = database.password.expose();
    loop {
        let (number, said) = read(&mut outside.stream).await?;
        let reply = match said.split_first() {
            Some((&OK | &FAILED, _)) => return Ok(said),
            Some((&SWITCH, rest)) => {
                let (name, sent) = text(rest).ok_or_else(strange)?;
                let plugin = Plugin::named(name).ok_or_else(|| {
                    let name = String::from_utf8_lossy(name);
                    Refused(format!(
                        "the server asks for `{}`: it needs `caching_sha2_password` or `mysql_native_password`",
                        name.escape_debug()
                    ))
                })?;
                if plugin == Plugin::ClearText && !outside.is_private {
                    return Err(clear_text());
                }
                plugin.proof(password, sent.strip_suffix(b"\0").unwrap_or(sent))
            }
            Some((&MORE, [KNOWN])) => continue,
            Some((&MORE, [WHOLE])) if outside.is_private => [password, b"\0"].concat(),
            Some((&MORE, [WHOLE])) => return Err(clear_text()),
            _ => return Err(strange()),
        };
        write(&mut outside.stream, number.wrapping_add(1), &reply).await?;
    }
}

fn clear_text() -> Refused {
    Refused::new(
        "the server asks for the password in clear text over a connection that is not encrypted: let it encrypt, with \
         `?sslmode=require`",
    )
}

/// Makes the session one that only reads.
async fn close_to_writing(outside: &mut Outside) -> Result<(), Refused> {
    let command = [&[QUERY][..], b"SET SESSION TRANSACTION READ ONLY"].concat();
    write(&mut outside.stream, 0, &command).await?;
    match read(&mut outside.stream).await?.1.first() {
        Some(&OK) => Ok(()),
        _ => Err(Refused::new(
            "the server opens no session that only reads: `?write=on` does without",
        )),
    }
}

/// A message and its number.
async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Result<(u8, Vec<u8>), Refused> {
    let head = stream.read_u32_le().await?;
    let [a, b, c, number] = head.to_le_bytes();
    let length = usize::try_from(u32::from_le_bytes([a, b, c, 0])).unwrap_or(usize::MAX);
    if length > LONGEST {
        return Err(strange());
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok((number, body))
}

async fn write<S: tokio::io::AsyncWrite + Unpin>(
    stream: &mut S,
    number: u8,
    body: &[u8],
) -> io::Result<()> {
    let [a, b, c, _] = u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes();
    stream.write_all(&[&[a, b, c, number], body].concat()).await?;
    stream.flush().await
}

/// Text that ends with a null byte, and what follows it.
fn text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    Some((bytes.get(..end)?, bytes.get(end + 1..)?))
}

/// What the server says first.
#[derive(Debug)]
struct Greeting {
    /// Up to what is secret of a connection: protocol, version, number of the connection.
    beginning: Vec<u8>,
    charset: u8,
    status: [u8; 2],
    /// Of MariaDB, what it can besides.
    reserved: [u8; 10],
    capabilities: u32,
    scramble: Vec<u8>,
    plugin: Vec<u8>,
}

impl Greeting {
    fn read(message: &[u8]) -> Option<Greeting> {
        let (&[10], rest) = message.split_first_chunk()? else { return None };
        let (_, rest) = text(rest)?;
        let (_, rest) = rest.split_first_chunk::<4>()?;
        let beginning = message.get(..message.len() - rest.len())?.to_vec();
        let (first, rest) = rest.split_first_chunk::<8>()?;
        let ([_, low_a, low_b, charset, status_a, status_b, high_a, high_b, _], rest) =
            rest.split_first_chunk()?;
        let capabilities = u32::from_le_bytes([*low_a, *low_b, *high_a, *high_b]);
        let (reserved, rest) = rest.split_first_chunk::<10>()?;
        let (second, rest) = text(rest)?;
        Some(Greeting {
            beginning,
            charset: *charset,
            status: [*status_a, *status_b],
            reserved: *reserved,
            capabilities,
            scramble: [first, second].concat(),
            plugin: text(rest).map_or(rest, |(name, _)| name).to_vec(),
        })
    }

    /// The greeting for who has connected: of what it proves to us nobody looks at a byte.
    fn for_client(&self) -> Vec<u8> {
        let capabilities = self.capabilities & !NOT_HANDED_ON | PROTOCOL_41 | SECURE_CONNECTION;
        let [low_a, low_b, high_a, high_b] = (capabilities | PLUGIN_AUTH).to_le_bytes();
        let middle = [low_a, low_b, self.charset, self.status[0], self.status[1], high_a, high_b];
        [
            &self.beginning[..],
            b"nobody.l\0",
            &middle,
            &[21],
            &self.reserved,
            b"ooks.at.it..\0",
            b"mysql_native_password\0",
        ]
        .concat()
    }
}

/// What who has connected answers.
#[derive(Debug)]
struct Answer {
    capabilities: u32,
    /// Longest message, character set, what MariaDB's clients can besides.
    settings: [u8; 28],
}

impl Answer {
    fn read(message: &[u8], greeting: &Greeting) -> Option<Answer> {
        let (capabilities, rest) = message.split_first_chunk::<4>()?;
        let capabilities = u32::from_le_bytes(*capabilities) & greeting.capabilities;
        let settings = *rest.first_chunk::<28>()?;
        let ours = NOT_HANDED_ON | WITH_DATABASE;
        (capabilities & PROTOCOL_41 != 0)
            .then_some(Answer { capabilities: capabilities & !ours, settings })
    }

    /// What stands before the user: all that is said before a connection is encrypted.
    fn beginning(&self, database: &Database, ssl: u32) -> Vec<u8> {
        let named = if database.schema.is_empty() { 0 } else { WITH_DATABASE };
        let ours = SECURE_CONNECTION | PLUGIN_AUTH | named | ssl;
        [&(self.capabilities | ours).to_le_bytes()[..], &self.settings].concat()
    }

    fn whole(&self, database: &Database, ssl: u32, plugin: Plugin, proof: &[u8]) -> Vec<u8> {
        let mut message = self.beginning(database, ssl);
        message.extend(database.user.as_bytes());
        message.push(0);
        message.push(u8::try_from(proof.len()).unwrap_or(0));
        message.extend(proof);
        if !database.schema.is_empty() {
            message.extend(database.schema.as_bytes());
            message.push(0);
        }
        message.extend(plugin.name().as_bytes());
        message.push(0);
        message
    }
}
