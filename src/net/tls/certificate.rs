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
        // The library counts whole bytes of a coordinate: 66 of them in P-521.
        Ok(PublicKey::EC(point)) if point.key_size() == 528 => "EC 521".to_owned(),
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn der() -> Vec<u8> {
        let mut params =
            rcgen::CertificateParams::new(vec!["a.test".to_owned(), "192.0.2.1".to_owned()])
                .unwrap();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2030, 1, 1);
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, "a.test");
        let key = rcgen::KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn a_certificate_is_read() {
        let der = der();
        let facts = facts(&der);
        assert_eq!((&*facts.subject, &*facts.issuer), ("CN=a.test", "CN=a.test"));
        assert_eq!(facts.names, ["a.test", "192.0.2.1"]);
        assert_eq!(facts.not_before, "2020-01-01T00:00:00Z");
        assert_eq!((&*facts.not_after, &*facts.key), ("2030-01-01T00:00:00Z", "EC 256"));
        assert_eq!((facts.sha256.len(), facts.end_point.len()), (64, 32));
        assert!(is_self_signed(&der));
        let at = |date: &str| {
            let time: jiff::Timestamp = date.parse().unwrap();
            is_valid_at(&der, u64::try_from(time.as_second()).unwrap())
        };
        assert_eq!(at("2019-12-31T23:59:59Z"), Ordering::Less);
        assert_eq!(at("2020-01-01T00:00:00Z"), Ordering::Equal);
        assert_eq!(at("2030-01-01T00:00:00Z"), Ordering::Equal);
        assert_eq!(at("2030-01-01T00:00:01Z"), Ordering::Greater);
    }

    proptest! {
        #[test]
        fn whatever_a_server_shows_is_read_or_left(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
            length in any::<prop::sample::Index>(),
            cut in any::<bool>(),
        ) {
            let mut bytes = der();
            for (index, byte) in changes {
                let at = index.index(bytes.len());
                bytes[at] = byte;
            }
            if cut {
                bytes.truncate(length.index(bytes.len()));
            }
            let _ = (facts(&bytes), is_self_signed(&bytes), is_valid_at(&bytes, 0));
        }
    }
}
