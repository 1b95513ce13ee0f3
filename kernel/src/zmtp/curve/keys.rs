//! The server's keys, as a connection file has them.

use std::fmt;

use crypto_box::SecretKey;

/// Length of a key as text.
const LENGTH: usize = 40;

/// The digits of Z85.
///
/// # Source
/// <https://rfc.zeromq.org/spec/32/>.
const DIGITS: &[u8; 85] =
    b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

/// Why keys cannot be used. Says nothing of what they are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// One key without the other.
    #[error("expected `curve_publickey` and `curve_secretkey`, or neither, found `{found}` alone")]
    Alone {
        /// The key that is there.
        found: &'static str,
    },
    /// A key of another length.
    #[error("expected {LENGTH} characters of Z85 in `{name}`, found {found}")]
    Length {
        /// The key.
        name: &'static str,
        /// How many characters it has.
        found: usize,
    },
    /// A key with other characters, or with digits that make too large a number.
    #[error("expected {LENGTH} characters of Z85 in `{name}`, found characters that are none")]
    NotZ85 {
        /// The key.
        name: &'static str,
    },
    /// Two keys that do not belong together.
    #[error("expected the `curve_publickey` of the `curve_secretkey`, found another")]
    NoPair,
}

/// The long-term keys of a server.
pub struct ServerKey {
    secret: SecretKey,
    public: [u8; 32],
}

impl ServerKey {
    /// Reads the keys of a connection file; `None` where it has none.
    ///
    /// # Errors
    /// [`KeyError`]: one of them is missing or malformed, or they are no pair.
    pub fn from_z85(
        public: Option<&str>,
        secret: Option<&str>,
    ) -> Result<Option<ServerKey>, KeyError> {
        let (public, secret) = match (public, secret) {
            (None, None) => return Ok(None),
            (Some(_), None) => return Err(KeyError::Alone { found: "curve_publickey" }),
            (None, Some(_)) => return Err(KeyError::Alone { found: "curve_secretkey" }),
            (Some(public), Some(secret)) => (public, secret),
        };
        let public = key("curve_publickey", public)?;
        let secret = SecretKey::from(key("curve_secretkey", secret)?);
        let key = ServerKey::of(secret);
        if key.public != public {
            return Err(KeyError::NoPair);
        }
        Ok(Some(key))
    }

    /// The pair of a secret key.
    pub(super) fn of(secret: SecretKey) -> ServerKey {
        let public = secret.public_key().to_bytes();
        ServerKey { secret, public }
    }

    /// `s`.
    pub(super) fn secret(&self) -> &SecretKey {
        &self.secret
    }

    /// `S`.
    pub(super) fn public(&self) -> &[u8; 32] {
        &self.public
    }
}

/// Neither key: who knows the public one may connect.
impl fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerKey(..)")
    }
}

fn key(name: &'static str, text: &str) -> Result<[u8; 32], KeyError> {
    let found = text.chars().count();
    if found != LENGTH {
        return Err(KeyError::Length { name, found });
    }
    decode(text.as_bytes()).ok_or(KeyError::NotZ85 { name })
}

/// Five digits make four bytes.
fn decode(text: &[u8]) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    for (digits, room) in text.chunks(5).zip(bytes.chunks_exact_mut(4)) {
        let number = digits.iter().try_fold(0_u32, |number, digit| {
            let place = DIGITS.iter().position(|known| known == digit)?;
            number.checked_mul(85)?.checked_add(u32::try_from(place).ok()?)
        })?;
        room.copy_from_slice(&number.to_be_bytes());
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    // A pair of <https://libzmq.readthedocs.io/en/latest/zmq_curve.html>, which has its bytes as well.
    const PUBLIC: &str = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";
    const SECRET: &str = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs";

    #[track_caller]
    fn refused(public: Option<&str>, secret: Option<&str>, expected: &str) {
        let error = ServerKey::from_z85(public, secret).unwrap_err().to_string();
        assert_eq!(error, expected);
    }

    #[test]
    fn a_pair_of_keys_is_read_and_never_shown() {
        let key = ServerKey::from_z85(Some(PUBLIC), Some(SECRET)).unwrap().unwrap();
        assert_eq!(key.public()[..4], [0xBB, 0x88, 0x47, 0x1D]);
        assert_eq!(key.secret().to_bytes()[..4], [0x7B, 0xB8, 0x64, 0xB4]);
        assert_eq!(format!("{key:?}"), "ServerKey(..)");
        assert!(ServerKey::from_z85(None, None).unwrap().is_none());
    }

    #[test]
    fn keys_that_are_missing_malformed_or_no_pair_are_refused_with_the_reason() {
        let alone = "expected `curve_publickey` and `curve_secretkey`, or neither, found ";
        refused(Some(PUBLIC), None, &format!("{alone}`curve_publickey` alone"));
        refused(None, Some(SECRET), &format!("{alone}`curve_secretkey` alone"));
        let long = format!("{SECRET}0");
        for (secret, found) in [("", 0), (&SECRET[1..], 39), (&long, 41)] {
            let expected =
                format!("expected 40 characters of Z85 in `curve_secretkey`, found {found}");
            refused(Some(PUBLIC), Some(secret), &expected);
        }
        let none = |name: &str| {
            format!("expected 40 characters of Z85 in `{name}`, found characters that are none")
        };
        for public in [&"\"".repeat(40), &"é".repeat(40), &"#".repeat(40)] {
            refused(Some(public), Some(SECRET), &none("curve_publickey"));
        }
        refused(Some(PUBLIC), Some(&SECRET.replace('D', "~")), &none("curve_secretkey"));
        let other = "expected the `curve_publickey` of the `curve_secretkey`, found another";
        refused(Some(SECRET), Some(SECRET), other);
    }
}
