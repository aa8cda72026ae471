//! The PROXY protocol, versions 1 and 2 (HAProxy's `proxy-protocol.txt`): what a proxy writes in front of everything
//! else on a connection, so that the server behind it knows whom it speaks to.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Longest header of version 1 with its CRLF (section 2.1).
pub const V1_BYTES_MAX: usize = 107;
/// Longest header of version 2 that is read: addresses take 52 bytes, the rest is for TLVs, which are passed over.
pub const V2_BYTES_MAX: usize = 4096;

/// How version 2 begins (section 2.2).
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// How version 1 begins (section 2.1).
const WORD: &[u8] = b"PROXY ";
/// Bytes of version 2 before the addresses.
const FIXED: usize = 16;

/// Which form of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// One line of text.
    V1,
    /// Binary.
    V2,
}

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// Nobody: the connection is the proxy's own, or its client is not known. `PROXY UNKNOWN` in version 1, LOCAL in
    /// version 2. The server goes by the addresses of the connection.
    Local,
    /// A client's connection over TCP.
    Tcp(Endpoints),
}

/// Both ends of a client's connection, in one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoints {
    source: SocketAddr,
    destination: SocketAddr,
}

impl Endpoints {
    /// The ends `source` and `destination`. A header has room for one family only: where they differ, the IPv4 one is
    /// written as an IPv4-mapped IPv6 address, as HAProxy does it.
    #[must_use]
    pub fn new(source: SocketAddr, destination: SocketAddr) -> Self {
        if source.is_ipv4() == destination.is_ipv4() {
            return Self { source: plain(source), destination: plain(destination) };
        }
        Self { source: mapped(source), destination: mapped(destination) }
    }

    /// The client.
    #[must_use]
    pub fn source(&self) -> SocketAddr {
        self.source
    }

    /// Where the client connected to.
    #[must_use]
    pub fn destination(&self) -> SocketAddr {
        self.destination
    }
}

/// Without flow label and scope: a header has no place for them.
fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip(), address.port())
}

fn mapped(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    SocketAddr::new(ip.into(), address.port())
}

impl Header {
    /// Appends it in the form of `version`.
    pub fn put(&self, version: Version, out: &mut Vec<u8>) {
        match version {
            Version::V1 => self.put_v1(out),
            Version::V2 => self.put_v2(out),
        }
    }

    fn put_v1(&self, out: &mut Vec<u8>) {
        use std::io::Write as _;
        // Writing to a Vec cannot fail.
        let _ = match self {
            Self::Local => out.write_all(b"PROXY UNKNOWN\r\n"),
            Self::Tcp(Endpoints { source, destination }) => {
                let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
                let (from, to) = (source.ip(), destination.ip());
                let ports = format_args!("{} {}", source.port(), destination.port());
                write!(out, "PROXY {family} {from} {to} {ports}\r\n")
            }
        };
    }

    fn put_v2(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(SIGNATURE);
        match self {
            Self::Local => out.extend_from_slice(&[0x20, 0x00, 0, 0]),
            Self::Tcp(Endpoints { source, destination }) => {
                let (family, bytes) = if source.is_ipv4() { (0x11, 12) } else { (0x21, 36) };
                out.extend_from_slice(&[0x21, family, 0, bytes]);
                for end in [source, destination] {
                    match end.ip() {
                        IpAddr::V4(ip) => out.extend_from_slice(&ip.octets()),
                        IpAddr::V6(ip) => out.extend_from_slice(&ip.octets()),
                    }
                }
                out.extend_from_slice(&source.port().to_be_bytes());
                out.extend_from_slice(&destination.port().to_be_bytes());
            }
        }
    }
}

/// Why a connection does not begin with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderFault {
    /// It begins with something else.
    NoHeader,
    /// The line of version 1 has no CRLF within [`V1_BYTES_MAX`].
    LineTooLong,
    /// The line of version 1 is not as section 2.1 has it.
    Line,
    /// The fixed part of version 2 holds a version, command, family or transport that section 2.2 does not have for
    /// connections.
    Fixed,
    /// Version 2 has fewer bytes than its addresses take.
    Short,
    /// Version 2 is over [`V2_BYTES_MAX`] long.
    TooLong,
}

impl fmt::Display for HeaderFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoHeader => "no PROXY header",
            Self::LineTooLong => "a PROXY line without an end",
            Self::Line => "a faulty PROXY line",
            Self::Fixed => "a PROXY header of an unknown kind",
            Self::Short => "a PROXY header with too few bytes for its addresses",
            Self::TooLong => "a PROXY header that is too long",
        })
    }
}

impl std::error::Error for HeaderFault {}

/// Reads the header that `input` begins with, of either version: with how many bytes it has, or `None` while more of
/// it has to come.
///
/// # Errors
/// As soon as `input` cannot become a header.
pub fn decode(input: &[u8]) -> Result<Option<(Header, usize)>, HeaderFault> {
    let begins = |with: &[u8]| {
        let known = input.len().min(with.len());
        input[..known] == with[..known]
    };
    if begins(SIGNATURE) {
        decode_v2(input)
    } else if begins(WORD) {
        decode_v1(input)
    } else {
        Err(HeaderFault::NoHeader)
    }
}

/// How many bytes still have to come, at the least, of a header of which `input` came. Who reads no more than that
/// takes nothing of what follows the header.
#[must_use]
pub fn missing(input: &[u8]) -> usize {
    // Both versions have at least as many bytes as the shortest line.
    const SHORTEST: usize = b"PROXY UNKNOWN\r\n".len();
    let known = input.len();
    if known < SHORTEST {
        return SHORTEST - known;
    }
    match input.split_first_chunk::<FIXED>() {
        Some(([.., high, low], rest)) if input.starts_with(SIGNATURE) => {
            usize::from(u16::from_be_bytes([*high, *low])).saturating_sub(rest.len())
        }
        _ => 1,
    }
    .max(1)
}

fn decode_v1(input: &[u8]) -> Result<Option<(Header, usize)>, HeaderFault> {
    let window = &input[..input.len().min(V1_BYTES_MAX)];
    let Some(end) = window.windows(2).position(|pair| pair == b"\r\n") else {
        return if window.len() < V1_BYTES_MAX { Ok(None) } else { Err(HeaderFault::LineTooLong) };
    };
    let line = std::str::from_utf8(&window[WORD.len()..end]).map_err(|_| HeaderFault::Line)?;
    let header = parse_line(line).ok_or(HeaderFault::Line)?;
    Ok(Some((header, end + 2)))
}

/// What stands behind `PROXY `.
fn parse_line(line: &str) -> Option<Header> {
    let mut words = line.split(' ');
    let family = words.next()?;
    if family == "UNKNOWN" {
        // Section 2.1: whatever follows is not looked at.
        return Some(Header::Local);
    }
    let mut address = || match family {
        "TCP4" => words.next()?.parse().ok().map(IpAddr::V4),
        "TCP6" => words.next()?.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        _ => None,
    };
    let (source, destination) = (address()?, address()?);
    let mut port = || {
        let word = words.next()?;
        let plain = word.bytes().all(|byte| byte.is_ascii_digit())
            && (word.len() == 1 || !word.starts_with('0'));
        word.parse::<u16>().ok().filter(|_| plain)
    };
    let ends =
        Endpoints::new(SocketAddr::new(source, port()?), SocketAddr::new(destination, port()?));
    words.next().is_none().then_some(Header::Tcp(ends))
}

fn decode_v2(input: &[u8]) -> Result<Option<(Header, usize)>, HeaderFault> {
    let Some((fixed, rest)) = input.split_first_chunk::<FIXED>() else { return Ok(None) };
    let [.., command, family, high, low] = *fixed;
    let bytes = usize::from(u16::from_be_bytes([high, low]));
    let octets = match (command, family) {
        // LOCAL: section 2.2 has the rest passed over.
        (0x20, _) => 0,
        // Over a stream: unspecified, TCP over IPv4, TCP over IPv6, UNIX.
        (0x21, 0x00 | 0x31) => 0,
        (0x21, 0x11) => 4,
        (0x21, 0x21) => 16,
        _ => return Err(HeaderFault::Fixed),
    };
    if FIXED + bytes > V2_BYTES_MAX {
        return Err(HeaderFault::TooLong);
    }
    if octets > 0 && bytes < 2 * octets + 4 {
        return Err(HeaderFault::Short);
    }
    let Some(body) = rest.get(..bytes) else { return Ok(None) };
    let header = match octets {
        0 => Header::Local,
        _ => Header::Tcp(ends(body, octets).ok_or(HeaderFault::Short)?),
    };
    Ok(Some((header, FIXED + bytes)))
}

/// Two addresses of so many octets and two ports, at the start of `body`.
fn ends(body: &[u8], octets: usize) -> Option<Endpoints> {
    let end = |index: usize| -> Option<SocketAddr> {
        let ip = body.get(index * octets..(index + 1) * octets)?;
        let ip = match octets {
            4 => IpAddr::from(<[u8; 4]>::try_from(ip).ok()?),
            _ => IpAddr::from(<[u8; 16]>::try_from(ip).ok()?),
        };
        let port = body.get(2 * octets + 2 * index..)?.first_chunk::<2>()?;
        Some(SocketAddr::new(ip, u16::from_be_bytes(*port)))
    };
    Some(Endpoints::new(end(0)?, end(1)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tcp(source: &str, destination: &str) -> Header {
        Header::Tcp(Endpoints::new(source.parse().unwrap(), destination.parse().unwrap()))
    }

    fn put(header: Header, version: Version) -> Vec<u8> {
        let mut out = Vec::new();
        header.put(version, &mut out);
        out
    }

    #[test]
    fn version_1_is_a_line() {
        let check = |header, want: &str| {
            let bytes = put(header, Version::V1);
            assert_eq!(String::from_utf8_lossy(&bytes), want);
            assert!(bytes.len() <= V1_BYTES_MAX);
            assert_eq!(decode(&bytes), Ok(Some((header, bytes.len()))));
        };
        check(
            tcp("192.0.2.1:56324", "198.51.100.2:25"),
            "PROXY TCP4 192.0.2.1 198.51.100.2 56324 25\r\n",
        );
        check(
            tcp("[2001:db8::1]:1", "[2001:db8::2]:25"),
            "PROXY TCP6 2001:db8::1 2001:db8::2 1 25\r\n",
        );
        check(
            tcp("192.0.2.1:1", "[2001:db8::2]:25"),
            "PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 1 25\r\n",
        );
        check(Header::Local, "PROXY UNKNOWN\r\n");
        let long = "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535";
        assert_eq!(put(tcp(long, long), Version::V1).len(), 104);
    }

    #[test]
    fn version_2_is_binary() {
        let check = |header, want: &[u8]| {
            let bytes = put(header, Version::V2);
            assert_eq!(bytes, [&SIGNATURE[..], want].concat());
            assert_eq!(decode(&bytes), Ok(Some((header, bytes.len()))));
        };
        check(
            tcp("192.0.2.1:56324", "198.51.100.2:25"),
            b"\x21\x11\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x02\xdc\x04\x00\x19",
        );
        let mut six = b"\x21\x21\x00\x24".to_vec();
        six.extend_from_slice(&"2001:db8::1".parse::<Ipv6Addr>().unwrap().octets());
        six.extend_from_slice(&"::ffff:10.0.0.1".parse::<Ipv6Addr>().unwrap().octets());
        six.extend_from_slice(b"\x00\x01\x00\x19");
        check(tcp("[2001:db8::1]:1", "10.0.0.1:25"), &six);
        check(Header::Local, b"\x20\x00\x00\x00");
    }

    #[test]
    fn what_follows_the_header_is_left() {
        for version in [Version::V1, Version::V2] {
            let header = tcp("192.0.2.1:1", "192.0.2.2:25");
            let bytes = put(header, version);
            let wire = [&bytes[..], b"EHLO x\r\n"].concat();
            for cut in 0..bytes.len() {
                assert_eq!(decode(&wire[..cut]), Ok(None), "cut at {cut} of {version:?}");
            }
            assert_eq!(decode(&wire), Ok(Some((header, bytes.len()))));
        }
    }

    #[test]
    fn reading_what_is_missing_stops_at_the_end() {
        let mut headers = vec![[&SIGNATURE[..], b"\x21\x00\x00\x02ab"].concat()];
        for version in [Version::V1, Version::V2] {
            headers.push(put(Header::Local, version));
            headers.push(put(tcp("192.0.2.1:1", "192.0.2.2:25"), version));
            headers.push(put(tcp("[2001:db8::1]:1", "192.0.2.2:25"), version));
        }
        for header in headers {
            let wire = [&header[..], b"\x16\x03\x01hello"].concat();
            let mut read = 0;
            while decode(&wire[..read]) == Ok(None) {
                read += missing(&wire[..read]);
            }
            assert_eq!(read, header.len(), "{}", header.escape_ascii());
            assert!(matches!(decode(&wire[..read]), Ok(Some(_))));
        }
    }

    #[test]
    fn tlvs_and_what_a_local_header_carries_are_passed_over() {
        let check = |rest: &[u8], want| {
            let wire = [&SIGNATURE[..], rest].concat();
            assert_eq!(decode(&wire), Ok(Some((want, wire.len()))), "{rest:?}");
        };
        check(
            b"\x21\x11\x00\x10\x0a\x00\x00\x01\x0a\x00\x00\x02\x00\x07\x00\x19\x04\x00\x01x",
            tcp("10.0.0.1:7", "10.0.0.2:25"),
        );
        check(b"\x20\x11\x00\x02zz", Header::Local);
        check(b"\x21\x00\x00\x00", Header::Local);
        check(b"\x21\x31\x00\x03abc", Header::Local);
        assert_eq!(decode(b"PROXY UNKNOWN ffff:: x 1\r\n"), Ok(Some((Header::Local, 26))));
    }

    #[test]
    fn faulty_headers_are_told_as_early_as_can_be() {
        let check = |wire: &[u8], want| assert_eq!(decode(wire), Err(want), "{wire:?}");
        check(b"E", HeaderFault::NoHeader);
        check(b"\r\n\r\n\0\r\nQUIX", HeaderFault::NoHeader);
        check(b"proxy TCP4", HeaderFault::NoHeader);
        for line in [
            "",
            "TCP4",
            "TCP4 192.0.2.1 192.0.2.2 1",
            "TCP4 192.0.2.1 192.0.2.2 1 2 3",
            "TCP4 192.0.2.1  192.0.2.2 1 2",
            "TCP4 192.0.2.1 192.0.2.2 1 2 ",
            "TCP4 192.0.2.1 192.0.2.2 +1 2",
            "TCP4 192.0.2.1 192.0.2.2 01 2",
            "TCP4 192.0.2.1 192.0.2.2 1 65536",
            "TCP4 192.0.2.256 192.0.2.2 1 2",
            "TCP4 ::1 ::2 1 2",
            "TCP6 192.0.2.1 192.0.2.2 1 2",
            "UDP4 192.0.2.1 192.0.2.2 1 2",
        ] {
            check(format!("PROXY {line}\r\n").as_bytes(), HeaderFault::Line);
        }
        check(b"PROXY TCP4 \xff\r\n", HeaderFault::Line);
        check(format!("PROXY {}", "x".repeat(101)).as_bytes(), HeaderFault::LineTooLong);
        let binary = |rest: &[u8], want| check(&[&SIGNATURE[..], rest].concat(), want);
        binary(b"\x11\x11\x00\x0c", HeaderFault::Fixed);
        binary(b"\x22\x11\x00\x0c", HeaderFault::Fixed);
        binary(b"\x21\x12\x00\x0c", HeaderFault::Fixed);
        binary(b"\x21\x41\x00\x0c", HeaderFault::Fixed);
        binary(b"\x21\x11\x00\x0b", HeaderFault::Short);
        binary(b"\x21\x21\x00\x23", HeaderFault::Short);
        binary(b"\x20\x00\x10\x00", HeaderFault::TooLong);
    }

    fn address() -> impl Strategy<Value = SocketAddr> {
        let ip = prop_oneof![
            any::<[u8; 4]>().prop_map(IpAddr::from),
            any::<[u8; 16]>().prop_map(IpAddr::from)
        ];
        (ip, any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(ip, port))
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_header_or_none(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(Some((_, used))) = decode(&bytes) {
                prop_assert!(used <= bytes.len());
            }
        }

        #[test]
        fn any_bytes_behind_a_signature_too(
            v1 in any::<bool>(),
            bytes in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let start = if v1 { WORD } else { SIGNATURE };
            let wire = [start, &bytes].concat();
            if let Ok(Some((_, used))) = decode(&wire) {
                prop_assert!(used <= wire.len());
            }
        }

        #[test]
        fn what_is_written_is_read(source in address(), destination in address(), v1 in any::<bool>()) {
            let header = Header::Tcp(Endpoints::new(source, destination));
            let bytes = put(header, if v1 { Version::V1 } else { Version::V2 });
            prop_assert_eq!(decode(&bytes), Ok(Some((header, bytes.len()))));
            let Header::Tcp(ends) = header else { panic!("{header:?}") };
            prop_assert_eq!(ends.source().ip().to_canonical(), source.ip().to_canonical());
            prop_assert_eq!(ends.destination().port(), destination.port());
        }
    }
}
