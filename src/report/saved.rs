//! A run read back from its folder: `run.json` and `histograms.hlog` are all that is needed to render it again.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::folder::{LOG, MANIFEST, unfinished};
use super::hlog::{self, Slice, TargetSeries};
use super::manifest;
use super::record::Record;
use crate::measure::layout::Layout;
use crate::measure::outcome::Clock;
use crate::measure::series::SeriesSums;

/// More than any run writes.
const FILE_MAX: u64 = 1 << 30;

/// A run as its folder tells of it.
#[derive(Clone, Debug)]
pub struct Saved {
    /// What reports render.
    pub record: Record,
    /// The names of each target's series, in the order of [`Record::targets`].
    pub layouts: Vec<Layout>,
    /// The samples of each target.
    pub series: Vec<TargetSeries>,
}

/// Why a folder cannot be read (exit code 65).
#[derive(Debug)]
pub struct UnreadableError {
    path: PathBuf,
    what: String,
    hint: &'static str,
}

impl fmt::Display for UnreadableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n{}", self.path.display(), self.what, self.hint)
    }
}

impl std::error::Error for UnreadableError {}

impl Saved {
    /// Reads a result folder, or the folder of a `run.json`. That of a run that goes on, or was killed, holds what was
    /// saved last.
    ///
    /// # Errors
    /// When it is none, or was written by another version, or is not whole.
    pub fn read(path: &Path) -> Result<Self, UnreadableError> {
        let folder = match path.file_name() {
            Some(name) if name == MANIFEST && !path.is_dir() => {
                path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
            }
            _ => path,
        };
        let fault = |name: &str, what: String, hint| UnreadableError {
            path: folder.join(name),
            what,
            hint,
        };
        let run = load(&folder.join(MANIFEST)).map_err(|error| {
            fault(MANIFEST, error.to_string(), "name a folder that smtpbench run has written")
        })?;
        let unread = manifest::read(&run).map_err(|what| {
            fault(MANIFEST, what, "only results of the same format can be read: run it again")
        })?;
        let damaged = "the folder is damaged: copy it again from where it was written";
        let log =
            log(folder, unread.ended()).map_err(|what| fault(LOG, what.to_string(), damaged))?;
        let mut series = hlog::read(&log, &unread.layouts)
            .map_err(|error| fault(LOG, error.to_string(), damaged))?;
        let record = unread.record(&mut series).map_err(|what| fault(MANIFEST, what, damaged))?;
        Ok(Self { record, layouts: unread.layouts, series })
    }

    /// The histograms of a target over the whole run.
    ///
    /// # Panics
    /// When there is no such target.
    #[must_use]
    pub fn sums(&self, target: usize) -> SeriesSums<'_> {
        SeriesSums { layout: &self.layouts[target], histograms: &self.series[target].sums }
    }

    /// What summary and thresholds read of a step, slice by slice: accepted and timed-out samples of the judged stages
    /// over all scripts. Empty where the step has none; slices without a sample are left out.
    ///
    /// # Panics
    /// When there is no such target.
    #[must_use]
    pub fn judged_slices(&self, target: usize, step: &str, clock: Clock) -> Vec<Slice> {
        let judged = &self.record.targets[target].summary.judged_stages;
        self.slices(target, judged, step, clock)
    }

    /// The same of other stages.
    ///
    /// # Panics
    /// When there is no such target.
    #[must_use]
    pub fn slices(&self, target: usize, stages: &[String], step: &str, clock: Clock) -> Vec<Slice> {
        let sums = self.sums(target);
        let Some(step) = sums.layout.steps().find(step) else { return Vec::new() };
        let names = sums.layout.stages();
        let stages: Vec<u8> =
            (0..).zip(names).filter(|(_, name)| stages.contains(name)).map(|(i, _)| i).collect();
        self.series[target].together(sums.judged_series(&stages, step, clock))
    }
}

/// The histogram log; of a run that has not ended as far as its lines are whole.
fn log(folder: &Path, ended: bool) -> io::Result<Vec<u8>> {
    let path = folder.join(LOG);
    if ended || path.exists() {
        return load(&path);
    }
    let mut log = load(&unfinished(&path))?;
    let whole = log.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    log.truncate(whole);
    Ok(log)
}

fn load(path: &Path) -> io::Result<Vec<u8>> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::other("this is no file"));
    }
    if metadata.len() > FILE_MAX {
        return Err(io::Error::other("it is larger than any run writes"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}
