//! Logins of a script: AUTH lines, and those that `hello` and EHLO stand for where the target asks for one.

use std::ops::Range;

use super::expect::default_expect;
use super::line::{Piece, Wrong, is_blank};
use super::parse::{BlockKind, Compiler};
use super::{Auth, Op};
use crate::scenario::login::{Method, SecretTemplate};
use crate::scenario::nearest::hint_nearest;
use crate::scenario::template::{TemplateUse, parse_template};

const CREDENTIALS_HINT: &str = "write user and password under [target], or behind the mechanism: AUTH plain {{users.name}} {{users.password}}";

/// What the lines so far say of logging in.
#[derive(Debug, Default)]
pub(super) struct Logins {
    /// There is an AUTH line.
    written: bool,
    /// Every `hello` and EHLO.
    greetings: Vec<Greeting>,
    /// Index of the last STARTTLS.
    starttls: Option<usize>,
}

#[derive(Debug)]
struct Greeting {
    /// Index of its operation.
    op: usize,
    word: Range<usize>,
    /// `hello`, which logs in by itself.
    hello: bool,
    /// In a pipeline or a transaction, where no login can follow.
    enclosed: bool,
}

impl Compiler<'_> {
    /// Reads `AUTH [mechanism [user password]]`.
    pub(super) fn auth(&mut self, word: Piece<'_>, arguments: Piece<'_>, arrow: Option<Piece<'_>>) {
        self.logins.written = true;
        let enclosure = [
            (BlockKind::Pipeline, "AUTH in a pipeline", "each of its rounds waits for a reply"),
            // RFC 4954 section 4.
            (BlockKind::Transaction, "AUTH in a transaction", "write it above `transaction`"),
        ];
        for (kind, message, hint) in enclosure {
            if self.inside(kind) {
                self.report.add(Wrong::new(word.span(), message, hint));
            }
        }
        let expect = match self.codes(arrow).as_slice() {
            [] => default_expect("AUTH"),
            codes => super::Expect::ranges(codes),
        };
        let (mechanism, rest) = arguments.split_word();
        let method = match mechanism.text {
            "" => Ok(None),
            name => self.method(name, mechanism).map(Some),
        };
        let Ok(method) = method.map_err(|wrong| self.report.add(wrong)) else { return };
        let credentials = match rest.text {
            "" => None,
            _ => match self.credentials(rest) {
                None => return,
                found => found,
            },
        };
        let wrong = match (method, &credentials, self.setting.login) {
            (_, None, None) => Some(("AUTH without user and password", CREDENTIALS_HINT)),
            (None, _, None | Some(Method::None)) => Some((
                "AUTH without a mechanism",
                "write `AUTH best`, `AUTH plain` …, or auth = \"best\" under [target]",
            )),
            _ => None,
        };
        if let Some((message, hint)) = wrong {
            self.report.add(Wrong::new(word.span(), message, hint));
            return;
        }
        self.push(word, Op::Auth(Auth { method, credentials, expect, implied: false }));
    }

    fn method(&self, name: &str, place: Piece<'_>) -> Result<Method, Wrong> {
        match Method::parse(name) {
            Ok(method) if method != Method::None => Ok(method),
            _ => {
                let known = Method::words().filter(|word| *word != "none");
                let list = format!(
                    "known here: {}; write others with `send`",
                    known.clone().collect::<Vec<_>>().join(", ")
                );
                let hint = hint_nearest(&name.to_ascii_lowercase(), known, &list);
                Err(Wrong::new(place.span(), format!("unknown mechanism `{name}`"), hint))
            }
        }
    }

    /// User and password: the first word, and all behind it.
    fn credentials(
        &mut self,
        rest: Piece<'_>,
    ) -> Option<(crate::message::template::Template, SecretTemplate)> {
        let (user, secret) = self.split_value(rest);
        if secret.text.is_empty() {
            let message = "AUTH with a user and no password";
            let hint = "write both, or neither: then those under [target] are used";
            self.report.add(Wrong::new(user.span(), message, hint));
            return None;
        }
        let mut template = |piece: Piece<'_>| {
            let faults = &mut *self.report.faults;
            let (usage, names) = (TemplateUse::Login, self.names);
            parse_template(piece.text, piece.start, usage, names, &mut self.draws, faults)
        };
        let (user, password) = (template(user), template(secret));
        let (Some(user), Some(password)) = (user, password) else {
            self.report.failed = true;
            return None;
        };
        let span = secret.span();
        let variable = |part: &&Range<usize>| part.start < span.end && span.start < part.end;
        if !password.has(|_| true) && !self.setting.variables.iter().any(|part| variable(&part)) {
            // Scripts are kept, shared and copied into every result.
            let hint = "write ${PASSWORD} for a variable of the environment, or {{users.password}} for a column";
            self.report.add(Wrong::new(span, "a password in a script", hint));
            return None;
        }
        Some((user, SecretTemplate::new(password)))
    }

    /// The first word and the rest; white space within `{{…}}` and within a variable does not part them.
    fn split_value<'t>(&self, piece: Piece<'t>) -> (Piece<'t>, Piece<'t>) {
        let mut depth = 0_usize;
        for (at, c) in piece.text.char_indices() {
            let behind = &piece.text[at..];
            if behind.starts_with("{{") {
                depth += 1;
            } else if behind.starts_with("}}") {
                depth = depth.saturating_sub(1);
            }
            let place = piece.start + at;
            let variable = self.setting.variables.iter().any(|part| part.contains(&place));
            if depth == 0 && !variable && is_blank(c) {
                return (piece.part(0..at), piece.part(at..piece.text.len()).trim());
            }
        }
        (piece, piece.part(piece.text.len()..piece.text.len()))
    }

    /// A `hello`, or an EHLO, is about to be added.
    pub(super) fn note_greeting(&mut self, word: Piece<'_>, hello: bool) {
        let enclosed = self.inside(BlockKind::Pipeline) || self.inside(BlockKind::Transaction);
        let greeting = Greeting { op: self.ops.len(), word: word.span(), hello, enclosed };
        self.logins.greetings.push(greeting);
    }

    /// STARTTLS is about to be added.
    pub(super) fn note_starttls(&mut self) {
        self.logins.starttls = Some(self.ops.len());
    }

    /// Adds the logins that the target asks for, unless the script logs in by lines of its own: behind every `hello`,
    /// or behind the first EHLO of a script that has none. In a script that says STARTTLS, of those that follow it.
    pub(super) fn imply_logins(&mut self) {
        let asked = self.setting.login.is_some_and(|method| method != Method::None);
        if !asked || self.logins.written || self.report.failed {
            return;
        }
        let mut greetings = std::mem::take(&mut self.logins.greetings);
        if let Some(starttls) = self.logins.starttls {
            let before = greetings.last().map(|greeting| greeting.word.clone());
            greetings.retain(|greeting| greeting.op > starttls);
            if let (Some(word), true) = (before, greetings.is_empty()) {
                let message =
                    "no login can follow here: STARTTLS comes first, and no EHLO behind it";
                let hint =
                    "write `EHLO name` behind STARTTLS, or an AUTH line where the login belongs";
                self.report.add(Wrong::new(word, message, hint));
            }
        }
        let hellos = greetings.iter().any(|greeting| greeting.hello);
        let places: Vec<_> = match hellos {
            true => greetings.iter().filter(|greeting| greeting.hello).collect(),
            false => greetings.iter().take(1).collect(),
        };
        // From the last on, so that the places of the others stay.
        for greeting in places.into_iter().rev() {
            if greeting.enclosed {
                let message = "no login can follow here, and the target asks for one";
                let hint = "write it outside pipelines and transactions, or an AUTH line where the login belongs";
                self.report.add(Wrong::new(greeting.word.clone(), message, hint));
                continue;
            }
            let expect = default_expect("AUTH");
            let auth = Auth { method: None, credentials: None, expect, implied: true };
            self.ops.insert(greeting.op + 1, Op::Auth(auth));
        }
    }
}
