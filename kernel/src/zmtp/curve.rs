//! The mechanism CURVE, as the server: who knows our public key may talk to us, and nobody else can read or change
//! what passes.
//!
//! A handshake makes a pair of keys for this connection alone, so a secret key that is found later opens nothing that
//! was recorded. The public key `S` never passes in the clear: it is in the connection file, which only the user
//! reads, and a peer that does not know it is refused at its first command. As in ipykernel, any key of a client will
//! do: `jupyter_client` makes a new one for each heartbeat.
//!
//! Names as in the specification: `S`, `s` are the server's long-term keys, `S'`, `s'` those of the connection, `C`
//! and `C'` the client's.
//!
//! # Source
//! <https://rfc.zeromq.org/spec/26/>; the commands in ZMTP, <https://rfc.zeromq.org/spec/25/>.

use std::io;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use crypto_box::aead::AeadInPlace;
use crypto_box::{Nonce, PublicKey, SalsaBox, SecretKey, Tag};
use curve25519_dalek::montgomery::MontgomeryPoint;
use curve25519_dalek::traits::IsIdentity;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::ZmtpError;
use super::codec::{self, Decoder, Mechanism, Ready};
use super::peer;

#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzzing;
mod keys;
mod traffic;

pub use keys::{KeyError, ServerKey};
pub(super) use traffic::{Opener, Sealer};

/// Length of a tag of Poly1305, which stands in front of what is encrypted.
const TAG: usize = 16;

/// What a peer gets back in its next command, and cannot know before.
type Cookie = [u8; 96];

/// Greets a peer and makes the keys of the connection; gives what the peer says of itself, and what seals and opens
/// all that follows.
///
/// # Errors
/// [`ZmtpError`]: the connection broke, or the peer breaks the protocol or does not know our key.
pub(super) async fn handshake(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    decoder: &mut Decoder,
    key: &ServerKey,
    socket_type: &str,
) -> Result<(Ready, Sealer, Opener), ZmtpError> {
    peer::greet(stream, &codec::CURVE_GREETING, Mechanism::Curve).await?;
    let hello = peer::command(stream, decoder).await?;
    let (welcomed, welcome) = Welcomed::hear(&hello, key)?;
    stream.write_all(&welcome).await?;
    let initiate = peer::command(stream, decoder).await?;
    let (ready, mut sealer, opener) = welcomed.admit(&initiate, key)?;
    stream.write_all(&sealer.ready(socket_type)?).await?;
    Ok((ready, sealer, opener))
}

/// A peer whose HELLO is answered.
pub(super) struct Welcomed {
    /// `C'`.
    client: [u8; 32],
    /// `s'`.
    secret: SecretKey,
    cookie: Cookie,
    /// The number in its HELLO.
    last: u64,
}

impl Welcomed {
    /// Reads a HELLO and makes the WELCOME.
    ///
    /// The cookie holds nothing, unlike in the specification, whose server forgets a peer meanwhile: ours waits on a
    /// task, and so `s'` never passes, not even encrypted. To the peer it is random bytes either way.
    ///
    /// # Errors
    /// [`ZmtpError::Protocol`]: the peer does not know our key.
    pub(super) fn hear(hello: &[u8], key: &ServerKey) -> Result<(Welcomed, Bytes), ZmtpError> {
        let refused =
            ZmtpError::Protocol { expected: "a HELLO of CURVE that is sealed for our key" };
        let Some((client, last)) = read_hello(hello, key) else { return Err(refused) };
        let secret = SecretKey::from(random()?);
        let (cookie, unique): (Cookie, _) = (random()?, random()?);
        let plain = [&secret.public_key().as_bytes()[..], &cookie].concat();
        let cipher = SalsaBox::new(&PublicKey::from(client), key.secret());
        let sealed = seal(&cipher, &random_nonce(*b"WELCOME-", unique), &plain);
        let welcome = codec::encode_command("WELCOME", &[&unique[..], &sealed[..]].concat());
        Ok((Welcomed { client, secret, cookie, last }, welcome))
    }

    /// Reads an INITIATE; gives what the peer says of itself, and the two directions of the connection.
    ///
    /// # Errors
    /// [`ZmtpError::Protocol`]: it is not the answer to our WELCOME, or not from whom it says.
    pub(super) fn admit(
        self,
        initiate: &[u8],
        key: &ServerKey,
    ) -> Result<(Ready, Sealer, Opener), ZmtpError> {
        let refused = ZmtpError::Protocol { expected: "an INITIATE of CURVE for our WELCOME" };
        let cipher = SalsaBox::new(&PublicKey::from(self.client), &self.secret);
        let Some((properties, last)) = self.read_initiate(initiate, &cipher, key) else {
            return Err(refused);
        };
        let ready = codec::parse_properties(&properties)?;
        let cipher = Arc::new(cipher);
        Ok((ready, Sealer::server(Arc::clone(&cipher)), Opener::server(cipher, last)))
    }

    /// The properties of the peer and the number of its command.
    fn read_initiate(
        &self,
        command: &[u8],
        cipher: &SalsaBox,
        key: &ServerKey,
    ) -> Option<(Bytes, u64)> {
        let mut rest = command.strip_prefix(b"\x08INITIATE")?;
        let cookie: Cookie = take(&mut rest)?;
        let number = u64::from_be_bytes(take(&mut rest)?);
        if cookie != self.cookie || number <= self.last {
            return None;
        }
        let plain = Bytes::from(open(cipher, &numbered(b"CurveZMQINITIATE", number), rest)?);
        let mut rest = &plain[..];
        let client = take(&mut rest)?;
        let unique = take(&mut rest)?;
        let vouch: [u8; TAG + 64] = take(&mut rest)?;
        let voucher = SalsaBox::new(&contributing(client)?, &self.secret);
        let plain_vouch = open(&voucher, &random_nonce(*b"VOUCH---", unique), &vouch)?;
        let expected = [&self.client[..], key.public()].concat();
        (plain_vouch == expected).then(|| (plain.slice_ref(rest), number))
    }
}

/// The key `C'` and the number in a HELLO.
fn read_hello(command: &[u8], key: &ServerKey) -> Option<([u8; 32], u64)> {
    let mut rest = command.strip_prefix(b"\x05HELLO\x01\x00")?;
    let _padding: [u8; 72] = take(&mut rest)?;
    let client = take(&mut rest)?;
    let number = u64::from_be_bytes(take(&mut rest)?);
    let sealed: [u8; TAG + 64] = take(&mut rest)?;
    let cipher = SalsaBox::new(&contributing(client)?, key.secret());
    let plain = open(&cipher, &numbered(b"CurveZMQHELLO---", number), &sealed)?;
    (rest.is_empty() && number > 0 && plain == [0; 64]).then_some((client, number))
}

/// A key of a peer, unless it is one of the few with which any two parties have the same secret: who sent such a
/// key could open what is sealed for it without knowing ours.
///
/// # Source
/// <https://www.rfc-editor.org/rfc/rfc7748>, section 6.1.
fn contributing(key: [u8; 32]) -> Option<PublicKey> {
    let point = MontgomeryPoint(key);
    // Any clamped number is a multiple of eight, the order of the points that are refused.
    (!point.mul_clamped([0; 32]).is_identity()).then(|| PublicKey::from(point))
}

/// Takes bytes off the front.
fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

fn random<const N: usize>() -> Result<[u8; N], ZmtpError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

/// A nonce of a purpose and a number.
fn numbered(purpose: &[u8; 16], number: u64) -> Nonce {
    let mut nonce = Nonce::default();
    let (start, end) = nonce.split_at_mut(purpose.len());
    start.copy_from_slice(purpose);
    end.copy_from_slice(&number.to_be_bytes());
    nonce
}

/// A nonce of a purpose and random bytes.
fn random_nonce(purpose: [u8; 8], unique: [u8; 16]) -> Nonce {
    let mut nonce = Nonce::default();
    let (start, end) = nonce.split_at_mut(purpose.len());
    start.copy_from_slice(&purpose);
    end.copy_from_slice(&unique);
    nonce
}

/// What `plain` is sealed, its tag first.
fn seal(cipher: &SalsaBox, nonce: &Nonce, plain: &[u8]) -> Bytes {
    let mut sealed = BytesMut::with_capacity(TAG + plain.len());
    sealed.put_bytes(0, TAG);
    sealed.put_slice(plain);
    seal_in_place(cipher, nonce, &mut sealed);
    sealed.freeze()
}

/// Seals what stands behind the room for a tag, and fills that.
fn seal_in_place(cipher: &SalsaBox, nonce: &Nonce, bytes: &mut [u8]) {
    let (room, plain) = bytes.split_at_mut(TAG);
    let tag = cipher
        .encrypt_in_place_detached(nonce, b"", plain)
        .expect("only associated data could be refused, and there is none");
    room.copy_from_slice(&tag);
}

/// What was sealed, or `None` where it was not sealed with this key and nonce. Nothing is decrypted before the tag is
/// known to be right.
fn open(cipher: &SalsaBox, nonce: &Nonce, sealed: &[u8]) -> Option<Vec<u8>> {
    let (tag, sealed) = sealed.split_first_chunk::<TAG>()?;
    let mut plain = sealed.to_vec();
    cipher.decrypt_in_place_detached(nonce, b"", &mut plain, &Tag::from(*tag)).ok()?;
    Some(plain)
}

#[cfg(test)]
mod tests;
