//! Who may log in to the sink, and how.

use crate::smtp::sasl::{ChannelBinding, Mechanism, Mechanisms, Secret, Users};

/// AUTH as the sink offers it (RFC 4954).
#[derive(Debug)]
pub struct Logins {
    /// Who may.
    pub users: Users,
    /// What is offered; of those that bind to a TLS channel, only where there is one.
    pub mechanisms: Mechanisms,
    /// No mail without a login: 530 to MAIL.
    pub required: bool,
}

impl Logins {
    /// These users, with every mechanism.
    #[must_use]
    pub fn new(users: Users) -> Self {
        Self { users, mechanisms: Mechanisms::all(), required: false }
    }

    /// What a session with these channel bindings is offered.
    pub(super) fn offered(&self, bindings: &[ChannelBinding]) -> Mechanisms {
        let fits = |mechanism: &Mechanism| !mechanism.binds() || !bindings.is_empty();
        self.mechanisms.iter().filter(fits).collect()
    }

    /// The reply to EHLO with a line for AUTH behind its first.
    pub(super) fn announce(&self, ehlo: &[u8], bindings: &[ChannelBinding]) -> Vec<u8> {
        let offered = self.offered(bindings);
        let end = memchr::memchr(b'\n', ehlo).map_or(ehlo.len(), |at| at + 1);
        let (first, rest) = ehlo.split_at(end);
        let mut reply = first.to_vec();
        if rest.is_empty()
            && let Some(separator) = reply.get_mut(3)
        {
            *separator = b'-';
        }
        let separator = if rest.is_empty() { ' ' } else { '-' };
        reply.extend_from_slice(format!("250{separator}AUTH {offered}\r\n").as_bytes());
        reply.extend_from_slice(rest);
        reply
    }
}

/// Reads users, one `name:password` a line; empty lines and those that begin with `#` are passed over. The password, which
/// may hold colons, is the token of the token mechanisms as well.
///
/// # Errors
/// When a line is something else, or there is no user; says which, never what is in it.
pub fn parse_users(text: &str) -> Result<Users, String> {
    let mut users = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        match line.split_once(':') {
            Some((name, password)) if !name.is_empty() && !password.is_empty() => {
                users.push((name.to_owned(), Secret::new(password)));
            }
            _ => return Err(format!("line {} is not name:password", index + 1)),
        }
    }
    if users.is_empty() { Err("it names no user".to_owned()) } else { Ok(Users::new(users)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_read_by_line() {
        let count = |text: &str| parse_users(text).map(|users| users.len());
        assert_eq!(count("# who\ntim:a:b\r\n\ntom:c"), Ok(2));
        assert_eq!(count("tim:x\nhunter2\n"), Err("line 2 is not name:password".to_owned()));
        assert_eq!(count(":x"), Err("line 1 is not name:password".to_owned()));
        assert_eq!(count("tim:"), Err("line 1 is not name:password".to_owned()));
        assert_eq!(count("# nobody\n"), Err("it names no user".to_owned()));
    }

    #[test]
    fn auth_is_announced_in_a_reply_of_any_length() {
        let mut logins = Logins::new(Users::default());
        let announced = |logins: &Logins, ehlo: &str| {
            String::from_utf8(logins.announce(ehlo.as_bytes(), &[])).unwrap()
        };
        logins.mechanisms = [Mechanism::Plain, Mechanism::ScramSha1Plus].into_iter().collect();
        assert_eq!(
            announced(&logins, "250-sink.test\r\n250 CHUNKING\r\n"),
            "250-sink.test\r\n250-AUTH PLAIN\r\n250 CHUNKING\r\n"
        );
        assert_eq!(announced(&logins, "250 sink.test\r\n"), "250-sink.test\r\n250 AUTH PLAIN\r\n");
    }
}
