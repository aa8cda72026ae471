//! Facts of a certificate.

use std::cmp::Ordering;

use sha2::{Digest, Sha256, Sha384, Sha512};
use x509_parser::prelude::*;
use x509_parser::public_key::PublicKey;

use crate::measure::tls::Certificate;

/// What the certificate `der` says; what cannot be read of it is empty.
pub(super) fn facts(der: &[u8]) -> Certificate {
    let mut facts = Certificate {
        subject: String::new(),
        issuer: String::new(),
        names: Vec::new(),
        not_before: String::new(),
        not_after: String::new(),
        key: String::new(),
        sha256: hex(&Sha256::digest(der)),
        end_point: Sha256::digest(der).to_vec(),
    };
    let Ok((_, certificate)) = X509Certificate::from_der(der) else { return facts };
    let time = |time: ASN1Time| {
        jiff::Timestamp::from_second(time.timestamp()).map(|time| time.to_string())
    };
    facts.subject = certificate.subject().to_string();
    facts.issuer = certificate.issuer().to_string();
    facts.not_before = time(certificate.validity().not_before).unwrap_or_default();
    facts.not_after = time(certificate.validity().not_after).unwrap_or_default();
    if let Ok(Some(names)) = certificate.subject_alternative_name() {
        facts.names = names.value.general_names.iter().filter_map(name).collect();
    }
    facts.key = match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => format!("RSA {}", key.key_size()),
        Ok(PublicKey::EC(point)) => format!("EC {}", point.key_size()),
        _ => certificate.public_key().algorithm.algorithm.to_string(),
    };
    if facts.key == "1.3.101.112" {
        "Ed25519".clone_into(&mut facts.key);
    }
    // RFC 5929 section 4.1: the hash of its signature, and SHA-256 for what is weaker than that.
    facts.end_point = match certificate.signature_algorithm.algorithm.to_string().as_str() {
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => Sha384::digest(der).to_vec(),
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => Sha512::digest(der).to_vec(),
        _ => Sha256::digest(der).to_vec(),
    };
    facts
}

/// Whether a certificate is signed by nobody but itself.
pub(super) fn is_self_signed(der: &[u8]) -> bool {
    X509Certificate::from_der(der)
        .is_ok_and(|(_, certificate)| certificate.subject() == certificate.issuer())
}

/// Where `now`, in seconds since 1970, lies to the time for which a certificate is valid.
pub(super) fn is_valid_at(der: &[u8], now: u64) -> Ordering {
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    match X509Certificate::from_der(der) {
        Ok((_, certificate)) if now < certificate.validity().not_before.timestamp() => {
            Ordering::Less
        }
        Ok((_, certificate)) if now <= certificate.validity().not_after.timestamp() => {
            Ordering::Equal
        }
        _ => Ordering::Greater,
    }
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|b| std::net::Ipv4Addr::from(b).to_string()),
            16 => {
                <[u8; 16]>::try_from(*bytes).ok().map(|b| std::net::Ipv6Addr::from(b).to_string())
            }
            _ => None,
        },
        _ => None,
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
