//! The list of probes: every fault of the sink's repertoire, each with a load and with what has to show.

mod books;
mod capabilities;
mod connections;
mod mail;
mod replies;
mod times;
mod tls;

use super::probe::Probe;

/// All of them, in the order in which they are run.
pub(super) fn all() -> impl Iterator<Item = &'static Probe> {
    let groups = [
        replies::PROBES,
        connections::PROBES,
        times::PROBES,
        capabilities::PROBES,
        tls::PROBES,
        mail::PROBES,
        books::PROBES,
    ];
    groups.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::scenario::{self, Overrides, Source, TargetChoice};

    #[test]
    fn every_probe_has_a_name_of_its_own_and_a_scenario_that_reads() {
        let mut names = HashSet::new();
        for probe in all() {
            assert!(names.insert(probe.name), "{} twice", probe.name);
            let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(probe.name.chars().all(good) && probe.name.len() <= 19, "{}", probe.name);
            assert!(!probe.checks.is_empty() && !probe.plants.is_empty(), "{}", probe.name);
            let targets = TargetChoice::parse("embedded:").into_iter().collect();
            let overrides = Overrides { targets, ..Overrides::default() };
            let source = Source { path: None, text: probe.scenario.to_owned() };
            if let Err(report) = scenario::read(&source, &overrides) {
                panic!("{}:\n{}", probe.name, report.render(false));
            }
        }
    }
}
