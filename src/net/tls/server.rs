//! The other side of a handshake, for the built-in server.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use super::{certificate, certificates, private_key, provider};
use crate::behavior::CertificateFault;
use crate::scenario::security::PemFile;

/// A certificate and its key.
#[derive(Debug)]
pub struct TlsIdentity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    /// The first certificate, in PEM form.
    pem: String,
}

impl TlsIdentity {
    /// A new self-signed certificate for `names`.
    ///
    /// # Errors
    /// When a name is none, or no key can be made.
    pub fn make(names: &[&str]) -> Result<Self, String> {
        Self::make_with(names, None)
    }

    /// The same with something wrong: of its time, or of its name. That nobody trusts it is left to who uses it.
    ///
    /// # Errors
    /// As [`TlsIdentity::make`].
    pub fn make_with(names: &[&str], wrong: Option<CertificateFault>) -> Result<Self, String> {
        let names = match wrong {
            Some(CertificateFault::WrongName) => &["another.invalid"],
            _ => names,
        };
        let fault = |error: rcgen::Error| format!("no certificate can be made: {error}");
        let all = names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let mut params = rcgen::CertificateParams::new(all).map_err(fault)?;
        match wrong {
            Some(CertificateFault::Expired) => params.not_after = rcgen::date_time_ymd(2001, 1, 1),
            Some(CertificateFault::NotYetValid) => {
                params.not_before = rcgen::date_time_ymd(4000, 1, 1);
            }
            _ => {}
        }
        params.distinguished_name = rcgen::DistinguishedName::new();
        let common_name = match wrong {
            // Not the name of anybody's root.
            Some(CertificateFault::Untrusted) => "signed by nobody you know",
            _ => names.first().copied().unwrap_or_default(),
        };
        params.distinguished_name.push(rcgen::DnType::CommonName, common_name);
        let key = rcgen::KeyPair::generate().map_err(fault)?;
        let made = params.self_signed(&key).map_err(fault)?;
        let der = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Ok(Self { chain: vec![made.der().clone()], key: der, pem: made.pem() })
    }

    /// The certificate and the key of these files.
    ///
    /// # Errors
    /// When they hold none.
    pub fn read(chain: &PemFile, key: &PemFile) -> Result<Self, String> {
        let pem = String::from_utf8_lossy(&chain.bytes).into_owned();
        Ok(Self { chain: certificates(chain)?, key: private_key(key)?, pem })
    }

    /// The certificate in PEM form, for whoever is to trust it.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }
}

/// TLS as the built-in server speaks it.
#[derive(Clone)]
pub struct TlsServer {
    config: Arc<ServerConfig>,
    end_point: Arc<[u8]>,
}

impl TlsServer {
    /// A server that shows `identity`, speaks TLS 1.2 and 1.3, and resumes sessions by tickets.
    ///
    /// # Errors
    /// When key and certificate do not belong together.
    pub fn new(identity: &TlsIdentity) -> Result<Self, String> {
        Self::build(identity, None)
    }

    /// The same for clients with a certificate that one of `authorities` signed, and no others.
    ///
    /// # Errors
    /// When `authorities` holds no certificate, or as [`TlsServer::new`].
    pub fn for_clients_of(identity: &TlsIdentity, authorities: &PemFile) -> Result<Self, String> {
        Self::build(identity, Some(authorities))
    }

    fn build(identity: &TlsIdentity, authorities: Option<&PemFile>) -> Result<Self, String> {
        let provider = provider();
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("no version of TLS is left: {error}"))?;
        let builder = match authorities {
            None => builder.with_no_client_auth(),
            Some(file) => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(certificates(file)?);
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                        .build()
                        .map_err(|error| format!("{}: {error}", file.path.display()))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder
            .with_single_cert(identity.chain.clone(), identity.key.clone_key())
            .map_err(|error| format!("the certificate and the key cannot be used: {error}"))?;
        if let Ok(ticketer) = rustls::crypto::ring::Ticketer::new() {
            config.ticketer = ticketer;
        }
        let der = identity.chain.first().map_or(&[][..], AsRef::as_ref);
        let end_point = certificate::facts(der).end_point.into();
        Ok(Self { config: Arc::new(config), end_point })
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config))
    }

    /// The channel binding `tls-server-end-point` (RFC 5929 section 4.1).
    #[must_use]
    pub fn end_point(&self) -> &[u8] {
        &self.end_point
    }
}

impl std::fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsServer")
    }
}
