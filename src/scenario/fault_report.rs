//! All faults of a scenario, for people: place, underlined text, hint, and how many there are.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::path::Path;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::fault::{FAULTS_MAX, Fault, Faults, Place, clean, clean_path, line_and_column};
use super::mask::mask;
use super::{SCENARIO_BYTES_MAX, Source};

/// Longest line in bytes that is shown with a fault in it; of a longer one only line and column are.
const EXCERPT_MAX: usize = 2000;

/// Faults that keep a scenario from being used; at least one. Prints one line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultReport {
    /// The file as it may be shown; `the flags` without one.
    name: String,
    text: String,
    /// By place: the scenario's first.
    faults: Vec<Fault>,
}

impl FaultReport {
    /// The faults of `source`.
    pub(super) fn new(source: &Source, faults: Faults) -> Self {
        let name = match &source.path {
            Some(path) => clean_path(path),
            None if source.text.is_empty() => "the flags".to_owned(),
            None => "the scenario".to_owned(),
        };
        let mut faults: Vec<_> = faults.into_iter().collect();
        faults.sort_by(|a, b| order(&a.place).cmp(&order(&b.place)));
        Self { name, text: mask(&source.text), faults }
    }

    /// A file that cannot be read.
    pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        Self::whole(Some(path), format!("the scenario cannot be read: {}", reason(error.kind())), 0)
    }

    /// A file that holds other bytes than text.
    pub(super) fn no_text(path: &Path, error: &std::string::FromUtf8Error) -> Self {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let lines = valid.split(|byte| *byte == b'\n').count();
        let line = u64::try_from(lines).unwrap_or(u64::MAX);
        Self::whole(Some(path), "the scenario is not UTF-8".to_owned(), line)
    }

    /// A file over [`SCENARIO_BYTES_MAX`].
    pub(super) fn too_large(path: Option<&Path>) -> Self {
        let limit = SCENARIO_BYTES_MAX >> 20;
        Self::whole(path, format!("the scenario is over {limit} MiB large"), 0)
    }

    fn whole(path: Option<&Path>, message: String, line: u64) -> Self {
        let path = path.unwrap_or(Path::new("the scenario")).to_owned();
        let name = clean_path(&path);
        let fault = Fault { place: Place::File { path, line }, message, hint: None };
        Self { name, text: String::new(), faults: vec![fault] }
    }

    /// The faults, by place.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// The same faults as those of a file that another one names, which is shown as `path`.
    pub(super) fn in_file(self, path: &Path) -> Vec<Fault> {
        let Self { text, faults, .. } = self;
        let place = |fault: &Fault| match &fault.place {
            Place::Scenario(span) => {
                u64::try_from(line_and_column(&text, span.start).0).unwrap_or(u64::MAX)
            }
            Place::File { line, .. } => *line,
            Place::Flag(_) => 0,
        };
        let moved = faults.iter().map(|fault| {
            let place = Place::File { path: path.to_owned(), line: place(fault) };
            Fault { place, ..fault.clone() }
        });
        moved.collect()
    }

    /// One line for each fault, without the name of the scenario: `line:column: message`.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.faults.iter().map(|fault| fault.line(&self.text)).collect()
    }

    /// All faults with the text they lie in, for a terminal; `colour` adds escape sequences. Ends with a line
    /// that counts them.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let mut out = String::new();
        for fault in &self.faults {
            out.push_str(&renderer.render(&[self.group(fault)]));
            out.push_str("\n\n");
        }
        out.push_str(&self.count());
        out.push('\n');
        out
    }

    /// `3 faults in FILE`.
    fn count(&self) -> String {
        match self.faults.len() {
            1 => format!("1 fault in {}", self.name),
            FAULTS_MAX => format!("{FAULTS_MAX} faults or more in {}", self.name),
            count => format!("{count} faults in {}", self.name),
        }
    }

    fn group<'a>(&'a self, fault: &'a Fault) -> Group<'a> {
        let message = clean(&fault.message);
        let title = match &fault.place {
            Place::Flag(flag) => Level::ERROR.primary_title(format!("{flag}: {message}")),
            _ => Level::ERROR.primary_title(message),
        };
        let group = match &fault.place {
            Place::Scenario(span) => {
                let start = span.start;
                let (excerpt, span, line) = excerpt(&self.text, span.clone());
                if excerpt.len() > EXCERPT_MAX {
                    let (line, column) = line_and_column(&self.text, start);
                    let origin = Origin::path(self.name.as_str()).line(line).char_column(column);
                    return with_hint(title.element(origin), fault);
                }
                let annotation = AnnotationKind::Primary.span(span);
                let snippet = Snippet::source(excerpt).path(self.name.as_str()).line_start(line);
                title.element(snippet.annotation(annotation))
            }
            Place::File { path, line } => {
                let origin = Origin::path(clean_path(path));
                title.element(match usize::try_from(*line) {
                    Ok(line) if line > 0 => origin.line(line),
                    _ => origin,
                })
            }
            Place::Flag(_) => Group::with_title(title),
        };
        with_hint(group, fault)
    }
}

impl fmt::Display for FaultReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (fault, line) in self.faults.iter().zip(self.lines()) {
            match fault.place {
                Place::Scenario(_) => writeln!(f, "{}:{line}", self.name)?,
                _ => writeln!(f, "{line}")?,
            }
        }
        f.write_str(&self.count())
    }
}

impl std::error::Error for FaultReport {}

fn with_hint<'a>(group: Group<'a>, fault: &Fault) -> Group<'a> {
    match &fault.hint {
        Some(hint) => group.element(Level::HELP.message(clean(hint))),
        None => group,
    }
}

/// Where faults stand among each other.
fn order(place: &Place) -> (u8, usize, Cow<'_, str>, u64) {
    match place {
        Place::Scenario(span) => (0, span.start, Cow::Borrowed(""), 0),
        Place::File { path, line } => (1, 0, path.to_string_lossy(), *line),
        Place::Flag(flag) => (2, 0, Cow::Borrowed(*flag), 0),
    }
}

/// The lines of `span`, the span within them, and the number of the first one. Of a long span only the first
/// line is shown: the rest says nothing more.
fn excerpt(text: &str, span: Range<usize>) -> (&str, Range<usize>, usize) {
    let start = text.floor_char_boundary(span.start);
    let end = text.floor_char_boundary(span.end).max(start);
    let first = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let last = text[start..].find('\n').map_or(text.len(), |at| at + start);
    let line = text[..first].matches('\n').count() + 1;
    let excerpt = text[first..last].trim_end_matches('\r');
    let limit = excerpt.len();
    (excerpt, (start - first).min(limit)..(end - first).min(limit), line)
}
/// Why a file cannot be read, without its path, which may hold what a variable says.
fn reason(kind: std::io::ErrorKind) -> String {
    match kind {
        std::io::ErrorKind::NotFound => "no such file".to_owned(),
        kind => kind.to_string(),
    }
}
