//! Both ends of a connection whose handshake is done, and keys, for properties and tests.

use std::sync::LazyLock;

use super::{Arc, Opener, SalsaBox, Sealer, SecretKey, ServerKey};

/// The keys of a server, made of any bytes.
pub(in crate::zmtp) fn server_key(bytes: [u8; 32]) -> ServerKey {
    ServerKey::of(SecretKey::from(bytes))
}

/// Both directions of a connection, as its client has them and as its server has them.
pub(in crate::zmtp) fn connected() -> ((Sealer, Opener), (Sealer, Opener)) {
    static CIPHER: LazyLock<Arc<SalsaBox>> = LazyLock::new(|| {
        SalsaBox::new(&SecretKey::from([1; 32]).public_key(), &SecretKey::from([2; 32])).into()
    });
    let cipher = || Arc::clone(&CIPHER);
    (
        (Sealer::client(cipher(), 2), Opener::client(cipher(), 0)),
        (Sealer::server(cipher()), Opener::server(cipher(), 2)),
    )
}
