//! Our side of a handshake with a target.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::io;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, HandshakeKind, OtherError,
    ProtocolVersion, RootCertStore, SignatureScheme,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::store::Sessions;
use super::{certificate, certificates, private_key, provider, versions};
use crate::measure::tls::{Certificate, TlsFacts};
use crate::scenario::security::{Security, TlsUse};
use crate::scenario::target::TargetUrl;

/// A TLS client for one target. Every worker has its own, so that none waits for another's store of sessions.
pub struct TlsClient {
    config: Arc<ClientConfig>,
    name: Option<ServerName<'static>>,
    /// Certificates that were met, so that each is read once.
    met: RefCell<Vec<(Vec<u8>, Arc<Certificate>)>>,
}

/// A connection that went over to TLS.
#[derive(Clone, Debug)]
pub struct Secured {
    /// What was agreed.
    pub facts: TlsFacts,
    /// The channel binding `tls-exporter` (RFC 9266), under TLS 1.3.
    pub exporter: Option<[u8; 32]>,
}

impl TlsClient {
    /// The client for `url`; `None` where no session goes over to TLS.
    ///
    /// # Errors
    /// When a file of the scenario holds no certificate or key, or the system's certificates cannot be read.
    pub fn new(security: &Security, url: &TargetUrl) -> Result<Option<Self>, String> {
        if security.tls_use(url) == TlsUse::None {
            return Ok(None);
        }
        let name = match (&security.server_name, url) {
            (Some(name), _) => Some(name.as_str()),
            (None, TargetUrl::Tcp { host, .. }) => Some(host.as_str()),
            (None, TargetUrl::Embedded) => Some("localhost"),
            (None, TargetUrl::Mx { .. } | TargetUrl::Unix { .. }) => None,
        };
        let name = name
            .map(|name| ServerName::try_from(name.to_owned()))
            .transpose()
            .map_err(|_| "the target's host is no name that a certificate could have".to_owned())?;
        if name.is_none() && !matches!(url, TargetUrl::Mx { .. }) {
            return Err(format!(
                "{url} has no host name that TLS could ask for\nwrite `server_name` under [target]"
            ));
        }
        Ok(Some(Self { config: Arc::new(config(security)?), name, met: RefCell::default() }))
    }

    /// Makes `stream` a TLS connection, with the certificate of the MX host `host`, unless the scenario says whose.
    ///
    /// # Errors
    /// As the connection and the library give them; [`super::classify`] sorts the latter.
    pub async fn secure<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        host: Option<&str>,
    ) -> io::Result<(TlsStream<S>, Secured)> {
        let of_host = || ServerName::try_from(host?.to_owned()).ok();
        let name = self.name.clone().or_else(of_host).ok_or(io::ErrorKind::InvalidInput)?;
        let stream = TlsConnector::from(Arc::clone(&self.config)).connect(name, stream).await?;
        let (_, connection) = stream.get_ref();
        let version = connection.protocol_version();
        let der = connection.peer_certificates().and_then(|chain| chain.first());
        let facts = TlsFacts {
            version: match version {
                Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
                Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
                _ => "",
            },
            cipher_suite: connection
                .negotiated_cipher_suite()
                .and_then(|suite| suite.suite().as_str())
                .unwrap_or_default()
                .replace("TLS13_", "TLS_"),
            group: connection
                .negotiated_key_exchange_group()
                .and_then(|group| group.name().as_str())
                .unwrap_or_default()
                .to_owned(),
            resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
            certificate: self.certificate(der.map_or(&[], AsRef::as_ref)),
        };
        let exporter = super::exporter(connection);
        Ok((stream, Secured { facts, exporter }))
    }

    fn certificate(&self, der: &[u8]) -> Arc<Certificate> {
        let mut met = self.met.borrow_mut();
        if let Some((_, known)) = met.iter().find(|(known, _)| known == der) {
            return Arc::clone(known);
        }
        // A server that shows a new one every time may not fill the memory.
        met.truncate(15);
        let facts = Arc::new(certificate::facts(der));
        met.push((der.to_vec(), Arc::clone(&facts)));
        facts
    }
}

fn config(security: &Security) -> Result<ClientConfig, String> {
    let provider = provider();
    let verifier = Verifier {
        inner: verifier(security, &provider)?,
        pinned: security.ca.as_ref().map(certificates).transpose()?.unwrap_or_default(),
        provider: Arc::clone(&provider),
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions(security.min_version, security.max_version))
        .map_err(|error| format!("no version of TLS is left: {error}"))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match &security.client {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => builder
            .with_client_auth_cert(certificates(chain)?, private_key(key)?)
            .map_err(|error| format!("`client_cert` and `client_key` cannot be used: {error}"))?,
    };
    config.resumption = match security.resumption {
        true => Resumption::store(Arc::new(Sessions::default())),
        false => Resumption::disabled(),
    };
    Ok(config)
}

fn verifier(
    security: &Security,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<WebPkiServerVerifier>>, String> {
    if !security.verifies() {
        return Ok(None);
    }
    let mut roots = RootCertStore::empty();
    match &security.ca {
        Some(file) => {
            for certificate in certificates(file)? {
                roots
                    .add(certificate)
                    .map_err(|error| format!("{}: {error}", file.path.display()))?;
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
            if roots.is_empty() {
                return Err("this system has no trusted certificates\n\
                            install its ca-certificates, or name a file with `ca` under [target]"
                    .to_owned());
            }
        }
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map(Some)
        .map_err(|error| format!("the trusted certificates cannot be used: {error}"))
}

/// What [`Verifier`] says of a certificate that only its own key signed: for a user another thing than an unknown
/// authority.
#[derive(Debug)]
pub(super) struct SelfSigned;

impl std::fmt::Display for SelfSigned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the certificate is self-signed")
    }
}

impl std::error::Error for SelfSigned {}

/// Verifies as the web does, or takes any certificate; the signature of the handshake is always verified.
#[derive(Debug)]
struct Verifier {
    inner: Option<Arc<WebPkiServerVerifier>>,
    /// What the user trusts: where the server shows just that, nobody else need have signed it.
    pinned: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(inner) = &self.inner else { return Ok(ServerCertVerified::assertion()) };
        let verified =
            inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        let Err(rustls::Error::InvalidCertificate(bad)) = &verified else { return verified };
        // What `openssl req -x509` makes is marked as an authority, which no server's certificate may be, and names
        // no other as its issuer.
        let issuer = matches!(bad, CertificateError::UnknownIssuer | CertificateError::Other(_));
        if !issuer || !certificate::is_self_signed(end_entity) {
            return verified;
        }
        if !self.pinned.contains(end_entity) {
            return Err(CertificateError::Other(OtherError(Arc::new(SelfSigned))).into());
        }
        verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
        match certificate::is_valid_at(end_entity, now.as_secs()) {
            Ordering::Less => Err(CertificateError::NotValidYet.into()),
            Ordering::Equal => Ok(ServerCertVerified::assertion()),
            Ordering::Greater => Err(CertificateError::Expired.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl std::fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsClient").field("name", &self.name).finish_non_exhaustive()
    }
}
