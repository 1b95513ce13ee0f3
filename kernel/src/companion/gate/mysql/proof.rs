//! How MySQL has a user prove that they know a password. Pure.

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// A way to prove it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plugin {
    /// `mysql_native_password`, of MariaDB and of MySQL before 8.
    Native,
    /// `caching_sha2_password`, of MySQL 8 and above.
    CachingSha2,
    /// `mysql_clear_password`: the password itself.
    ClearText,
}

impl Plugin {
    pub(super) fn named(name: &[u8]) -> Option<Plugin> {
        [Plugin::Native, Plugin::CachingSha2, Plugin::ClearText]
            .into_iter()
            .find(|plugin| plugin.name().as_bytes() == name)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Plugin::Native => "mysql_native_password",
            Plugin::CachingSha2 => "caching_sha2_password",
            Plugin::ClearText => "mysql_clear_password",
        }
    }

    /// What is sent first; an empty password needs no proof.
    ///
    /// # Source
    /// <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_authentication_methods_native_password_authentication.html>
    /// and <https://dev.mysql.com/doc/dev/mysql-server/latest/page_caching_sha2_authentication_exchanges.html>.
    pub(super) fn proof(self, password: &[u8], scramble: &[u8]) -> Vec<u8> {
        match self {
            Plugin::ClearText => [password, b"\0"].concat(),
            Plugin::Native | Plugin::CachingSha2 if password.is_empty() => Vec::new(),
            Plugin::Native => {
                let hash = Sha1::digest(password);
                let twice = Sha1::digest(hash);
                xor(&hash, &Sha1::new().chain_update(scramble).chain_update(twice).finalize())
            }
            Plugin::CachingSha2 => {
                let hash = Sha256::digest(password);
                let twice = Sha256::digest(hash);
                xor(&hash, &Sha256::new().chain_update(twice).chain_update(scramble).finalize())
            }
        }
    }
}

fn xor(left: &[u8], right: &[u8]) -> Vec<u8> {
    left.iter().zip(right).map(|(left, right)| left ^ right).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
    }

    #[test]
    fn a_proof_is_what_another_client_would_send() {
        // By PyMySQL 1.2.4, `_auth.scramble_native_password` and `_auth.scramble_caching_sha2`.
        let proof = |plugin: Plugin| hex(&plugin.proof(b"hunter2", b"abcdefghijklmnopqrst"));
        assert_eq!(proof(Plugin::Native), "fb30830c3ec1c2161c75ef8c45977d684a38d8d4");
        assert_eq!(
            proof(Plugin::CachingSha2),
            "38c32b38723affcda57b368b565bac628d5a852428b402c25c4ae036a4fd904f"
        );
        assert_eq!(Plugin::Native.proof(b"", b"abcdefghijklmnopqrst"), b"");
    }
}
