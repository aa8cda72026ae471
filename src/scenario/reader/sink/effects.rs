//! What a rule of the sink does.

use crate::behavior::{Effects, End, Fate, Nonsense, Reply};
use crate::scenario::reader::Reader;
use crate::scenario::reader::section::{Field, Section};
use crate::scenario::script::unescaped;
use crate::units::UnitError;

/// Longest name of a header field, and longest footer.
const TEXT_MAX: usize = 998;

impl Reader<'_> {
    pub(super) fn effects(&mut self, section: &Section<'_>) -> Option<Effects> {
        let delay = self.optional(section, "delay", Self::delay);
        let reply = self.parsed(section, "reply", Reply::parse);
        let extra = self.parsed(section, "extra", Reply::parse);
        let nonsense = self.nonsense(section);
        let end = self.end(section);
        let pieces = self.optional(section, "pieces", Self::limit);
        let read_rate = self.optional(section, "read_rate", Self::size);
        let fate = self.fate(section);
        let effects = Effects {
            delay: delay?,
            reply: reply?,
            nonsense: nonsense?,
            extra: extra?,
            end: end?,
            pieces: pieces?,
            read_rate: read_rate?,
            fate: fate?,
        };
        if effects == Effects::default() {
            let message = "a rule that does nothing";
            self.lacking(section.span.clone(), message, "write reply = \"450 4.2.0 later\" there");
            return None;
        }
        Some(effects)
    }

    fn nonsense(&mut self, section: &Section<'_>) -> Option<Option<Nonsense>> {
        self.at_most_one(section, &["raw", "garbage", "long"]);
        let raw = self.parsed(section, "raw", |text| {
            unescaped(text).map_err(|escape| UnitError {
                message: format!("unknown escape `{escape}`"),
                hint: "escapes: \\r \\n \\t \\0 \\\\ \\\" \\xNN".into(),
            })
        });
        let garbage = self.optional(section, "garbage", Self::count);
        let long = self.optional(section, "long", Self::count);
        let (raw, garbage, long) = (raw?, garbage?, long?);
        let raw = raw.map(Nonsense::Raw);
        Some(raw.or(garbage.map(Nonsense::Garbage)).or(long.map(Nonsense::Long)))
    }

    fn end(&mut self, section: &Section<'_>) -> Option<Option<End>> {
        self.at_most_one(section, &["drop", "abort"]);
        let (drop, abort) = (self.is_set(section, "drop"), self.is_set(section, "abort"));
        Some(match (drop?, abort?) {
            (true, _) => Some(End::Drop),
            (false, true) => Some(End::Abort),
            (false, false) => None,
        })
    }

    fn fate(&mut self, section: &Section<'_>) -> Option<Fate> {
        let (lose, twice) = (self.is_set(section, "lose"), self.is_set(section, "twice"));
        let flip = self.is_set(section, "flip");
        let hold = self.optional(section, "hold", Self::delay);
        let footer = self.optional(section, "footer", |reader, field| {
            reader.line(field, |c| !c.is_control(), "a footer is one line of text")
        });
        let drop_header = self.optional(section, "drop_header", |reader, field| {
            reader.line(field, |c| c.is_ascii_graphic() && c != ':', "a header field has a name")
        });
        let bounce = self.optional(section, "bounce", Self::delay);
        let is_gone = lose == Some(true) || matches!(bounce, Some(Some(_)));
        if is_gone {
            self.at_most_one(section, &["lose", "bounce"]);
            for name in ["twice", "hold", "footer", "flip", "drop_header"] {
                if let Some(field) = section.field(name) {
                    let message = format!("`{name}` of a message that is not kept");
                    self.faults.add(field.key_span.clone(), message, "leave one of them out");
                }
            }
        }
        Some(Fate {
            lose: lose?,
            twice: twice?,
            flip: flip?,
            hold: hold?,
            footer: footer?,
            drop_header: drop_header?,
            bounce: bounce?,
        })
    }

    fn is_set(&mut self, section: &Section<'_>, name: &str) -> Option<bool> {
        self.optional(section, name, Self::flag).map(Option::unwrap_or_default)
    }

    /// Text of such characters, and not too much of it.
    fn line(&mut self, field: &Field<'_>, allowed: fn(char) -> bool, rule: &str) -> Option<String> {
        let text = self.text(field)?;
        let good = !text.value.is_empty() && text.value.len() <= TEXT_MAX;
        if good && text.value.chars().all(allowed) {
            return Some(text.value);
        }
        let message = format!("`{}` is empty, too long, or holds other characters", field.name);
        self.faults.push(text.fault(message, rule));
        None
    }

    /// Says which of `names` stand beside the first that is there.
    fn at_most_one(&mut self, section: &Section<'_>, names: &[&str]) {
        let there: Vec<_> = names.iter().filter_map(|name| section.field(name)).collect();
        for field in there.iter().skip(1) {
            let message = format!("`{}` beside `{}`", field.name, there[0].name);
            self.faults.add(field.key_span.clone(), message, "leave one of them out");
        }
    }
}
