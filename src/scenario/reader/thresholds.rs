//! `thresholds` and `[load] stop_on`: what decides pass or fail, and what stops a run.

use toml::de::DeValue;

use super::Reader;
use super::load::LoadRead;
use super::section::{Field, Section};
use super::text::Text;
use crate::scenario::Overrides;
use crate::scenario::fault::Faults;
use crate::scenario::script::Script;
use crate::scenario::targets::{TARGET_NAME, TargetChoice, names_of};
use crate::scenario::threshold::{
    DEFAULT_THRESHOLDS, RuleNames, STOP_RULES_MAX, StopRule, Sustained, THRESHOLDS_MAX, Threshold,
    parse_stop_rule, parse_threshold,
};
use crate::units::format_duration;

/// Names that rules may use; `None` for what could not be read.
struct Known {
    stages: Option<Vec<String>>,
    scripts: Option<Vec<String>>,
    targets: Option<Vec<String>>,
}

impl Reader<'_> {
    /// The rules of the flags, of the file, or those that hold without any. After scripts and load: their names may
    /// be in them.
    pub(super) fn thresholds(
        &mut self,
        top: &Section<'_>,
        overrides: &Overrides,
        scripts: Option<&[Script]>,
        loads: Option<&[LoadRead]>,
    ) -> Option<Vec<Threshold>> {
        let names = |scripts: &[Script]| scripts.iter().map(|one| one.name.clone()).collect();
        let known = Known {
            stages: loads
                .map(|loads| loads.iter().flat_map(|read| read.load.stage_names()).collect()),
            scripts: scripts.map(names),
            targets: Some(target_names(top, overrides)),
        };
        let file = match top.field("thresholds") {
            // Sessions that are held send nothing: rules on messages say nothing of them.
            None if loads
                .is_some_and(|loads| loads.iter().all(|read| read.load.hold.is_some())) =>
            {
                Some(Vec::new())
            }
            None => {
                let texts = DEFAULT_THRESHOLDS.iter().map(|text| Text::flag("", text));
                self.threshold_texts(&texts.collect::<Vec<_>>(), &known)
            }
            Some(field) => self.threshold_list(&field, &known),
        };
        if overrides.thresholds.is_empty() {
            return file;
        }
        let flags = overrides.thresholds.iter().map(|text| Text::flag("--threshold", text));
        let flags = self.threshold_texts(&flags.collect::<Vec<_>>(), &known);
        file.and(flags)
    }

    fn threshold_texts(&mut self, texts: &[Text], known: &Known) -> Option<Vec<Threshold>> {
        let rules: Vec<_> = texts.iter().filter_map(|text| self.threshold(text, known)).collect();
        (rules.len() == texts.len()).then_some(rules)
    }

    fn threshold(&mut self, text: &Text, known: &Known) -> Option<Threshold> {
        let mut found = Faults::default();
        let names = RuleNames {
            steps: &self.steps,
            stages: known.stages.as_deref(),
            scripts: known.scripts.as_deref(),
            targets: known.targets.as_deref(),
        };
        let threshold = parse_threshold(&text.value, Some(0), &names, &mut found);
        text.adopt(&found, &mut self.faults);
        Some(Threshold { text: text.shown.clone(), ..threshold? })
    }

    /// A list of texts and tables.
    fn threshold_list(&mut self, field: &Field<'_>, known: &Known) -> Option<Vec<Threshold>> {
        let items = self.rule_items(field, THRESHOLDS_MAX)?;
        let mut rules = Vec::new();
        for item in &items {
            let rule = match item.value {
                DeValue::Table(_) => self.sustained(item, known),
                _ => self.text(item).and_then(|text| self.threshold(&text, known)),
            };
            rules.extend(rule);
        }
        (rules.len() == items.len()).then_some(rules)
    }

    /// `{ if = "eod.p99 > 2s", for = "10s", abort = true }`.
    fn sustained(&mut self, item: &Field<'_>, known: &Known) -> Option<Threshold> {
        let section = self.open_table(item)?;
        let rule = section.field("if").and_then(|field| {
            let text = self.text(&field)?;
            self.threshold(&text, known)
        });
        let over = section.field("for").and_then(|field| self.duration(&field, false));
        let abort = self.optional(&section, "abort", Self::flag);
        let (rule, over, abort) = (rule?, over?, abort?.unwrap_or(false));
        let text = format!("never {} for {}", rule.text.trim(), format_duration(over));
        Some(Threshold { text, sustained: Some(Sustained { over, abort }), ..rule })
    }

    /// `[load] stop_on` with the flags over it; `Some(None)` where neither says anything.
    pub(super) fn stop_on(
        &mut self,
        top: &Section<'_>,
        overrides: &Overrides,
    ) -> Option<Option<Vec<StopRule>>> {
        let mut file = Some(None);
        for field in self.stop_fields(top) {
            let read = self.stop_rules(&field);
            file = match (file, read) {
                (Some(known), Some(rules)) => {
                    let mut all: Vec<StopRule> = known.unwrap_or_default();
                    all.extend(rules);
                    Some(Some(all))
                }
                _ => None,
            };
        }
        if overrides.no_stop_on {
            return file.map(|_| Some(Vec::new()));
        }
        if overrides.stop_on.is_empty() {
            return file;
        }
        let flags = overrides.stop_on.iter().map(|text| Text::flag("--stop-on", text));
        let rules: Vec<_> = flags.map(|text| self.stop_rule(&text)).collect();
        let rules = rules.into_iter().collect::<Option<Vec<_>>>()?;
        file.map(|_| Some(rules))
    }

    /// `stop_on` of `[load]`, or of every `[loads.NAME]`: a run is stopped whole, whichever load says when.
    fn stop_fields<'a>(&mut self, top: &Section<'a>) -> Vec<Field<'a>> {
        // Faults of the tables themselves are told by who reads the loads; the same fault is told once.
        let mut tables: Vec<Section<'a>> = Vec::new();
        if let Some(field) = top.field("load") {
            tables.extend(self.open_table(&field));
        }
        if let Some(field) = top.field("loads") {
            tables.extend(self.open_named(&field).into_iter().map(|(_, _, section)| section));
        }
        tables.iter().filter_map(|table| table.field("stop_on")).collect()
    }

    fn stop_rules(&mut self, field: &Field<'_>) -> Option<Vec<StopRule>> {
        let items = self.rule_items(field, STOP_RULES_MAX)?;
        let rules = items.iter().filter_map(|item| {
            let text = self.text(item)?;
            self.stop_rule(&text)
        });
        let rules: Vec<_> = rules.collect();
        (rules.len() == items.len()).then_some(rules)
    }

    fn stop_rule(&mut self, text: &Text) -> Option<StopRule> {
        let mut found = Faults::default();
        let rule = parse_stop_rule(&text.value, Some(0), &mut found);
        text.adopt(&found, &mut self.faults);
        Some(StopRule { text: text.shown.clone(), ..rule? })
    }

    /// The items of a list of at most `max`.
    fn rule_items<'t>(&mut self, field: &Field<'t>, max: usize) -> Option<Vec<Field<'t>>> {
        let DeValue::Array(items) = field.value else {
            self.wrong_type(field, "a list of texts");
            return None;
        };
        if items.len() > max {
            let message = format!("{} rules in `{}`, over {max}", items.len(), field.name);
            self.faults.add(field.key_span.clone(), message, "write fewer");
            return None;
        }
        let item = |item: &'t toml::Spanned<DeValue<'t>>| Field {
            name: field.name,
            kind: field.kind,
            value: item.get_ref(),
            key_span: field.key_span.clone(),
            span: item.span(),
        };
        Some(items.iter().map(item).collect())
    }
}

/// The stages of `load` by name.
/// The targets of the file by name, whichever the run is for, and those that flags name.
fn target_names(top: &Section<'_>, overrides: &Overrides) -> Vec<String> {
    let named = top.field("targets").and_then(|field| field.value.as_table());
    let mut names = match named {
        Some(named) => named.keys().map(|name| name.get_ref().to_string()).collect(),
        None => vec![TARGET_NAME.to_owned()],
    };
    let mut urls = Vec::new();
    for choice in &overrides.targets {
        match choice {
            TargetChoice::Named { name, .. } => names.push(name.clone()),
            TargetChoice::Url(url) => urls.push(url),
        }
    }
    let known: Vec<&str> = names.iter().map(String::as_str).collect();
    let made = names_of(&urls, &known);
    names.extend(made);
    names
}
