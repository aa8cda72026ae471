//! The result folder: made before the first packet, saved as the run goes.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::measure::collector::CompletedInterval;
use crate::measure::layout::Layout;
use crate::report::record::Record;
use crate::report::{csv, hlog, manifest};

pub(super) const LOG: &str = "histograms.hlog";
pub(super) const MANIFEST: &str = "run.json";
/// What a file is called while it is written: whoever reads the folder sees whole files only.
const UNFINISHED: &str = "part";

/// A folder that takes the results of one run.
#[derive(Debug)]
pub struct ResultFolder {
    path: PathBuf,
    log: File,
}

/// Why results cannot be written (exit code 73).
#[derive(Debug)]
pub enum FolderError {
    /// The folder holds something already.
    NotEmpty(PathBuf),
    /// The system said no.
    Io {
        /// Of what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl fmt::Display for FolderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotEmpty(path) => write!(
                f,
                "result folder {} is not empty\nname another one with --out: results are never mixed",
                path.display()
            ),
            Self::Io { path, source } => write!(
                f,
                "results cannot be written to {}: {source}\nname a folder that can be written with --out",
                path.display()
            ),
        }
    }
}

impl std::error::Error for FolderError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NotEmpty(_) => None,
            Self::Io { source, .. } => Some(source),
        }
    }
}

impl ResultFolder {
    /// Makes the folder, and those above it, and a file in it: whether it can be written shows before any packet.
    ///
    /// # Errors
    /// When it holds something, or cannot be made or written.
    pub fn create(path: &Path) -> Result<Self, FolderError> {
        let fault = |source| FolderError::Io { path: path.to_owned(), source };
        fs::create_dir_all(path).map_err(fault)?;
        if fs::read_dir(path).map_err(fault)?.next().is_some() {
            return Err(FolderError::NotEmpty(path.to_owned()));
        }
        let log = File::create_new(unfinished(&path.join(LOG))).map_err(fault)?;
        Ok(Self { path: path.to_owned(), log })
    }

    /// Begins the histogram log: the first stage started.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn begin(&mut self, started: jiff::Timestamp) -> Result<(), FolderError> {
        hlog::header(started)
            .and_then(|header| self.log.write_all(&header))
            .map_err(|source| self.fault(LOG, source))
    }

    /// Takes the folder away again, as nothing was measured. Whatever stands in the way stays.
    pub fn discard(self) {
        let _ = fs::remove_file(unfinished(&self.path.join(LOG)));
        let _ = fs::remove_dir(&self.path);
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends complete intervals to the histogram log.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn log(
        &mut self,
        layout: &Layout,
        intervals: &[CompletedInterval],
    ) -> Result<(), FolderError> {
        let lines = hlog::lines(layout, intervals).map_err(|source| self.fault(LOG, source))?;
        self.log.write_all(&lines).map_err(|source| self.fault(LOG, source))
    }

    /// Writes every file but the histogram log, over what was saved before; `run.json` last, so that its figures
    /// are never newer than the tables beside it.
    ///
    /// # Errors
    /// When one cannot be written.
    pub fn save(&self, record: &Record) -> Result<(), FolderError> {
        for (name, bytes) in csv::files(record) {
            write(&self.path, name, &bytes)?;
        }
        write(&self.path, MANIFEST, &manifest::write(record))
    }

    /// Saves for the last time and gives the histogram log its name.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn finish(&mut self, record: &Record) -> Result<(), FolderError> {
        let path = self.path.join(LOG);
        self.log
            .sync_all()
            .and_then(|()| fs::rename(unfinished(&path), &path))
            .map_err(|source| self.fault(LOG, source))?;
        self.save(record)
    }

    fn fault(&self, name: &str, source: io::Error) -> FolderError {
        FolderError::Io { path: self.path.join(name), source }
    }
}

/// A folder for several runs, each in a folder of its own, with what they came to beside them.
#[derive(Debug)]
pub struct RunsFolder {
    path: PathBuf,
}

impl RunsFolder {
    /// Makes the folder, and those above it.
    ///
    /// # Errors
    /// When it holds something, or cannot be made.
    pub fn create(path: &Path) -> Result<Self, FolderError> {
        // Whether a file can be written in it shows, too.
        ResultFolder::create(path)?.discard();
        let fault = |source| FolderError::Io { path: path.to_owned(), source };
        fs::create_dir_all(path).map_err(fault)?;
        Ok(Self { path: path.to_owned() })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of one of the runs.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn run(&self, name: &str) -> Result<ResultFolder, FolderError> {
        ResultFolder::create(&self.path.join(name))
    }

    /// Writes a file beside the runs, over what was there.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), FolderError> {
        write(&self.path, name, bytes)
    }

    /// Takes the folder away again, as nothing was measured. Whatever stands in the way stays.
    pub fn discard(self) {
        let _ = fs::remove_dir(&self.path);
    }
}

/// Whoever reads the folder sees whole files only.
fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), FolderError> {
    let path = folder.join(name);
    let unfinished = unfinished(&path);
    let written = File::create(&unfinished)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&unfinished, &path));
    written.map_err(|source| FolderError::Io { path, source })
}

pub(super) fn unfinished(path: &Path) -> PathBuf {
    path.with_added_extension(UNFINISHED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_holds_something_is_refused() {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("a/b");
        let folder = ResultFolder::create(&path).unwrap();
        assert_eq!(folder.path(), path);
        let again = ResultFolder::create(&path).unwrap_err();
        assert!(matches!(&again, FolderError::NotEmpty(_)), "{again}");
        assert!(again.to_string().contains("--out"));
        folder.discard();
        assert!(!path.exists() && path.parent().is_some_and(Path::exists));
    }

    #[test]
    fn a_file_in_the_way_is_told() {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("file");
        fs::write(&path, b"").unwrap();
        let error = ResultFolder::create(&path).unwrap_err();
        assert!(matches!(&error, FolderError::Io { .. }), "{error}");
    }
}
