//! CSV files that a scenario names: a header row, then rows of as many cells, all UTF-8, none with a line end.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use super::Reader;
use super::mail_files::io_fault;
use super::text::Text;
use crate::scenario::fault::{Fault, Place};

/// Largest CSV file in bytes: its rows are held in memory.
pub(super) const CSV_BYTES_MAX: u64 = 1 << 30;
/// Faults that are shown of one file; a file of the wrong kind has one a row.
const CSV_FAULTS_MAX: usize = 10;

/// A CSV file, checked.
pub(super) struct CsvFile {
    /// As it may be shown.
    pub(super) path: PathBuf,
    /// From the header row, without white space around them; none is empty, no two are the same.
    pub(super) columns: Vec<String>,
    /// With the line each begins on; at least one.
    pub(super) rows: Vec<(u64, Box<[Box<str>]>)>,
}

impl Reader<'_> {
    /// Reads the file that `text` names.
    pub(super) fn csv_file(&mut self, text: &Text) -> Option<CsvFile> {
        let path = self.path(text);
        let opened = open(&path, CSV_BYTES_MAX);
        let file = match opened {
            Ok(file) => file,
            Err(message) => {
                self.faults.push(text.fault(format!("`{}` {message}", text.shown), ""));
                return None;
            }
        };
        let mut csv = CsvRows {
            file: CsvFile { path: self.shown_path(text), columns: Vec::new(), rows: Vec::new() },
            faults: Vec::new(),
        };
        csv.read(BufReader::new(file).take(CSV_BYTES_MAX));
        let CsvRows { file, faults } = csv;
        if faults.is_empty() {
            return Some(file);
        }
        let more = faults.len().saturating_sub(CSV_FAULTS_MAX);
        for (line, message) in faults.into_iter().take(CSV_FAULTS_MAX) {
            self.file_fault(&file.path, line, message);
        }
        if more > 0 {
            self.file_fault(&file.path, 0, format!("{more} more faults in this file"));
        }
        None
    }

    /// Adds a fault of a line of another file; 0 is the file as a whole.
    pub(super) fn file_fault(&mut self, path: &Path, line: u64, message: impl Into<String>) {
        let place = Place::File { path: path.to_owned(), line };
        self.faults.push(Fault { place, message: message.into(), hint: None });
    }
}

/// Opens a regular file of at most `limit` bytes. The error is a fragment that follows the path.
pub(super) fn open(path: &Path, limit: u64) -> Result<File, String> {
    let metadata = std::fs::metadata(path).map_err(|error| io_fault(&error))?;
    // A pipe or a device could keep the reader waiting, or never end.
    if !metadata.is_file() {
        return Err("is not a regular file".to_owned());
    }
    if metadata.len() > limit {
        return Err(format!("is over {} MiB large", limit >> 20));
    }
    File::open(path).map_err(|error| io_fault(&error))
}

struct CsvRows {
    file: CsvFile,
    faults: Vec<(u64, String)>,
}

impl CsvRows {
    fn read(&mut self, input: impl Read) {
        let mut reader =
            csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(input);
        let mut record = csv::ByteRecord::new();
        let mut header = true;
        loop {
            match reader.read_byte_record(&mut record) {
                Ok(false) => break,
                Ok(true) => {}
                Err(error) => {
                    let line = error.position().map_or(0, csv::Position::line);
                    self.faults.push((line, "the file cannot be read further".to_owned()));
                    return;
                }
            }
            let line = record.position().map_or(0, csv::Position::line);
            if header {
                self.header(line, &record);
                if !self.faults.is_empty() {
                    return;
                }
            } else {
                self.row(line, &record);
            }
            header = false;
        }
        if header {
            self.faults.push((0, "the file is empty: it needs a header row".to_owned()));
        } else if self.file.rows.is_empty() && self.faults.is_empty() {
            self.faults.push((0, "the file has no row below its header".to_owned()));
        }
    }

    fn header(&mut self, line: u64, record: &csv::ByteRecord) {
        for (index, cell) in record.iter().enumerate() {
            // Spreadsheets begin a UTF-8 file with a byte order mark.
            let bom = cell.strip_prefix("\u{feff}".as_bytes()).filter(|_| index == 0);
            let Some(cell) = self.cell(line, index, bom.unwrap_or(cell)) else { continue };
            let name = cell.trim();
            if name.is_empty() {
                self.faults.push((line, format!("column {} has no name", index + 1)));
            } else if self.file.columns.iter().any(|column| column == name) {
                self.faults.push((line, format!("a second column named `{name}`")));
            }
            self.file.columns.push(name.to_owned());
        }
    }

    fn row(&mut self, line: u64, record: &csv::ByteRecord) {
        let (cells, columns) = (record.len(), self.file.columns.len());
        if cells != columns {
            self.faults.push((line, format!("{cells} cells in a table of {columns} columns")));
            return;
        }
        let mut row = Vec::with_capacity(columns);
        for (index, cell) in record.iter().enumerate() {
            row.extend(self.cell(line, index, cell).map(Box::from));
        }
        self.file.rows.push((line, row.into()));
    }

    fn cell<'c>(&mut self, line: u64, index: usize, cell: &'c [u8]) -> Option<&'c str> {
        let number = index + 1;
        match std::str::from_utf8(cell) {
            Err(_) => self.faults.push((line, format!("cell {number} is not UTF-8"))),
            // It would end the command it is put into (RFC 5321 section 2.3.8).
            Ok(text) if text.contains(['\r', '\n']) => {
                self.faults.push((line, format!("cell {number} holds a line end")));
            }
            Ok(text) => return Some(text),
        }
        None
    }
}
