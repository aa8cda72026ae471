//! Text with values in it, cut into pieces once and rendered often, without allocation of its own.

/// A value that is put in when the line is rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// The client's name in EHLO.
    Client,
    /// The reverse-path of this message.
    Sender,
    /// The forward-path of this RCPT line; in headers, the first one.
    Recipient,
    /// The domain of that forward-path; in an address pattern, a domain drawn by weight.
    Domain,
    /// The number of the message in the plan, from 0.
    Seq,
    /// Size in bytes of the mail data before transparency.
    MessageSize,
    /// The name of the message kind.
    MessageName,
    /// A whole number, uniform between the ends, fixed by seed and message number (outside a transaction: session
    /// number); `draw` tells several of one text apart.
    Uniform { low: u64, high: u64, draw: u32 },
    /// A cell of the row that this session has of a data table.
    Column { table: usize, column: usize },
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Text as it is; holds neither CR nor LF.
    Text(Box<[u8]>),
    /// A value.
    Value(Value),
}

/// A line of text with values in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

impl Template {
    /// A template of `parts`, in order.
    #[must_use]
    pub fn new(parts: Vec<Part>) -> Self {
        Self { parts }
    }

    /// A template without values.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self { parts: vec![Part::Text(text.as_bytes().into())] }
    }

    /// Its pieces, in order.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Whether `wanted` holds for one of its values.
    pub fn has(&self, wanted: impl Fn(&Value) -> bool) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Value(value) if wanted(value)))
    }

    /// Appends the text to `out`; `put` appends a value.
    pub fn render(&self, out: &mut Vec<u8>, mut put: impl FnMut(&Value, &mut Vec<u8>)) {
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Value(value) => put(value, out),
            }
        }
    }
}
