//! TLS for both sides, and what its errors mean. The only place that knows rustls.

mod certificate;
mod client;
mod server;
mod store;

use std::io;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{CertificateError, InvalidMessage, ProtocolVersion, SupportedProtocolVersion};

use crate::measure::outcome::Failure;
use crate::scenario::security::{PemFile, TlsVersion};
pub use client::{Secured, TlsClient};
pub use server::{TlsIdentity, TlsServer};

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn versions(low: TlsVersion, high: TlsVersion) -> Vec<&'static SupportedProtocolVersion> {
    [(TlsVersion::V1_2, &rustls::version::TLS12), (TlsVersion::V1_3, &rustls::version::TLS13)]
        .into_iter()
        .filter(|(version, _)| (low..=high).contains(version))
        .map(|(_, supported)| supported)
        .collect()
}

fn certificates(file: &PemFile) -> Result<Vec<CertificateDer<'static>>, String> {
    let path = file.path.display();
    let found = CertificateDer::pem_slice_iter(&file.bytes)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| format!("{path} is no PEM file of certificates: {error}"))?;
    if found.is_empty() {
        return Err(format!("{path} holds no certificate in PEM form"));
    }
    Ok(found)
}

fn private_key(file: &PemFile) -> Result<PrivateKeyDer<'static>, String> {
    let path = file.path.display();
    PrivateKeyDer::from_pem_slice(&file.bytes)
        .map_err(|_| format!("{path} holds no private key in PEM form without a passphrase"))
}

/// The channel binding `tls-exporter` (RFC 9266). TLS 1.3 only: TLS 1.2 needs an extension for it that the library
/// does not show.
#[must_use]
pub fn exporter<D>(connection: &rustls::ConnectionCommon<D>) -> Option<[u8; 32]> {
    match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => {
            connection.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(&[])).ok()
        }
        _ => None,
    }
}

/// What went wrong in TLS; `None` for another error.
#[must_use]
pub fn classify(error: &io::Error) -> Option<Failure> {
    use CertificateError as Bad;
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    Some(match error {
        rustls::Error::InvalidCertificate(bad) => match bad {
            Bad::Expired | Bad::ExpiredContext { .. } => Failure::CertificateExpired,
            Bad::NotValidYet | Bad::NotValidYetContext { .. } => Failure::CertificateNotYetValid,
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
                Failure::CertificateWrongName
            }
            Bad::UnknownIssuer => Failure::CertificateUnknownIssuer,
            Bad::Other(other) if other.0.is::<client::SelfSigned>() => {
                Failure::CertificateSelfSigned
            }
            _ => Failure::CertificateInvalid,
        },
        rustls::Error::AlertReceived(_) => Failure::TlsAlert,
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => Failure::NotTls,
        _ => Failure::TlsProtocol,
    })
}

/// What went wrong in a handshake, in words.
#[must_use]
pub fn words(error: &io::Error) -> String {
    match (error.kind(), classify(error)) {
        (io::ErrorKind::UnexpectedEof, _) => "the peer closed in the TLS handshake".to_owned(),
        (_, Some(Failure::CertificateSelfSigned)) => client::SelfSigned.to_string(),
        _ => error.to_string(),
    }
}
