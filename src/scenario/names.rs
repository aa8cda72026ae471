//! What a script or a template may refer to.

/// Names that stand elsewhere in the scenario.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Data tables with their columns, in the order of `Scenario::tables`.
    pub tables: Vec<(String, Vec<String>)>,
    /// Kinds of messages, in the order of `Mail::kinds`.
    pub messages: Vec<String>,
}
