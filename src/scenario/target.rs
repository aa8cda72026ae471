//! Target URLs: where the mail goes, as the user wrote it.

use std::fmt;
use std::path::PathBuf;

use crate::smtp::Protocol;

/// The port of `smtp://` without one (RFC 5321 section 4.5.4.2).
pub const SMTP_PORT: u16 = 25;
/// The port of `smtps://` without one (RFC 8314 section 7.3).
pub const SMTPS_PORT: u16 = 465;

/// A target URL. Names are not yet resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetUrl {
    /// `smtp://host:port`, `smtps://host:port` or `lmtp://host:port`.
    Tcp {
        /// What is spoken there.
        protocol: Protocol,
        /// A name or an address, without brackets.
        host: String,
        /// 1 to 65535.
        port: u16,
        /// TLS from the first byte: `smtps://`.
        implicit_tls: bool,
    },
    /// `mx://domain`: its MX hosts (RFC 5321 section 5.1).
    Mx {
        /// A domain, never an address.
        domain: String,
        /// That of all its hosts, 1 to 65535.
        port: u16,
    },
    /// `smtp+unix:///path` or `lmtp+unix:///path`.
    Unix {
        /// What is spoken there.
        protocol: Protocol,
        /// Absolute.
        path: PathBuf,
    },
    /// `embedded:`: the built-in sink on loopback.
    Embedded,
}

/// What is wrong with a URL, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlError {
    /// A lower-case fragment.
    pub message: String,
    /// What to write.
    pub hint: String,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.message, self.hint)
    }
}

impl std::error::Error for UrlError {}

const HINT: &str = "write smtp://host:port, smtps://host, smtp://[::1]:2525, lmtp://host:port, mx://domain, \
                    smtp+unix:///path, lmtp+unix:///path or embedded:";

impl TargetUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// When the scheme is unknown, or host, port or path is faulty.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let fault = |message: String| UrlError { message, hint: HINT.to_owned() };
        if text == "embedded:" {
            return Ok(Self::Embedded);
        }
        let schemes = [("smtp", Protocol::Smtp), ("lmtp", Protocol::Lmtp)];
        let after = |sign: &str| {
            let rest = |(name, protocol)| Some((protocol, text.strip_prefix(name)?));
            schemes
                .into_iter()
                .filter_map(rest)
                .find_map(|(protocol, rest): (_, &str)| Some((protocol, rest.strip_prefix(sign)?)))
        };
        if let Some((protocol, path)) = after("+unix://") {
            if !path.starts_with('/') || path.len() < 2 {
                return Err(fault(format!("`{text}` has no absolute path")));
            }
            // sockaddr_un holds 108 bytes with the closing NUL on Linux, 104 elsewhere.
            if path.len() > 103 {
                return Err(fault(format!("the socket path in `{text}` is over 103 bytes long")));
            }
            return Ok(Self::Unix { protocol, path: PathBuf::from(path) });
        }
        let implicit = text.strip_prefix("smtps://").map(|rest| (Protocol::Smtp, rest));
        let implicit_tls = implicit.is_some();
        let mx = text.strip_prefix("mx://").map(|rest| (Protocol::Smtp, rest));
        let is_mx = mx.is_some();
        let Some((protocol, rest)) = implicit.or(mx).or_else(|| after("://")) else {
            return Err(fault(match text.split_once("://") {
                Some((scheme, _)) => format!("target scheme `{scheme}://` is not known here"),
                None => format!("target `{text}` is not a URL"),
            }));
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.strip_prefix('[') {
            Some(rest) => {
                let (host, after) = rest
                    .split_once(']')
                    .ok_or_else(|| fault(format!("`{text}` has an open bracket")))?;
                if host.parse::<std::net::Ipv6Addr>().is_err() {
                    return Err(fault(format!("`{host}` is not an IPv6 address")));
                }
                match after.strip_prefix(':') {
                    Some(port) => (host, Some(port)),
                    None if after.is_empty() => (host, None),
                    None => return Err(fault(format!("`{after}` after the address in `{text}`"))),
                }
            }
            None if rest.matches(':').count() > 1 => {
                return Err(fault(format!("the IPv6 address in `{text}` needs brackets")));
            }
            None => match rest.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            },
        };
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if host.is_empty() || host.len() > 255 || !host.chars().all(allowed) {
            return Err(fault(format!("`{host}` is not a host name in `{text}`")));
        }
        let port = match port {
            None if implicit_tls => SMTPS_PORT,
            None if protocol == Protocol::Smtp => SMTP_PORT,
            // RFC 2033 section 5: LMTP has no port of its own, and must not be met on 25.
            None => {
                return Err(fault(format!("`{text}` has no port, and LMTP has none of its own")));
            }
            Some(port) => match port.parse() {
                Ok(port) if port != 0 => port,
                _ => return Err(fault(format!("`{port}` is not a port"))),
            },
        };
        let host = host.to_owned();
        if is_mx && host.parse::<std::net::IpAddr>().is_ok() {
            let message = format!("`{host}` is an address, and only a domain has MX hosts");
            return Err(UrlError { message, hint: "write smtp:// before an address".to_owned() });
        }
        Ok(match is_mx {
            true => Self::Mx { domain: host, port },
            false => Self::Tcp { protocol, host, port, implicit_tls },
        })
    }

    /// The same at another port; as it is where it has none.
    #[must_use]
    pub fn at_port(mut self, other: u16) -> Self {
        if let Self::Tcp { port, .. } | Self::Mx { port, .. } = &mut self {
            *port = other;
        }
        self
    }

    /// What is spoken there.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        match self {
            Self::Tcp { protocol, .. } | Self::Unix { protocol, .. } => *protocol,
            Self::Mx { .. } | Self::Embedded => Protocol::Smtp,
        }
    }
}

impl fmt::Display for TargetUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { protocol, host, port, implicit_tls } => {
                let s = if *implicit_tls { "s" } else { "" };
                let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
                write!(f, "{}{s}://{open}{host}{close}:{port}", protocol.name())
            }
            Self::Unix { protocol, path } => {
                write!(f, "{}+unix://{}", protocol.name(), path.display())
            }
            Self::Mx { domain, port: SMTP_PORT } => write!(f, "mx://{domain}"),
            Self::Mx { domain, port } => write!(f, "mx://{domain}:{port}"),
            Self::Embedded => f.write_str("embedded:"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_read_and_print_the_same() {
        for text in [
            "smtp://127.0.0.1:2525",
            "smtp://[::1]:2525",
            "smtp://mx.example.com:25",
            "smtp+unix:///run/x.sock",
            "smtps://mx.example.com:465",
            "smtps://[::1]:4465",
            "lmtp://127.0.0.1:24",
            "lmtp://[::1]:24",
            "lmtp+unix:///run/lmtp",
            "mx://example.com",
            "mx://example.com:2525",
            "embedded:",
        ] {
            assert_eq!(TargetUrl::parse(text).map(|url| url.to_string()), Ok(text.to_owned()));
        }
        assert_eq!(
            TargetUrl::parse("smtp://localhost").map(|u| u.to_string()).as_deref(),
            Ok("smtp://localhost:25")
        );
        assert_eq!(
            TargetUrl::parse("smtp://[::1]/").map(|u| u.to_string()).as_deref(),
            Ok("smtp://[::1]:25")
        );
        assert_eq!(
            TargetUrl::parse("smtps://localhost").map(|u| u.to_string()).as_deref(),
            Ok("smtps://localhost:465")
        );
    }

    #[test]
    fn faulty_urls_are_named() {
        for bad in [
            "",
            "localhost:25",
            "http://x",
            "smtp://",
            "smtp://:25",
            "smtp://h:0",
            "smtp://h:65536",
            "smtp://::1:25",
            "smtp://[::1",
            "smtp://[x]:25",
            "smtp+unix://rel",
            "smtp+unix:///",
            "smtp://a b",
            "smtp://h:25/x",
            "lmtp://h",
            "lmtp+unix://rel",
            "mx://192.0.2.1",
            "mx://[::1]",
            "mx://",
            "mx://a:0",
            "xlmtp://h:24",
            "embedded",
        ] {
            assert!(TargetUrl::parse(bad).is_err(), "{bad:?}");
        }
    }
}
