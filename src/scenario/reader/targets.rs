//! `[target]` and `[targets.NAME]`: where the mail goes, and which of several is meant.

use std::ops::Range;
use std::time::Duration;

use super::Reader;
use super::load::LoadRead;
use super::section::{Field, Section};
use super::text::Text;
use crate::scenario::fault::{Fault, Place};
use crate::scenario::login::Method;
use crate::scenario::security::TlsUse;
use crate::scenario::target::TargetUrl;
use crate::scenario::targets::{
    CommandLine, Launch, PORT_WORD, TARGET_NAME, TargetChoice, TargetSpec, is_target_name, names_of,
};
use crate::scenario::{Overrides, Table, Warmup};
use crate::schedule::blocks::BLOCK_UNIT;
use crate::units::ArrivalUnit;

/// The data tables that a login may name, each with its place; `None` where they are faulty.
type Tables<'a> = Option<&'a [(Table, Range<usize>)]>;

/// Most targets of a scenario.
const TARGETS_MAX: usize = 100;
/// How a greeting begins where nobody says it (RFC 5321 section 4.2.3).
const READY: &str = "220";
/// The URL of what is started without being told.
const EMBEDDED: &str = "embedded:";
/// A port while the real one is not chosen.
const ANY_PORT: &str = "1";

impl Reader<'_> {
    /// The targets that the run is for: those that `--target` says, or all of the file. Reads every section,
    /// so that every fault is found.
    pub(super) fn targets(
        &mut self,
        top: &Section<'_>,
        overrides: &Overrides,
        tables: Tables<'_>,
    ) -> Option<Vec<TargetSpec>> {
        // A faulty login is told once, and not at every AUTH line.
        self.login = Some(Method::Best);
        let single = match top.field("target") {
            None => None,
            Some(field) => Some(self.open_table(&field)?),
        };
        let named = self.named_targets(top, overrides, tables);
        if let (Some(_), Some(field)) = (&single, top.field("targets")) {
            let hint = "write [target] for one, or [targets.NAME] for each of several";
            self.faults.add(field.key_span, "`targets` beside [target]", hint);
            return None;
        }
        let Some(named) = named? else {
            return self.single_target(single.as_ref(), overrides, tables);
        };
        let login = named.iter().find_map(|target| target.login.as_ref().map(|login| login.method));
        let targets = self.pick(named, overrides, tables)?;
        match targets.as_slice() {
            [target] => {
                self.tls = Some(target.security.tls_use(&target.url));
                self.login = target.login.as_ref().map(|login| login.method);
            }
            _ => (self.tls, self.login) = (None, login),
        }
        Some(targets)
    }

    /// `[target]`, or URLs alone: each of several has what `[target]` says.
    fn single_target(
        &mut self,
        section: Option<&Section<'_>>,
        overrides: &Overrides,
        tables: Tables<'_>,
    ) -> Option<Vec<TargetSpec>> {
        let launch = section.map_or(Some(None), |section| self.launch(section));
        let url = match section {
            None => Some(None),
            // Without one there is a fault already.
            Some(section) => {
                let field = section.field("url");
                field.and_then(|field| self.url(&field, launch.as_ref())).map(Some)
            }
        };
        let known = url.as_ref().and_then(Option::as_ref);
        let security = self.security(section, known, overrides);
        let login = self.login(section, overrides, tables);
        let max_rate = section.map_or(Some(None), |section| self.max_rate(section));
        let (url, security, login) = (url?, security?, login?);
        let spec = |name: String, url: TargetUrl, launch: Option<Launch>| {
            let (security, login) = (security.clone(), login.clone());
            TargetSpec { name, url, security, login, max_rate: None, launch }
        };
        let (launch, max_rate) = (launch?, max_rate?);
        let own = |url: TargetUrl| TargetSpec {
            max_rate,
            ..spec(TARGET_NAME.to_owned(), url, launch.clone())
        };
        let targets = match overrides.targets.as_slice() {
            [] => url.map(own).into_iter().collect(),
            // What starts serves at its own URL.
            [TargetChoice::Url(other)] => {
                vec![TargetSpec { launch: None, ..own(other.clone()) }]
            }
            choices => {
                self.chosen(choices, url.map(own).as_ref(), |name, url| spec(name, url, None))?
            }
        };
        // URLs may still come with flags, and `tls` with them.
        self.tls = match targets.as_slice() {
            [target] => Some(security.tls_use(&target.url)),
            _ => Some(security.tls).filter(|tls| *tls != TlsUse::None),
        };
        self.login = login.as_ref().map(|login| login.method);
        Some(targets)
    }

    /// The targets that flags name beside, or instead of, the one under `[target]`; `made` makes those that it is not.
    fn chosen(
        &mut self,
        choices: &[TargetChoice],
        own: Option<&TargetSpec>,
        made: impl Fn(String, TargetUrl) -> TargetSpec,
    ) -> Option<Vec<TargetSpec>> {
        let names = self.names_of(choices)?;
        let mut targets = Vec::new();
        for (choice, name) in choices.iter().zip(names) {
            targets.push(match (choice, own) {
                (TargetChoice::Url(url), _)
                | (TargetChoice::Named { url: Some(url), .. }, None) => made(name, url.clone()),
                (TargetChoice::Named { url, .. }, Some(own)) if name == TARGET_NAME => {
                    at(own.clone(), url.as_ref())
                }
                (TargetChoice::Named { url: Some(url), .. }, Some(_)) => made(name, url.clone()),
                (TargetChoice::Named { url: None, .. }, _) => {
                    return self.unknown_target(&name, &[]);
                }
            });
        }
        Some(targets)
    }

    /// What the chosen targets are called; two of them may not have one name.
    fn names_of(&mut self, choices: &[TargetChoice]) -> Option<Vec<String>> {
        if choices.len() > TARGETS_MAX {
            let message = format!("{} targets, over {TARGETS_MAX}", choices.len());
            self.faults.push(Text::flag("--target", "").fault(message, "name fewer"));
            return None;
        }
        let mut given: Vec<&str> = Vec::new();
        for choice in choices {
            let TargetChoice::Named { name, .. } = choice else { continue };
            if given.contains(&name.as_str()) {
                let message = format!("the target `{name}` stands twice");
                let hint = "give each a name of its own: --target a=smtp://host:port";
                self.faults.push(Text::flag("--target", name).fault(message, hint));
                return None;
            }
            given.push(name);
        }
        let urls: Vec<&TargetUrl> = choices
            .iter()
            .filter_map(|choice| match choice {
                TargetChoice::Url(url) => Some(url),
                TargetChoice::Named { .. } => None,
            })
            .collect();
        let mut made = names_of(&urls, &given).into_iter();
        let name = |choice: &TargetChoice| match choice {
            TargetChoice::Named { name, .. } => name.clone(),
            TargetChoice::Url(_) => made.next().unwrap_or_default(),
        };
        Some(choices.iter().map(name).collect())
    }

    /// `[targets.*]` in the order of the file; `Some(None)` without it.
    fn named_targets(
        &mut self,
        top: &Section<'_>,
        overrides: &Overrides,
        tables: Tables<'_>,
    ) -> Option<Option<Vec<TargetSpec>>> {
        let Some(field) = top.field("targets") else { return Some(None) };
        let sections = self.open_named(&field);
        let count = field.value.as_table()?.len();
        if !(1..=TARGETS_MAX).contains(&count) {
            let message = format!("{count} targets, not from 1 to {TARGETS_MAX}");
            self.lacking(field.key_span, message, "write [targets.NAME] with a url for each");
            return None;
        }
        let mut targets = Vec::new();
        for (name, span, section) in sections {
            let good_name = is_target_name(name);
            if !good_name {
                let hint = "a name holds up to 64 letters, digits, `_`, `.` and `-`";
                self.faults.add(span, format!("`{name}` is not a name for a target"), hint);
            }
            let launch = self.launch(&section);
            let field = section.field("url");
            let url = field.and_then(|field| self.url(&field, launch.as_ref()));
            let security = self.security(Some(&section), url.as_ref(), overrides);
            let login = self.login(Some(&section), overrides, tables);
            let max_rate = self.max_rate(&section);
            if let (true, Some(url), Some(security), Some(login), Some(max_rate), Some(launch)) =
                (good_name, url, security, login, max_rate, launch)
            {
                let name = name.to_owned();
                targets.push(TargetSpec { name, url, security, login, max_rate, launch });
            }
        }
        (targets.len() == count).then_some(Some(targets))
    }

    /// Of several targets those that `--target` says, or all.
    fn pick(
        &mut self,
        named: Vec<TargetSpec>,
        overrides: &Overrides,
        tables: Tables<'_>,
    ) -> Option<Vec<TargetSpec>> {
        match overrides.targets.as_slice() {
            [] => return Some(named),
            // None of the file's: what one of them is told, a login first of all, is not for another.
            choices if choices.iter().all(|choice| matches!(choice, TargetChoice::Url(_))) => {
                return self.single_target(None, overrides, tables);
            }
            _ => {}
        }
        let names = self.names_of(&overrides.targets)?;
        let security = self.security(None, None, overrides)?;
        let login = self.login(None, overrides, tables)?;
        let mut targets = Vec::new();
        for (choice, name) in overrides.targets.iter().zip(names) {
            targets.push(match choice {
                TargetChoice::Url(url) => {
                    let (url, security, login) = (url.clone(), security.clone(), login.clone());
                    TargetSpec { name, url, security, login, max_rate: None, launch: None }
                }
                TargetChoice::Named { url, .. } => {
                    let Some(target) = named.iter().find(|target| target.name == name) else {
                        let names: Vec<_> =
                            named.iter().map(|target| target.name.as_str()).collect();
                        return self.unknown_target(&name, &names);
                    };
                    at(target.clone(), url.as_ref())
                }
            });
        }
        Some(targets)
    }

    /// `interleave` or `--interleave`, and whether several targets may run under these loads.
    pub(super) fn interleave(
        &mut self,
        top: &Section<'_>,
        overrides: &Overrides,
        targets: Option<&[TargetSpec]>,
        loads: Option<&[LoadRead]>,
    ) -> Option<Option<Duration>> {
        let (mut block, mut place) = (overrides.interleave, Place::Flag("--interleave"));
        if let Some(field) = top.field("interleave") {
            let read = self.duration(&field, false)?;
            if block.is_none() {
                (block, place) = (Some(read), Place::Scenario(field.span));
            }
        }
        if block.is_some_and(|block| block < BLOCK_UNIT || block.subsec_nanos() != 0) {
            let message = "blocks are whole seconds, from 1".to_owned();
            let hint = Some("write 1s, 2s, 5s".to_owned());
            self.faults.push(Fault { place, message, hint });
            return None;
        }
        if let (Some([_, _, ..]), Some(loads)) = (targets, loads)
            && let Some(steady) = loads.iter().find(|read| read.load.warmup == Warmup::Steady)
        {
            let message = "several targets, and a warm-up that each would end at another time";
            let hint = "write how long it is: warmup = \"10s\"";
            self.faults.add(steady.span.clone(), message, hint);
            return None;
        }
        Some(block)
    }

    fn unknown_target<T>(&mut self, name: &str, known: &[&str]) -> Option<T> {
        let hint = match known {
            [] => {
                "write a URL, smtp://host:port, or [targets.NAME] tables in the scenario".to_owned()
            }
            known => format!("its targets: {}", known.join(", ")),
        };
        let message = format!("the scenario has no target `{name}`");
        self.faults.push(Text::flag("--target", name).fault(message, hint));
        None
    }

    /// `url`; with a port of [`PORT_WORD`] where the target is started.
    fn url(&mut self, field: &Field<'_>, launch: Option<&Option<Launch>>) -> Option<TargetUrl> {
        let text = self.text(field)?;
        let url = match launch {
            Some(Some(Launch { any_port: true, .. })) => text.value.replace(PORT_WORD, ANY_PORT),
            // Faulty: that is told already.
            None if text.value.contains(PORT_WORD) => return None,
            _ => text.value.clone(),
        };
        TargetUrl::parse(&url)
            .map_err(|error| self.faults.push(text.fault(error.message, error.hint)))
            .ok()
    }

    /// `max_rate`, a second.
    fn max_rate(&mut self, section: &Section<'_>) -> Option<Option<f64>> {
        let Some(field) = section.field("max_rate") else { return Some(None) };
        let rate = self.rate(&field)?;
        let (message, hint) = match rate.unit {
            ArrivalUnit::Messages if rate.per_second > 0.0 => return Some(Some(rate.per_second)),
            ArrivalUnit::Messages => ("`max_rate` is zero", "write a rate above it"),
            ArrivalUnit::Sessions => {
                ("`max_rate` counts messages", "write messages: 14 messages/s")
            }
        };
        self.faults.add(field.span.clone(), message, hint);
        None
    }

    /// `start`, with `ready` and `prepare`.
    fn launch(&mut self, section: &Section<'_>) -> Option<Option<Launch>> {
        let url = section.field("url").and_then(|field| field.value.as_str().map(str::to_owned));
        let any_port = url.as_ref().is_some_and(|url| url.contains(PORT_WORD));
        let Some(field) = section.field("start") else {
            for name in ["ready", "prepare"] {
                if let Some(field) = section.field(name) {
                    let message = format!("`{name}` means something only beside `start`");
                    self.faults.add(field.key_span, message, "write `start`, or leave it out");
                }
            }
            if let Some(field) = section.field("url").filter(|_| any_port) {
                let message = format!("{PORT_WORD} is chosen for a target that is started");
                self.faults.add(field.span.clone(), message, "write `start`, or the port");
                return None;
            }
            return Some(None);
        };
        if url.as_deref() == Some(EMBEDDED) {
            let message = "`start` beside embedded:, which is started anyway";
            self.faults.add(field.span, message, "leave it out, or write the URL that it serves");
            return None;
        }
        let start = self.command(&field);
        let prepare = self.optional(section, "prepare", Self::command);
        let ready = self.optional(section, "ready", Self::text);
        let ready = ready?.map_or_else(|| READY.to_owned(), |text| text.value);
        let (start, prepare) = (start?, prepare?);
        if !any_port && start.words.iter().any(|word| word.contains(PORT_WORD)) {
            let message = format!("`start` has a {PORT_WORD}, and `url` has not");
            let hint = "write it into `url` as well: smtp://127.0.0.1:{port}";
            self.faults.add(field.span.clone(), message, hint);
            return None;
        }
        Some(Some(Launch { start, ready, prepare, any_port }))
    }

    /// A command in words, as a shell would split it: quotes and backslashes, and nothing else of a shell.
    fn command(&mut self, field: &Field<'_>) -> Option<CommandLine> {
        let text = self.text(field)?;
        let (message, hint) = match shlex::split(&text.value) {
            Some(words) if !words.is_empty() => {
                return Some(CommandLine { words, shown: text.shown });
            }
            Some(_) => (format!("`{}` is empty", field.name), "write a program with its arguments"),
            None => (
                format!("`{}` has a quote without its end", field.name),
                "it is split into words as a shell does, and no shell runs it",
            ),
        };
        self.faults.push(text.fault(message, hint));
        None
    }
}

/// The same target at another URL, where there is one: what starts serves at its own.
fn at(target: TargetSpec, url: Option<&TargetUrl>) -> TargetSpec {
    match url {
        None => target,
        Some(url) => TargetSpec { url: url.clone(), launch: None, ..target },
    }
}
