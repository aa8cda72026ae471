//! A CSV file of a result folder, read by column name.

use std::path::Path;

/// All rows of a file.
#[derive(Debug)]
pub(crate) struct Table {
    text: String,
    header: csv::StringRecord,
    rows: Vec<csv::StringRecord>,
}

impl Table {
    /// Reads `folder/name`.
    ///
    /// # Panics
    /// When it is not there or not CSV.
    #[track_caller]
    pub(crate) fn read(folder: &Path, name: &str) -> Self {
        let path = folder.join(name);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => panic!("{}: {error}", path.display()),
        };
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let header = reader.headers().unwrap().clone();
        let rows = reader.records().collect::<Result<_, _>>().unwrap();
        Self { text, header, rows }
    }

    /// The sum of `column` over the rows that hold these values; 0 where none does, and an empty cell counts
    /// as nothing.
    #[track_caller]
    pub(crate) fn sum(&self, column: &str, wanted: &[(&str, &str)]) -> u64 {
        let cells = self.cells(column, wanted);
        cells.iter().filter(|cell| !cell.is_empty()).map(|cell| cell.parse::<u64>().unwrap()).sum()
    }

    /// The cells of `column` in the rows that hold these values.
    #[track_caller]
    pub(crate) fn cells(&self, column: &str, wanted: &[(&str, &str)]) -> Vec<&str> {
        let at = self.position(column);
        let wanted: Vec<(usize, &str)> =
            wanted.iter().map(|(name, value)| (self.position(name), *value)).collect();
        self.rows
            .iter()
            .filter(|row| wanted.iter().all(|(index, value)| row.get(*index) == Some(value)))
            .map(|row| row.get(at).unwrap())
            .collect()
    }

    #[track_caller]
    fn position(&self, column: &str) -> usize {
        match self.header.iter().position(|name| name == column) {
            Some(index) => index,
            None => panic!("no column {column} in\n{self}"),
        }
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}
