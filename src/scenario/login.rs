//! How sessions log in at the target (SMTP AUTH, RFC 4954).

use std::fmt;

use crate::message::template::{Part, Template, Value};
use crate::scenario::Table;
use crate::smtp::sasl::{Mechanism, Secret};

/// The login of a target.
#[derive(Clone, Debug, PartialEq)]
pub struct Login {
    /// With which mechanism.
    pub method: Method,
    /// The user's name: text and columns.
    pub user: Template,
    /// The password or token: text and columns.
    pub password: SecretTemplate,
    /// Whether what the client says first stands in the AUTH command, where the mechanism has that and it fits
    /// (RFC 4954 section 4); else it waits for an empty challenge.
    pub initial_response: bool,
}

impl Login {
    /// Everybody who may log in so, with their passwords: one for each row of the table that `user` and `password` name.
    /// `None` where they name several tables: which rows meet is not known before the run.
    #[must_use]
    pub fn accounts(&self, tables: &[Table]) -> Option<Vec<(String, Secret)>> {
        let parts = self.user.parts().iter().chain(self.password.0.parts());
        let mut named = parts.filter_map(|part| match part {
            Part::Value(Value::Column { table, .. }) => Some(*table),
            _ => None,
        });
        let table = named.next();
        if named.any(|other| Some(other) != table) {
            return None;
        }
        let rows = table.and_then(|table| tables.get(table)).map_or(&[][..], |table| &table.rows);
        let account = |row: Option<&[Box<str>]>| {
            let text = |template: &Template| {
                let mut out = Vec::new();
                template.render(&mut out, |value, out| {
                    if let (Value::Column { column, .. }, Some(row)) = (value, row) {
                        out.extend_from_slice(row[*column].as_bytes());
                    }
                });
                String::from_utf8_lossy(&out).into_owned()
            };
            (text(&self.user), Secret::new(text(&self.password.0)))
        };
        Some(match table {
            None => vec![account(None)],
            Some(_) => rows.iter().map(|row| account(Some(row))).collect(),
        })
    }
}

/// Which mechanism a session uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// None: sessions log in only where a script says AUTH.
    None,
    /// The strongest of those that are offered ([`Mechanism::BY_STRENGTH`]); without TLS, off loopback, none that would
    /// send the password itself.
    Best,
    /// This one.
    Named(Mechanism),
}

impl Method {
    /// All of them with their words in scenarios, flags and scripts.
    pub const WORDS: [(&'static str, Self); 11] = [
        ("none", Self::None),
        ("best", Self::Best),
        ("plain", Self::Named(Mechanism::Plain)),
        ("login", Self::Named(Mechanism::Login)),
        ("cram-md5", Self::Named(Mechanism::CramMd5)),
        ("scram-sha-1", Self::Named(Mechanism::ScramSha1)),
        ("scram-sha-256", Self::Named(Mechanism::ScramSha256)),
        ("scram-sha-1-plus", Self::Named(Mechanism::ScramSha1Plus)),
        ("scram-sha-256-plus", Self::Named(Mechanism::ScramSha256Plus)),
        ("xoauth2", Self::Named(Mechanism::XOauth2)),
        ("oauthbearer", Self::Named(Mechanism::OauthBearer)),
    ];

    /// The words alone.
    pub fn words() -> impl Iterator<Item = &'static str> + Clone {
        Self::WORDS.iter().map(|(word, _)| *word)
    }

    /// Reads a word, in any case.
    ///
    /// # Errors
    /// When it is none of them; says which there are.
    pub fn parse(word: &str) -> Result<Self, String> {
        let known = Self::WORDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word));
        known.map(|(_, method)| *method).ok_or_else(|| {
            let words: Vec<_> = Self::words().collect();
            format!("`{}` is none of {}", word.escape_debug(), words.join(", "))
        })
    }

    /// The mechanism by which the password itself goes over the wire, where that is certain.
    #[must_use]
    pub fn discloses(self) -> Option<Mechanism> {
        match self {
            Self::Named(mechanism) if mechanism.discloses() => Some(mechanism),
            _ => None,
        }
    }
}

/// A template whose text is secret. Prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretTemplate(Template);

impl SecretTemplate {
    /// Wraps `template`.
    #[must_use]
    pub fn new(template: Template) -> Self {
        Self(template)
    }

    /// The template itself: to be rendered for the wire, and for nothing else.
    #[must_use]
    pub fn expose(&self) -> &Template {
        &self.0
    }
}

impl fmt::Debug for SecretTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_in_any_case() {
        for (word, method) in Method::WORDS {
            assert_eq!(Method::parse(&word.to_uppercase()), Ok(method));
        }
        assert!(Method::parse("gssapi").unwrap_err().contains("scram-sha-256-plus"));
        // Every mechanism has its word.
        for mechanism in Mechanism::ALL {
            assert_eq!(Method::parse(mechanism.name()), Ok(Method::Named(mechanism)));
        }
    }

    #[test]
    fn secret_templates_do_not_print() {
        let secret = SecretTemplate::new(Template::text("tanstaaf"));
        assert_eq!(format!("{secret:?}"), "***");
    }
}
