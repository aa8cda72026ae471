//! The targets of a scenario, and which of them a run is for.

use std::collections::BTreeSet;
use std::fmt;

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
    /// `max_rate`: messages a second that may start there at most.
    pub max_rate: Option<f64>,
    /// `start`: the process that serves there; `None` where it is somebody else's business.
    pub launch: Option<Launch>,
}

/// A process of the user's own that a run is against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// `start`.
    pub start: CommandLine,
    /// `ready`: how its greeting begins.
    pub ready: String,
    /// `prepare`; runs before each start.
    pub prepare: Option<CommandLine>,
    /// The URL's port is [`PORT_WORD`]: a free one is chosen for each start.
    pub any_port: bool,
}

/// A command in words: a program and its arguments.
#[derive(Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// At least one.
    pub words: Vec<String>,
    /// As it may be shown: with the names of variables.
    pub shown: String,
}

impl fmt::Debug for CommandLine {
    /// Without values of variables.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CommandLine({:?})", self.shown)
    }
}

/// What stands for the port in `url`, `start` and `prepare`.
pub const PORT_WORD: &str = "{port}";

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

/// A name for each of several URLs that came without one: the host, with the port where that alone would not do, and a
/// number where even that is not enough. None of `taken`.
#[must_use]
pub fn names_of(urls: &[&TargetUrl], taken: &[&str]) -> Vec<String> {
    let mut used: BTreeSet<String> = taken.iter().map(|name| (*name).to_owned()).collect();
    let host = |url: &TargetUrl| match url {
        TargetUrl::Tcp { host, .. } => host.clone(),
        TargetUrl::Mx { domain, .. } => domain.clone(),
        TargetUrl::Unix { path, .. } => {
            path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
        }
        TargetUrl::Embedded => "embedded".to_owned(),
    };
    let alike = |name: &str| urls.iter().filter(|url| host(url) == name).count() > 1;
    let mut names = Vec::new();
    for url in urls {
        let mut name = host(url);
        if let (true, TargetUrl::Tcp { port, .. } | TargetUrl::Mx { port, .. }) =
            (alike(&name), url)
        {
            name = format!("{name}-{port}");
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        let name: String = name.chars().map(|c| if allowed(c) { c } else { '-' }).collect();
        // Room for a number.
        let mut name = name.get(..NAME_MAX - 4).unwrap_or(&name).to_owned();
        if name.is_empty() {
            TARGET_NAME.clone_into(&mut name);
        }
        let numbered = (2..).map(|number: u32| format!("{name}-{number}"));
        let free = std::iter::once(name.clone()).chain(numbered).find(|name| !used.contains(name));
        let name = free.unwrap_or(name);
        used.insert(name.clone());
        names.push(name);
    }
    names
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
    fn urls_without_a_name_get_one_each() {
        let names = |urls: &[&str], taken: &[&str]| {
            let urls: Vec<_> = urls.iter().map(|url| TargetUrl::parse(url).unwrap()).collect();
            names_of(&urls.iter().collect::<Vec<_>>(), taken)
        };
        assert_eq!(names(&["smtp://a.test", "smtp://b.test:26"], &[]), ["a.test", "b.test"]);
        let two = ["smtp://127.0.0.1:1", "smtp://127.0.0.1:2", "smtp://[::1]:1"];
        assert_eq!(names(&two, &[]), ["127.0.0.1-1", "127.0.0.1-2", "--1"]);
        assert_eq!(names(&["smtp://a.test"; 2], &[]), ["a.test-25", "a.test-25-2"]);
        assert_eq!(names(&["embedded:", "embedded:"], &["embedded"]), ["embedded-2", "embedded-3"]);
        let paths = ["smtp+unix:///run/x.sock", "lmtp+unix:///", "mx://a.test"];
        let paths = [paths[0], "lmtp+unix:///a b", paths[2]];
        assert_eq!(names(&paths, &[]), ["x.sock", "a-b", "a.test"]);
        let long = format!("smtp://{}", "x".repeat(255));
        assert!(names(&[&long, &long], &[]).iter().all(|name| is_target_name(name)));
    }

    #[test]
    fn what_is_neither_is_refused() {
        for text in ["", "=", "=smtp://h", "ses=", "ses=other", "h:25", "a b", "ä", &"x".repeat(65)]
        {
            check(text, None);
        }
    }
}
