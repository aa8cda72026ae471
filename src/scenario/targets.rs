//! The targets of a scenario, and which of them a run is for.

use super::login::Login;
use super::security::Security;
use super::target::{TargetUrl, UrlError};

/// Name of the target in result files where the scenario gives it none.
pub const TARGET_NAME: &str = "target";
/// Longest name of a target in bytes.
const NAME_MAX: usize = 64;

/// `[target]` or `[targets.NAME]`, with the flags put over it.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetSpec {
    /// Its name in result files: [`TARGET_NAME`], or NAME.
    pub name: String,
    /// Where the mail goes.
    pub url: TargetUrl,
    /// TLS to it.
    pub security: Security,
    /// How sessions log in there; `None` where it has no user.
    pub login: Option<Login>,
}

/// What `--target` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetChoice {
    /// A URL.
    Url(TargetUrl),
    /// One of the scenario's targets.
    Named {
        /// Its name in the scenario.
        name: String,
        /// A URL instead of the scenario's.
        url: Option<TargetUrl>,
    },
}

impl TargetChoice {
    /// Reads a URL, `NAME` or `NAME=URL`.
    ///
    /// # Errors
    /// When it is none of them.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        if let Some((name, url)) = text.split_once('=').filter(|(name, _)| is_target_name(name)) {
            let url = Some(TargetUrl::parse(url)?);
            return Ok(Self::Named { name: name.to_owned(), url });
        }
        match is_target_name(text) {
            true => Ok(Self::Named { name: text.to_owned(), url: None }),
            false => TargetUrl::parse(text).map(Self::Url),
        }
    }
}

/// Whether result files can name a target so.
#[must_use]
pub fn is_target_name(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    (1..=NAME_MAX).contains(&text.len()) && text.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: Option<(Option<&str>, Option<&str>)>) {
        let got = TargetChoice::parse(text).ok().map(|choice| match choice {
            TargetChoice::Url(url) => (None, Some(url.to_string())),
            TargetChoice::Named { name, url } => (Some(name), url.map(|url| url.to_string())),
        });
        let want = want.map(|(name, url)| (name.map(str::to_owned), url.map(str::to_owned)));
        assert_eq!(got, want, "{text}");
    }

    #[test]
    fn a_target_is_chosen_by_url_by_name_or_by_both() {
        check("smtp://h:25", Some((None, Some("smtp://h:25"))));
        check("embedded:", Some((None, Some("embedded:"))));
        check("smtp+unix:///a=b", Some((None, Some("smtp+unix:///a=b"))));
        check("ses", Some((Some("ses"), None)));
        check("a.b-c_1", Some((Some("a.b-c_1"), None)));
        check("ses=smtp://h:25", Some((Some("ses"), Some("smtp://h:25"))));
        check("ses=smtp+unix:///a=b", Some((Some("ses"), Some("smtp+unix:///a=b"))));
    }

    #[test]
    fn what_is_neither_is_refused() {
        for text in ["", "=", "=smtp://h", "ses=", "ses=other", "h:25", "a b", "ä", &"x".repeat(65)]
        {
            check(text, None);
        }
    }
}
