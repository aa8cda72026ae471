//! How sessions are to be protected: what `[target]` says about TLS.

use std::fmt;
use std::path::PathBuf;

use super::target::TargetUrl;

/// When a session goes over to TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsUse {
    /// Never.
    #[default]
    None,
    /// By STARTTLS (RFC 3207), and never without.
    Starttls,
    /// By STARTTLS where the server offers it (RFC 7435).
    Opportunistic,
    /// From the first byte (RFC 8314 section 3): the URL says so.
    Implicit,
}

impl TlsUse {
    /// As a scenario writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Starttls => "starttls",
            Self::Opportunistic => "opportunistic",
            Self::Implicit => "implicit",
        }
    }
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// RFC 5246.
    V1_2,
    /// RFC 8446.
    V1_3,
}

/// A file in PEM form, as it was read. What is in it is shown nowhere: it may be a key.
#[derive(Clone, PartialEq, Eq)]
pub struct PemFile {
    /// As the user named it.
    pub path: PathBuf,
    /// Its content.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for PemFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PemFile({})", self.path.display())
    }
}

/// What `[target]` says about TLS.
#[derive(Clone, Debug, PartialEq)]
pub struct Security {
    /// `tls`: for URLs that do not say it themselves.
    pub tls: TlsUse,
    /// Share of the sessions that go over to TLS, from 0 to 1.
    pub share: f64,
    /// Certificates that are trusted instead of the system's.
    pub ca: Option<PemFile>,
    /// The name that the certificate must have, and that is asked for (SNI); the host of the URL without it.
    pub server_name: Option<String>,
    /// Whether certificates are verified, where the scenario says so.
    pub verify: Option<bool>,
    /// Our own certificate with its chain, and its key.
    pub client: Option<(PemFile, PemFile)>,
    /// The lowest version that is offered.
    pub min_version: TlsVersion,
    /// The highest version that is offered.
    pub max_version: TlsVersion,
    /// Whether a later session may resume an earlier one's.
    pub resumption: bool,
}

impl Default for Security {
    fn default() -> Self {
        Self {
            tls: TlsUse::None,
            share: 1.0,
            ca: None,
            server_name: None,
            verify: None,
            client: None,
            min_version: TlsVersion::V1_2,
            max_version: TlsVersion::V1_3,
            resumption: false,
        }
    }
}

impl Security {
    /// When sessions to `url` go over to TLS.
    #[must_use]
    pub fn tls_use(&self, url: &TargetUrl) -> TlsUse {
        match url {
            TargetUrl::Tcp { implicit_tls: true, .. } => TlsUse::Implicit,
            _ => self.tls,
        }
    }

    /// Whether certificates are verified. Opportunistic TLS takes any, unless the scenario says whom it trusts: it
    /// would go in clear text otherwise (RFC 7435 section 3).
    #[must_use]
    pub fn verifies(&self) -> bool {
        let named = self.ca.is_some() || self.server_name.is_some();
        self.verify.unwrap_or(self.tls != TlsUse::Opportunistic || named)
    }
}
