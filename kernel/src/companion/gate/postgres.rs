//! The opening of a connection as PostgreSQL speaks it.
//!
//! # Source
//! <https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP> and `protocol-message-formats`.

use std::io;

use bytes::{BufMut as _, BytesMut};
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::outside::{self, Outside, Stream};
use super::{LONGEST, Refused};
use crate::database::Database;

/// First words of a connection, where a version would stand.
const CANCEL: u32 = 80_877_102;
const ENCRYPT: u32 = 80_877_103;
const ENCRYPT_GSSAPI: u32 = 80_877_104;

/// What a message of the server's says of authentication.
const OK: u32 = 0;
const CLEAR_TEXT: u32 = 3;
const MD5: u32 = 5;
const SASL: u32 = 10;
const SASL_CONTINUE: u32 = 11;
const SASL_FINAL: u32 = 12;

/// Opens a connection for who has connected to the gate; nothing is left to be done for a request to cancel.
pub(super) async fn open(
    inside: &mut UnixStream,
    database: &Database,
) -> Result<Option<Box<dyn Stream>>, Refused> {
    let (version, rest) = loop {
        let (word, rest) = first_words(inside).await?;
        match word {
            ENCRYPT | ENCRYPT_GSSAPI => inside.write_all(b"N").await?,
            CANCEL => {
                let mut outside = connect(database).await?;
                outside.stream.write_all(&start(CANCEL, &rest)).await?;
                outside.stream.shutdown().await?;
                return Ok(None);
            }
            version => break (version, rest),
        }
    };
    let mut outside = connect(database).await?;
    let parameters = parameters(&rest, database)
        .ok_or_else(|| Refused::new("expected names and values at the start of a connection"))?;
    outside.stream.write_all(&start(version, &parameters)).await?;
    let is_open = authenticate(&mut outside, inside, database).await?;
    Ok(is_open.then_some(outside.stream))
}

/// Tells who has connected why nothing is opened.
pub(super) async fn refuse(inside: &mut UnixStream, why: &str) -> io::Result<()> {
    // Fatal, and of the class of connections that cannot be made.
    let fields = format!("SFATAL\0VFATAL\0C08001\0M{why}\0\0");
    inside.write_all(&message(b'E', fields.as_bytes())).await
}

/// What comes first on a connection: a version or a request, and what belongs to it.
async fn first_words(inside: &mut UnixStream) -> Result<(u32, Vec<u8>), Refused> {
    let length = inside.read_u32().await?;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if !(8..=LONGEST).contains(&length) {
        return Err(Refused::new("expected the start of a connection as PostgreSQL speaks it"));
    }
    let word = inside.read_u32().await?;
    let mut rest = vec![0; length - 8];
    inside.read_exact(&mut rest).await?;
    Ok((word, rest))
}

/// Connects, and has the connection encrypted where both want it.
async fn connect(database: &Database) -> Result<Outside, Refused> {
    let mut outside = outside::connect(database).await?;
    if !outside::wants_encryption(database) {
        return Ok(outside);
    }
    outside.stream.write_all(&start(ENCRYPT, &[])).await?;
    match outside.stream.read_u8().await? {
        // Nothing may be read in advance: a byte behind it could come from whoever stands between.
        b'S' => outside::encrypt(outside, database).await,
        b'N' => outside::without_encryption(database).map(|()| outside),
        _ => Err(Refused::new("the server speaks as no PostgreSQL does")),
    }
}

/// The parameters of who has connected, but with the user and the database of ours; and read only, unless the user
/// lets cells write.
fn parameters(theirs: &[u8], database: &Database) -> Option<Vec<u8>> {
    let text = theirs.strip_suffix(b"\0\0").or_else(|| theirs.strip_suffix(b"\0"))?;
    let words: Vec<&[u8]> = text.split(|byte| *byte == 0).collect();
    let mut pairs: Vec<(&[u8], &[u8])> = Vec::new();
    for pair in words.chunks(2).filter(|pair| *pair != [b""]) {
        let [name, value] = pair else { return None };
        if ![&b"user"[..], b"database", b"replication"].contains(name) {
            pairs.push((name, value));
        }
    }
    if !database.writable {
        // Behind what they ask for: of two, the last holds.
        let asked = pairs.iter().position(|(name, _)| *name == b"default_transaction_read_only");
        asked.map(|at| pairs.remove(at));
        pairs.push((b"default_transaction_read_only", b"on"));
    }
    pairs.push((b"user", database.user.as_bytes()));
    if !database.schema.is_empty() {
        pairs.push((b"database", database.schema.as_bytes()));
    }
    let mut ours = Vec::new();
    for (name, value) in pairs {
        ours.extend([name, b"\0", value, b"\0"].concat());
    }
    ours.push(0);
    Some(ours)
}

/// Proves who the user is, and hands on what the server says at last. Returns whether it lets the user in.
async fn authenticate(
    outside: &mut Outside,
    inside: &mut UnixStream,
    database: &Database,
) -> Result<bool, Refused> {
    let strange = || Refused::new("the server speaks as no PostgreSQL does");
    let password = database.password.expose();
    let mut scram = None;
    loop {
        let (kind, body) = read_message(&mut outside.stream).await?;
        if kind == b'E' || kind == b'v' {
            // Such as `password authentication failed`: it names the user, not the password.
            inside.write_all(&message(kind, &body)).await?;
            if kind == b'E' {
                return Ok(false);
            }
            continue;
        }
        let (b'R', Some((what, said))) = (kind, body.split_first_chunk::<4>()) else {
            return Err(strange());
        };
        let mut reply = BytesMut::new();
        match u32::from_be_bytes(*what) {
            OK => {
                inside.write_all(&message(kind, &body)).await?;
                return Ok(true);
            }
            CLEAR_TEXT if outside.is_private => frontend::password_message(password, &mut reply)?,
            CLEAR_TEXT => {
                return Err(Refused::new(
                    "the server asks for the password in clear text over a connection that is not encrypted",
                ));
            }
            MD5 => {
                let salt = said.first_chunk::<4>().ok_or_else(strange)?;
                let hash = md5_hash(database.user.as_bytes(), password, *salt);
                frontend::password_message(hash.as_bytes(), &mut reply)?;
            }
            SASL if said.split(|byte| *byte == 0).any(|name| name == SCRAM_SHA_256.as_bytes()) => {
                let begun = ScramSha256::new(password, ChannelBinding::unsupported());
                frontend::sasl_initial_response(SCRAM_SHA_256, begun.message(), &mut reply)?;
                scram = Some(begun);
            }
            SASL_CONTINUE => {
                let scram = scram.as_mut().ok_or_else(strange)?;
                scram.update(said).map_err(|_| strange())?;
                frontend::sasl_response(scram.message(), &mut reply)?;
            }
            SASL_FINAL => {
                // Who does not know the password cannot answer so.
                let proof = scram.as_mut().ok_or_else(strange)?.finish(said);
                proof.map_err(|_| {
                    Refused::new("the server does not prove that it knows the password")
                })?;
            }
            _ => {
                return Err(Refused::new(
                    "the server asks for a way to authenticate that is not known here: it needs a password by \
                     SCRAM-SHA-256 or MD5",
                ));
            }
        }
        outside.stream.write_all(&reply).await?;
    }
}

async fn read_message(stream: &mut Box<dyn Stream>) -> Result<(u8, Vec<u8>), Refused> {
    let kind = stream.read_u8().await?;
    let length = usize::try_from(stream.read_u32().await?).unwrap_or(usize::MAX);
    if !(4..=LONGEST).contains(&length) {
        return Err(Refused::new("the server speaks as no PostgreSQL does"));
    }
    let mut body = vec![0; length - 4];
    stream.read_exact(&mut body).await?;
    Ok((kind, body))
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut message = vec![kind];
    message.put_u32(u32::try_from(body.len() + 4).unwrap_or(u32::MAX));
    message.extend(body);
    message
}

/// A message that begins a connection: it has no letter.
fn start(word: u32, rest: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    message.put_u32(u32::try_from(rest.len() + 8).unwrap_or(u32::MAX));
    message.put_u32(word);
    message.extend(rest);
    message
}
