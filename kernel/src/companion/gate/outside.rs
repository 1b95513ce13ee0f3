//! Connections to servers, encrypted as the user wants it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::Refused;
use crate::database::{Database, Encryption, Place};

/// How long a server may take to answer.
const CONNECT: Duration = Duration::from_secs(10);

/// Bytes to and from a server.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection to a server.
pub(super) struct Outside {
    pub(super) stream: Box<dyn Stream>,
    /// Whether nobody between can read what is said: it is encrypted, or stays on this machine.
    pub(super) is_private: bool,
}

/// Connects to the server of a database, not encrypted yet.
pub(super) async fn connect(database: &Database) -> Result<Outside, Refused> {
    let failed = |error: io::Error| Refused(format!("the server does not answer ({error})"));
    match &database.place {
        Place::Socket(path) => {
            let stream = UnixStream::connect(path).await.map_err(failed)?;
            Ok(Outside { stream: Box::new(stream), is_private: true })
        }
        Place::Host(host, port) => {
            let connecting = TcpStream::connect((host.as_str(), *port));
            let stream = timeout(CONNECT, connecting).await.map_err(|_| Refused::late())?;
            let stream = stream.map_err(failed)?;
            // Questions are short, and each waits for its answer.
            stream.set_nodelay(true)?;
            let is_private = stream.peer_addr().is_ok_and(|peer| peer.ip().is_loopback());
            Ok(Outside { stream: Box::new(stream), is_private })
        }
    }
}

/// Whether encryption is to be asked of the server: what stays in a socket of this machine is not encrypted.
pub(super) fn wants_encryption(database: &Database) -> bool {
    let is_host = matches!(database.place, Place::Host(..));
    is_host && database.encryption != Encryption::Disable
}

/// Says what it means that a server does not encrypt.
pub(super) fn without_encryption(database: &Database) -> Result<(), Refused> {
    match database.encryption {
        Encryption::Disable | Encryption::Prefer => Ok(()),
        Encryption::Require | Encryption::VerifyFull => {
            Err(Refused::new("the server does not encrypt, and `sslmode` asks for it"))
        }
    }
}

/// Encrypts a connection from here on.
pub(super) async fn encrypt(outside: Outside, database: &Database) -> Result<Outside, Refused> {
    let Place::Host(host, _) = &database.place else { return Ok(outside) };
    let failed = |why: String| Refused(format!("the encrypted connection failed ({why})"));
    let name = ServerName::try_from(host.clone()).map_err(|error| failed(error.to_string()))?;
    let config = config(database.encryption).map_err(|error| failed(error.to_string()))?;
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, outside.stream);
    let stream = connecting.await.map_err(|error| failed(error.to_string()))?;
    Ok(Outside { stream: Box::new(stream), is_private: true })
}

fn config(encryption: Encryption) -> Result<ClientConfig, Error> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    Ok(if encryption == Encryption::VerifyFull {
        // As this machine's other programs do: a company's own authority counts.
        builder.with_platform_verifier()?.with_no_client_auth()
    } else {
        let any = Arc::new(AnyCertificate(provider));
        builder.dangerous().with_custom_certificate_verifier(any).with_no_client_auth()
    })
}

/// Takes any certificate, as `prefer` and `require` mean it: who only listens learns nothing.
///
/// # Source
/// <https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-PROTECTION>.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
