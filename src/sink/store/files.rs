//! Maildir, mbox and lines of JSON.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::{Capture, Kept};
use crate::clock;

/// Where messages are written.
#[derive(Debug)]
pub(super) struct Files {
    maildir: Option<Maildir>,
    mbox: Option<(PathBuf, BufWriter<File>)>,
    jsonl: Option<(PathBuf, BufWriter<File>)>,
}

#[derive(Debug)]
struct Maildir {
    folder: PathBuf,
    hostname: String,
    number: u64,
}

impl Files {
    /// Makes the folders and opens the files; what is there already is added to.
    pub(super) fn open(capture: &Capture, hostname: &str) -> io::Result<Self> {
        let file = |path: &PathBuf| {
            let opened = OpenOptions::new().create(true).append(true).open(path);
            opened
                .map(|file| (path.clone(), BufWriter::new(file)))
                .map_err(|error| named(path, &error))
        };
        let maildir = match &capture.maildir {
            Some(folder) => Some(Maildir::open(folder, hostname)?),
            None => None,
        };
        Ok(Self {
            maildir,
            mbox: capture.mbox.as_ref().map(file).transpose()?,
            jsonl: capture.jsonl.as_ref().map(file).transpose()?,
        })
    }

    /// Whether the line of JSON is asked for.
    pub(super) fn wants_records(&self) -> bool {
        self.jsonl.is_some()
    }

    /// Writes a message to all of them; one that fails does not keep the others from it.
    pub(super) fn write(
        &mut self,
        kept: &Kept,
        content: &[u8],
        line: Option<&str>,
    ) -> io::Result<()> {
        let maildir = self.maildir.as_mut().map(|maildir| maildir.write(kept, content));
        let mbox = self.mbox.as_mut().map(|(path, file)| {
            write_mbox(file, kept, content).map_err(|error| named(path, &error))
        });
        let jsonl = self.jsonl.as_mut().zip(line).map(|((path, file), line)| {
            // Each line at once, for whoever watches the file.
            let written =
                file.write_all(format!("{line}\n").as_bytes()).and_then(|()| file.flush());
            written.map_err(|error| named(path, &error))
        });
        [maildir, mbox, jsonl].into_iter().flatten().collect()
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        for (path, file) in self.mbox.iter_mut().chain(self.jsonl.iter_mut()) {
            file.flush().map_err(|error| named(path, &error))?;
        }
        Ok(())
    }
}

impl Maildir {
    fn open(folder: &Path, hostname: &str) -> io::Result<Self> {
        for part in ["tmp", "new", "cur"] {
            let path = folder.join(part);
            std::fs::create_dir_all(&path).map_err(|error| named(&path, &error))?;
        }
        // A name of the file's own (the Maildir convention), without what would part it.
        let hostname = hostname.replace(['/', ':'], "_");
        Ok(Self { folder: folder.to_owned(), hostname, number: 0 })
    }

    /// Under a temporary name first, so that whoever looks sees whole messages only.
    fn write(&mut self, kept: &Kept, content: &[u8]) -> io::Result<()> {
        self.number += 1;
        let (micros, process) = (clock::wall().as_microsecond(), std::process::id());
        let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
        let name = format!("{seconds}.M{micros}P{process}Q{}.{}", self.number, self.hostname);
        let (tmp, new) = (self.folder.join("tmp").join(&name), self.folder.join("new").join(&name));
        let write = || {
            let mut file = File::create_new(&tmp)?;
            file.write_all(&envelope(kept))?;
            file.write_all(content)?;
            std::fs::rename(&tmp, &new)
        };
        write().map_err(|error| named(&new, &error))
    }
}

/// `Return-Path` and a `Delivered-To` for every recipient, as whoever delivers puts them on top (RFC 5321 section 4.4).
fn envelope(kept: &Kept) -> Vec<u8> {
    let mut out = [b"Return-Path: <", &*kept.origin.sender, b">\r\n"].concat();
    for recipient in &kept.origin.recipients {
        out.extend([b"Delivered-To: ", &**recipient, b"\r\n"].concat());
    }
    out
}

/// In the form mboxrd: lines that begin with `From `, quoted or not, are quoted once more; lines end with LF.
fn write_mbox(out: &mut impl Write, kept: &Kept, content: &[u8]) -> io::Result<()> {
    let sender = match &*kept.origin.sender {
        b"" => "MAILER-DAEMON".into(),
        sender => String::from_utf8_lossy(sender).replace(char::is_whitespace, "_"),
    };
    let date = clock::wall().strftime("%a %b %e %H:%M:%S %Y").to_string();
    writeln!(out, "From {sender} {date}")?;
    for part in [&envelope(kept), content] {
        for line in part.split_inclusive(|byte| *byte == b'\n') {
            let quotes = line.iter().take_while(|byte| **byte == b'>').count();
            if line[quotes..].starts_with(b"From ") {
                out.write_all(b">")?;
            }
            let text = line.strip_suffix(b"\n").unwrap_or(line);
            out.write_all(text.strip_suffix(b"\r").unwrap_or(text))?;
            out.write_all(b"\n")?;
        }
    }
    out.write_all(b"\n")
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
