//! `[[scripts]]`: names, weights and where the steps stand; the steps themselves are read by the script parser.

use toml::de::DeValue;

use super::Reader;
use super::section::{Field, Section};
use super::text::Text;
use crate::scenario::fault::{Fault, Faults};
use crate::scenario::script::{Script, Setting};
use crate::scenario::script::{default_script, parse_script_for};
use crate::scenario::{Overrides, SCRIPTS_MAX};

/// The name under which result files add scripts up.
const RESERVED_NAME: &str = "all";

impl Reader<'_> {
    /// At least one script; the default one where the file has none.
    pub(super) fn scripts(
        &mut self,
        top: &Section<'_>,
        overrides: &Overrides,
    ) -> Option<Vec<Script>> {
        let mut scripts = match top.field("scripts") {
            None => Some(vec![default_script(&mut self.steps, self.login)]),
            Some(field) => self.written_scripts(&field),
        }?;
        if overrides.pipelining {
            scripts.iter_mut().for_each(Script::pipeline_transaction);
        }
        Some(scripts)
    }

    fn written_scripts(&mut self, field: &Field<'_>) -> Option<Vec<Script>> {
        let sections = self.open_tables(field);
        if field.value.as_array().is_some_and(|items| items.is_empty()) {
            let message = "`scripts` has no script";
            self.lacking(field.span.clone(), message, "leave it out for the default script");
        }
        if sections.len() > SCRIPTS_MAX {
            let message = format!("{} scripts, over {SCRIPTS_MAX}", sections.len());
            self.faults.add(field.span.clone(), message, "");
            return None;
        }
        let (mut scripts, mut names) = (Vec::new(), Vec::new());
        for section in &sections {
            let name = section.field("name");
            let name = name.and_then(|field| self.unique_name(&field, &mut names));
            let weight = self.optional(section, "weight", Self::count);
            let Some(field) = section.field("steps") else { continue };
            // A faulty name is no reason to leave the steps unread.
            let weight = weight.flatten().and_then(|weight| u32::try_from(weight).ok());
            let known = name.is_some();
            let name = name.unwrap_or_default();
            let script = self.steps(&field, &name, weight.unwrap_or(1));
            scripts.extend(script.filter(|_| known));
        }
        (!scripts.is_empty() && scripts.len() == sections.len()).then_some(scripts)
    }

    fn unique_name(&mut self, field: &Field<'_>, names: &mut Vec<String>) -> Option<String> {
        let name = self.name(field)?;
        let wrong = if name == RESERVED_NAME {
            format!("`{RESERVED_NAME}` is the name of the sum over all scripts")
        } else if names.contains(&name) {
            format!("a second script named `{name}`")
        } else {
            names.push(name.clone());
            return Some(name);
        };
        self.faults.add(field.span.clone(), wrong, "write another name");
        None
    }

    fn steps(&mut self, field: &Field<'_>, name: &str, weight: u32) -> Option<Script> {
        if let DeValue::String(_) = field.value {
            self.check_literal(field)?;
        }
        let text = self.text_with_gaps(field)?;
        self.check_braces(&text)?;
        self.check_marks(&text)?;
        let mut found = Faults::default();
        let (names, steps) = (&self.names, &mut self.steps);
        let variables: Vec<_> = text.variable_parts().collect();
        let setting = Setting { login: self.login, variables: &variables };
        let script =
            parse_script_for(setting, &text.value, 0, name, weight, names, steps, &mut found);
        self.adopt(&text, &found);
        script.filter(|script| self.check_starttls(&text, script)).filter(|_| text.is_whole())
    }

    /// Refuses escapes: in a script a backslash is a byte of the wire, or one of `send`'s own escapes.
    fn check_literal(&mut self, field: &Field<'_>) -> Option<()> {
        let raw = self.text.get(field.span.clone()).unwrap_or_default();
        let backslash = raw.find('\\').filter(|_| raw.starts_with('"'));
        let Some(at) = backslash.map(|at| field.span.start + at) else { return Some(()) };
        let message = "a backslash in a text in `\"`, which TOML takes as an escape";
        let hint = "write the steps between ''' and ''', where it stays as it is";
        self.faults.add(at..at + 1, message, hint);
        None
    }

    /// Refuses a variable whose value would be read as a comment or as an expectation.
    fn check_marks(&mut self, text: &Text) -> Option<()> {
        let marks = |value: &str| {
            let starts = value.split(char::is_whitespace);
            starts.into_iter().any(|word| word.starts_with('#') || word == "=>")
        };
        let (name, _) = match text.variables().find(|(_, value)| marks(value)) {
            Some(variable) => variable,
            None => return Some(()),
        };
        let message = format!("the value of `{name}` holds a word that begins with `#` or is `=>`");
        let hint = Some("a script line would be cut there".to_owned());
        self.faults.push(Fault { place: text.place(), message, hint });
        None
    }
}
