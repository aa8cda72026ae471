//! Message files: read once, before the run, and made ready to send.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::Reader;
use super::csv_file::open;
use super::text::Text;
use crate::message::MailFile;
use crate::scenario::{MAIL_BYTES_MAX, MAIL_FILES_MAX};
use crate::smtp::transparency::stuff;

impl Reader<'_> {
    /// The message file that `text` names.
    pub(super) fn mail_file(&mut self, text: &Text) -> Option<Vec<MailFile>> {
        let path = self.path(text);
        match self.read_mail(path) {
            Ok(file) => Some(vec![file]),
            Err(message) => {
                self.faults.push(text.fault(format!("`{}` {message}", text.shown), ""));
                None
            }
        }
    }

    /// Every `*.eml` file of the folder that `text` names, by name.
    pub(super) fn mail_folder(&mut self, text: &Text) -> Option<Vec<MailFile>> {
        let (folder, shown) = (self.path(text), self.shown_path(text));
        let names = match eml_names(&folder) {
            Ok(names) => names,
            Err(message) => {
                self.faults.push(text.fault(format!("`{}` {message}", text.shown), ""));
                return None;
            }
        };
        let fault = if names.is_empty() {
            format!("`{}` holds no *.eml file", text.shown)
        } else if names.len() > MAIL_FILES_MAX {
            format!("`{}` holds over {MAIL_FILES_MAX} files", text.shown)
        } else {
            return self.mail_files(&folder, &shown, &names);
        };
        self.faults.push(text.fault(fault, ""));
        None
    }

    fn mail_files(
        &mut self,
        folder: &Path,
        shown: &Path,
        names: &[PathBuf],
    ) -> Option<Vec<MailFile>> {
        let mut files = Vec::with_capacity(names.len());
        for name in names {
            match self.read_mail(folder.join(name)) {
                Ok(file) => files.push(file),
                Err(message) => self.file_fault(&shown.join(name), 0, message),
            }
            // Past the limit every further file would be a fault.
            if self.mail_bytes > MAIL_BYTES_MAX {
                return None;
            }
        }
        (files.len() == names.len()).then_some(files)
    }

    /// Reads one file. The error is a fragment that follows the path.
    fn read_mail(&mut self, path: PathBuf) -> Result<MailFile, String> {
        let file = open(&path, MAIL_BYTES_MAX)?;
        let mut bytes = Vec::new();
        let limit = MAIL_BYTES_MAX.saturating_sub(self.mail_bytes);
        file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| io_fault(&error))?;
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.mail_bytes = self.mail_bytes.saturating_add(length);
        if length > limit {
            let limit = MAIL_BYTES_MAX >> 20;
            return Err(format!("brings the message files over {limit} MiB in all"));
        }
        if bytes.is_empty() {
            return Err("is empty".to_owned());
        }
        let data = with_crlf(&bytes);
        let stuffed = stuff(&data).into();
        let eight_bit = !data.is_ascii();
        let utf8_header = eight_bit && !header_of(&data).is_ascii();
        let as_it_is = self.asked.binary_mime.is_some() && bytes != data;
        let binary = as_it_is.then(|| bytes.into());
        Ok(MailFile { path, data: data.into(), stuffed, binary, eight_bit, utf8_header })
    }
}

/// What went wrong with a file: a fragment that follows its path, without the number of the system's error.
pub(super) fn io_fault(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "does not exist".to_owned(),
        std::io::ErrorKind::PermissionDenied => "may not be read".to_owned(),
        kind => format!("cannot be read: {kind}"),
    }
}

/// Names of the regular `*.eml` files in `folder`, sorted; stops behind [`MAIL_FILES_MAX`].
fn eml_names(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(folder).map_err(|error| io_fault(&error))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| io_fault(&error))?;
        let name = PathBuf::from(entry.file_name());
        let eml = name.extension().is_some_and(|end| end.eq_ignore_ascii_case("eml"));
        if eml && folder.join(&name).is_file() {
            names.push(name);
        }
        if names.len() > MAIL_FILES_MAX {
            break;
        }
    }
    names.sort();
    Ok(names)
}

/// The header of `data`, whose lines end with CRLF.
fn header_of(data: &[u8]) -> &[u8] {
    let end =
        if data.starts_with(b"\r\n") { Some(0) } else { memchr::memmem::find(data, b"\r\n\r\n") };
    &data[..end.unwrap_or(data.len())]
}

/// The lines of `bytes` with CRLF, the last one too (RFC 5321 section 2.3.8). Everything else stays.
fn with_crlf(bytes: &[u8]) -> Vec<u8> {
    let mut data = Vec::with_capacity(bytes.len() + bytes.len() / 32 + 2);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text =
            if text.len() < line.len() { text.strip_suffix(b"\r").unwrap_or(text) } else { text };
        data.extend_from_slice(text);
        data.extend_from_slice(b"\r\n");
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], want: &[u8]) {
        assert_eq!(with_crlf(bytes), want, "{:?}", String::from_utf8_lossy(bytes));
    }

    #[test]
    fn lines_end_with_crlf() {
        check(b"a\nb\n", b"a\r\nb\r\n");
        check(b"a\r\nb\r\n", b"a\r\nb\r\n");
        check(b"a\r\nb\nc", b"a\r\nb\r\nc\r\n");
        check(b"\n\n", b"\r\n\r\n");
    }

    #[test]
    fn other_bytes_stay() {
        check(b"a\rb\0\xff\n", b"a\rb\0\xff\r\n");
        check(b"a\r\r\n", b"a\r\r\n");
        check(b"a\r", b"a\r\r\n");
    }

    #[test]
    fn a_header_ends_at_the_first_empty_line() {
        assert_eq!(header_of(b"A: b\r\nC: d\r\n\r\nbody\r\n\r\n"), b"A: b\r\nC: d");
        assert_eq!(header_of(b"\r\nbody\r\n\r\n"), b"");
        assert_eq!(header_of(b"A: b\r\n"), b"A: b\r\n");
    }
}
