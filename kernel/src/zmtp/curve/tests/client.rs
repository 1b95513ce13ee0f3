//! The other side of a handshake.

use super::super::*;

/// A client that knows some server's key.
pub(super) struct Client {
    server: [u8; 32],
    own: SecretKey,
    /// `c'`.
    secret: SecretKey,
    /// The number of its HELLO.
    pub(super) first: u64,
}

impl Client {
    pub(super) fn new(server: &ServerKey) -> Client {
        Client {
            server: *server.public(),
            own: SecretKey::from([3; 32]),
            secret: SecretKey::from([4; 32]),
            first: 1,
        }
    }

    /// The body of its HELLO.
    pub(super) fn hello(&self) -> Vec<u8> {
        let cipher = SalsaBox::new(&PublicKey::from(self.server), &self.secret);
        let sealed = seal(&cipher, &numbered(b"CurveZMQHELLO---", self.first), &[0; 64]);
        let public = self.secret.public_key();
        let number = self.first.to_be_bytes();
        [&b"\x05HELLO\x01\x00"[..], &[0; 72], public.as_bytes(), &number, &sealed[..]].concat()
    }

    /// The body of its INITIATE, and what the connection is encrypted with; `change` changes what it vouches for.
    pub(super) fn initiate(
        &self,
        welcome: &[u8],
        properties: &[u8],
        change: impl FnOnce(&mut [u8]),
    ) -> (Vec<u8>, Arc<SalsaBox>) {
        let mut rest = welcome.strip_prefix(b"\x07WELCOME").unwrap();
        let unique = take(&mut rest).unwrap();
        let cipher = SalsaBox::new(&PublicKey::from(self.server), &self.secret);
        let plain = open(&cipher, &random_nonce(*b"WELCOME-", unique), rest).unwrap();
        let mut rest = &plain[..];
        let server = PublicKey::from(take::<32>(&mut rest).unwrap());
        let mut vouch = [self.secret.public_key().to_bytes(), self.server].concat();
        change(&mut vouch);
        let voucher = SalsaBox::new(&server, &self.own);
        let vouch = seal(&voucher, &random_nonce(*b"VOUCH---", [5; 16]), &vouch);
        let own = self.own.public_key();
        let plain = [&own.as_bytes()[..], &[5; 16], &vouch[..], properties].concat();
        let cipher = SalsaBox::new(&server, &self.secret);
        let number = self.first + 1;
        let sealed = seal(&cipher, &numbered(b"CurveZMQINITIATE", number), &plain);
        let initiate = [&b"\x08INITIATE"[..], rest, &number.to_be_bytes(), &sealed[..]].concat();
        (initiate, cipher.into())
    }

    /// What a READY says of the server, and both directions of the connection.
    pub(super) fn ready(&self, ready: &[u8], cipher: Arc<SalsaBox>) -> (Ready, Sealer, Opener) {
        let mut rest = ready.strip_prefix(b"\x05READY").unwrap();
        let number = u64::from_be_bytes(take(&mut rest).unwrap());
        let properties = open(&cipher, &numbered(b"CurveZMQREADY---", number), rest).unwrap();
        let ready = codec::parse_properties(&properties.into()).unwrap();
        (ready, Sealer::client(Arc::clone(&cipher), self.first + 1), Opener::client(cipher, number))
    }
}
