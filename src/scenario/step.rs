//! Names of steps: what a sample, a reply or a failure belongs to.
//!
//! The standard steps have fixed ids, so the engine names them without a look-up; other verbs of a script get
//! ids behind them when it is compiled.

/// A step of a plan: an index into its [`StepNames`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepId(pub u16);

macro_rules! standard_steps {
    ($($(#[$doc:meta])* $constant:ident = $number:literal, $name:literal;)*) => {
        impl StepId {
            $($(#[$doc])* pub const $constant: Self = Self($number);)*
        }
        /// Names of the standard steps, in the order in which reports list them.
        pub const STANDARD_STEPS: &[&str] = &[$($name),*];
    };
}

standard_steps! {
    /// `connect()` until the connection stands.
    CONNECT = 0, "connect";
    /// Connection to the whole greeting.
    GREETING = 1, "greeting";
    EHLO = 2, "ehlo";
    HELO = 3, "helo";
    /// LMTP (RFC 2033 section 4.1).
    LHLO = 4, "lhlo";
    /// STARTTLS until its 220 (RFC 3207).
    STARTTLS = 5, "starttls";
    /// A full TLS handshake, from the first byte of ours.
    TLS = 6, "tls";
    /// A TLS handshake that resumed an earlier session.
    TLS_RESUMED = 7, "tls_resumed";
    /// AUTH until the reply that ends it, over all its rounds (RFC 4954).
    AUTH = 8, "auth";
    MAIL = 9, "mail";
    RCPT = 10, "rcpt";
    /// DATA until its 354.
    DATA = 11, "data";
    /// 354 until the last byte of mail data is written.
    UPLOAD = 12, "upload";
    /// BDAT chunks but the last.
    BDAT = 13, "bdat";
    /// Last byte of mail data until its reply; BDAT LAST too.
    EOD = 14, "eod";
    RSET = 15, "rset";
    NOOP = 16, "noop";
    QUIT = 17, "quit";
    /// First command of a transaction until the reply that ends it.
    TRANSACTION = 18, "transaction";
    /// Start of connecting until the connection is closed.
    SESSION = 19, "session";
    /// A reply that was owed by nobody.
    UNSOLICITED = 20, "unsolicited";
}

/// How many names one plan may have: a script with more different verbs is refused.
pub const STEP_NAMES_MAX: usize = 256;

/// The steps of a plan by name: the standard ones first, then the other verbs of its scripts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepNames(Vec<String>);

impl Default for StepNames {
    fn default() -> Self {
        Self(STANDARD_STEPS.iter().map(|name| (*name).to_owned()).collect())
    }
}

impl StepNames {
    /// The id of `name`, lower-cased and with everything outside `[a-z0-9_.-]` turned into `_`; new names are
    /// added. `None` once [`STEP_NAMES_MAX`] is reached.
    pub fn intern(&mut self, name: &str) -> Option<StepId> {
        let name: String = name
            .chars()
            .map(|c| match c.to_ascii_lowercase() {
                c @ ('a'..='z' | '0'..='9' | '_' | '.' | '-') => c,
                _ => '_',
            })
            .take(32)
            .collect();
        if let Some(index) = self.0.iter().position(|known| *known == name) {
            return u16::try_from(index).ok().map(StepId);
        }
        if self.0.len() >= STEP_NAMES_MAX {
            return None;
        }
        self.0.push(name);
        u16::try_from(self.0.len() - 1).ok().map(StepId)
    }

    /// The standard steps and these behind them; `None` where one of them is no name that [`StepNames::intern`] gives,
    /// or comes twice.
    #[must_use]
    pub fn with_verbs(verbs: &[String]) -> Option<Self> {
        let mut names = Self::default();
        for verb in verbs {
            let id = names.intern(verb)?;
            if usize::from(id.0) + 1 != names.count() || names.name(id) != verb {
                return None;
            }
        }
        let added = names.count() - STANDARD_STEPS.len();
        (added == verbs.len()).then_some(names)
    }

    /// The name of `step`.
    #[must_use]
    pub fn name(&self, step: StepId) -> &str {
        &self.0[usize::from(step.0)]
    }

    /// The id of a name that is known already.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<StepId> {
        self.0
            .iter()
            .position(|known| known == name)
            .and_then(|i| u16::try_from(i).ok())
            .map(StepId)
    }

    /// How many there are; ids are below it.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// All ids with their names, in order.
    pub fn iter(&self) -> impl Iterator<Item = (StepId, &str)> {
        self.0.iter().zip(0_u16..).map(|(name, index)| (StepId(index), name.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_names_sit_at_their_ids() {
        let names = StepNames::default();
        for (id, name) in [
            (StepId::CONNECT, "connect"),
            (StepId::EOD, "eod"),
            (StepId::UNSOLICITED, "unsolicited"),
        ] {
            assert_eq!(names.name(id), name);
            assert_eq!(names.find(name), Some(id));
        }
    }

    #[test]
    fn other_verbs_are_added_once_and_cleaned() {
        let mut names = StepNames::default();
        let vrfy = names.intern("VRFY").unwrap();
        assert_eq!(names.intern("vrfy"), Some(vrfy));
        assert_eq!(names.name(vrfy), "vrfy");
        let odd = names.intern("X=Y,|\u{1b}").unwrap();
        assert_eq!(names.name(odd), "x_y___");
    }

    #[test]
    fn names_of_verbs_are_taken_as_they_were_given() {
        let read = |verbs: &[&str]| {
            let verbs: Vec<String> = verbs.iter().map(|verb| (*verb).to_owned()).collect();
            StepNames::with_verbs(&verbs)
        };
        let mut names = StepNames::default();
        names.intern("VRFY").unwrap();
        names.intern("x").unwrap();
        assert_eq!(read(&["vrfy", "x"]), Some(names));
        assert_eq!(read(&[]), Some(StepNames::default()));
        for faulty in [&["VRFY"][..], &["eod"], &["x", "x"], &["x", "y", "x"], &["a b"]] {
            assert_eq!(read(faulty), None, "{faulty:?}");
        }
    }

    #[test]
    fn names_are_bounded() {
        let mut names = StepNames::default();
        for n in names.count()..STEP_NAMES_MAX {
            assert!(names.intern(&format!("x{n}")).is_some());
        }
        assert_eq!(names.intern("one-more"), None);
        assert!(names.intern("mail").is_some());
    }
}
