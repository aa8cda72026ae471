//! A trace: arrivals as they were recorded, from a CSV file.

use std::time::Duration;

use super::super::addresses::check_address;
use super::super::csv_file::CsvFile;
use super::super::section::nearest;
use super::super::text::Text;
use super::Reader;
use crate::message::trace::{TRACE_ROWS_MAX, Trace, TraceRow};
use crate::message::{MESSAGE_BYTES_MAX, RECIPIENTS_MAX};
use crate::units::{DURATION_MAX, parse_duration, parse_size};

/// Faulty rows that are shown of one file.
const ROW_FAULTS_MAX: usize = 10;
const COLUMNS: [&str; 4] = ["offset", "sender", "recipients", "size"];

impl Reader<'_> {
    /// The trace in the file that `text` names.
    pub(super) fn trace(&mut self, text: &Text, speed: f64) -> Option<Trace> {
        let file = self.csv_file(text)?;
        let columns = self.trace_columns(text, &file)?;
        if file.rows.len() > TRACE_ROWS_MAX {
            let message = format!("`{}` has over {TRACE_ROWS_MAX} rows", text.shown);
            self.faults.push(text.fault(message, "split it"));
            return None;
        }
        let mut rows: Vec<TraceRow> = Vec::with_capacity(file.rows.len());
        let mut faults = 0;
        for (line, cells) in &file.rows {
            let before = rows.last().map(|row| row.offset);
            match row(cells, &columns, before) {
                Ok(row) => rows.push(row),
                Err(message) => {
                    self.file_fault(&file.path, *line, message);
                    faults += 1;
                }
            }
            if faults == ROW_FAULTS_MAX {
                break;
            }
        }
        if faults > 0 {
            return None;
        }
        let first = rows.first().map_or(Duration::ZERO, |row| row.offset);
        rows.iter_mut().for_each(|row| row.offset -= first);
        let trace = Trace { rows };
        if trace.rows.last()?.offset > DURATION_MAX || trace.length(speed) > DURATION_MAX {
            let message = format!("`{}` takes over a year", text.shown);
            self.faults.push(text.fault(message, "offsets are seconds, or have a unit: 1500ms"));
            return None;
        }
        Some(trace)
    }

    /// Where each of [`COLUMNS`] is.
    fn trace_columns(&mut self, text: &Text, file: &CsvFile) -> Option<[Option<usize>; 4]> {
        let mut columns = [None; 4];
        let mut good = true;
        for (index, name) in file.columns.iter().enumerate() {
            match COLUMNS.iter().position(|column| column == name) {
                Some(column) => columns[column] = Some(index),
                None => {
                    let hint = match nearest(name, COLUMNS) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("known here: {}", COLUMNS.join(", ")),
                    };
                    let message = format!("`{}` has a column `{name}`", text.shown);
                    self.faults.push(text.fault(message, hint));
                    good = false;
                }
            }
        }
        if good && columns[0].is_none() {
            let message = format!("`{}` has no column `offset`", text.shown);
            self.faults.push(text.fault(message, "it says when each message came, in seconds"));
            good = false;
        }
        good.then_some(columns)
    }
}

/// A row of a trace, with its offset as written. The error is a lower-case sentence.
fn row(
    cells: &[Box<str>],
    columns: &[Option<usize>; 4],
    before: Option<Duration>,
) -> Result<TraceRow, String> {
    let cell = |column: usize| columns[column].map_or("", |index| cells[index].trim());
    let offset = offset(cell(0)).ok_or_else(|| {
        format!("offset `{}` is neither seconds nor a number with a unit", cell(0))
    })?;
    if before.is_some_and(|before| offset < before) {
        return Err("its offset is before that of the row above: rows are sorted by time".into());
    }
    let address = |address: &str| match check_address(address.as_bytes()) {
        Ok(()) => Ok(Box::from(address)),
        Err(message) => Err(format!("`{address}` {message}")),
    };
    let sender = match cell(1) {
        "" => None,
        // RFC 5321 section 4.5.5: reports of failed delivery come from it.
        "<>" => Some(Box::default()),
        sender => Some(address(sender)?),
    };
    let recipients = cell(2).split([';', ' ']).filter(|one| !one.is_empty()).map(address);
    let recipients = recipients.collect::<Result<Box<[_]>, _>>()?;
    if recipients.len() > RECIPIENTS_MAX as usize {
        return Err(format!("{} recipients, over {RECIPIENTS_MAX}", recipients.len()));
    }
    let bytes = match cell(3) {
        "" => None,
        size => Some(bytes(size)?),
    };
    Ok(TraceRow { offset, sender, recipients, bytes })
}

/// Seconds as a decimal number, to the nanosecond, or a duration with its unit.
fn offset(text: &str) -> Option<Duration> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) {
        return parse_duration(text).ok();
    }
    let nanos = format!("{part:0<9.9}").parse().ok()?;
    Some(Duration::new(whole.parse().ok()?, nanos))
}

fn bytes(text: &str) -> Result<u64, String> {
    let bytes = parse_size(text).map_err(|error| error.message)?;
    if !(1..=MESSAGE_BYTES_MAX).contains(&bytes) {
        return Err(format!("size `{text}` is not from 1 byte to {} MiB", MESSAGE_BYTES_MAX >> 20));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_seconds_or_have_a_unit() {
        let check = |text: &str, nanos: u64| {
            assert_eq!(offset(text), Some(Duration::from_nanos(nanos)), "{text}");
        };
        check("0", 0);
        check("1.5", 1_500_000_000);
        check("0.000000001", 1);
        check("0.0000000019", 1);
        check("1500ms", 1_500_000_000);
        check("2 s", 2_000_000_000);
        // A time since 1970, to the microsecond: no binary fraction is in between.
        check("1700000000.123456", 1_700_000_000_123_456_000);
        for bad in ["", ".", ".5", "5.", "-1", "1e3", "1x", "99999999999999999999", "1.2.3"] {
            assert_eq!(offset(bad), None, "{bad}");
        }
    }
}
