//! `[target]` and `[targets.NAME]`: where the mail goes, and which of several is meant.

use std::ops::Range;

use super::Reader;
use super::section::{Field, Section};
use super::text::Text;
use crate::scenario::login::Method;
use crate::scenario::security::TlsUse;
use crate::scenario::target::TargetUrl;
use crate::scenario::targets::{TARGET_NAME, TargetChoice, TargetSpec, is_target_name};
use crate::scenario::{Overrides, Table};

/// The data tables that a login may name, each with its place; `None` where they are faulty.
type Tables<'a> = Option<&'a [(Table, Range<usize>)]>;

/// Most targets of a scenario.
const TARGETS_MAX: usize = 100;

impl Reader<'_> {
    /// The targets that the run may be for: the one that `--target` says, or all of the file. Reads every section,
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

    /// `[target]`, or a URL alone.
    fn single_target(
        &mut self,
        section: Option<&Section<'_>>,
        overrides: &Overrides,
        tables: Tables<'_>,
    ) -> Option<Vec<TargetSpec>> {
        let url = match section {
            None => Some(None),
            // Without one there is a fault already.
            Some(section) => section.field("url").and_then(|field| self.url(&field)).map(Some),
        };
        let known = url.as_ref().and_then(Option::as_ref);
        let security = self.security(section, known, overrides);
        let login = self.login(section, overrides, tables);
        let (url, security, login) = (url?, security?, login?);
        let url = match &overrides.target {
            None => url,
            Some(TargetChoice::Url(url)) => Some(url.clone()),
            Some(TargetChoice::Named { name, url: other }) => match url {
                Some(url) if name == TARGET_NAME => Some(other.clone().unwrap_or(url)),
                _ => return self.unknown_target(name, &[]),
            },
        };
        // A URL may still come with a flag, and `tls` with it.
        self.tls = match &url {
            Some(url) => Some(security.tls_use(url)),
            None => Some(security.tls).filter(|tls| *tls != TlsUse::None),
        };
        self.login = login.as_ref().map(|login| login.method);
        let name = TARGET_NAME.to_owned();
        Some(url.map(|url| TargetSpec { name, url, security, login }).into_iter().collect())
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
            let url = section.field("url").and_then(|field| self.url(&field));
            let security = self.security(Some(&section), url.as_ref(), overrides);
            let login = self.login(Some(&section), overrides, tables);
            if let (true, Some(url), Some(security), Some(login)) =
                (good_name, url, security, login)
            {
                targets.push(TargetSpec { name: name.to_owned(), url, security, login });
            }
        }
        (targets.len() == count).then_some(Some(targets))
    }

    /// Of several targets the one that `--target` says, or all.
    fn pick(
        &mut self,
        mut named: Vec<TargetSpec>,
        overrides: &Overrides,
        tables: Tables<'_>,
    ) -> Option<Vec<TargetSpec>> {
        match &overrides.target {
            None => Some(named),
            // None of the file's: what one of them is told, a login first of all, is not for another.
            Some(TargetChoice::Url(_)) => self.single_target(None, overrides, tables),
            Some(TargetChoice::Named { name, url }) => {
                let Some(index) = named.iter().position(|target| target.name == *name) else {
                    let names: Vec<_> = named.iter().map(|target| target.name.as_str()).collect();
                    return self.unknown_target(name, &names);
                };
                let target = named.swap_remove(index);
                Some(vec![TargetSpec { url: url.clone().unwrap_or(target.url), ..target }])
            }
        }
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

    fn url(&mut self, field: &Field<'_>) -> Option<TargetUrl> {
        let text = self.text(field)?;
        TargetUrl::parse(&text.value)
            .map_err(|error| self.faults.push(text.fault(error.message, error.hint)))
            .ok()
    }
}
