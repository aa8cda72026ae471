//! What goes out: command lines that cannot hold CR or LF, and raw bytes where a script says so.

use std::fmt;

use memchr::memchr2;

/// A command line would have held CR or LF: one command would have become two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineEndInCommand;

impl fmt::Display for LineEndInCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a command line holds CR or LF")
    }
}

impl std::error::Error for LineEndInCommand {}

/// Commands rendered one behind the other, ready for one write. Keeps its memory between uses.
#[derive(Default)]
pub struct CommandBuffer {
    bytes: Vec<u8>,
}

impl fmt::Debug for CommandBuffer {
    /// Without what is in it, which may be a login.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CommandBuffer({} bytes)", self.bytes.len())
    }
}

impl CommandBuffer {
    /// Appends the line that `render` writes, and its CRLF.
    ///
    /// # Errors
    /// When the line holds CR or LF; nothing is appended then.
    pub fn line(&mut self, render: impl FnOnce(&mut Vec<u8>)) -> Result<(), LineEndInCommand> {
        let start = self.bytes.len();
        render(&mut self.bytes);
        if memchr2(b'\r', b'\n', &self.bytes[start..]).is_some() {
            self.bytes.truncate(start);
            return Err(LineEndInCommand);
        }
        self.bytes.extend_from_slice(b"\r\n");
        Ok(())
    }

    /// Appends bytes as they are: the named way to send what is no command.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Lets `render` append bytes as they are.
    pub fn raw_with<T>(&mut self, render: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        render(&mut self.bytes)
    }

    /// Everything appended so far.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Empties it.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_line_is_one_line(text in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut buffer = CommandBuffer::default();
            buffer.raw(b"NOOP\r\n");
            let result = buffer.line(|out| out.extend_from_slice(&text));
            let holds_end = text.iter().any(|byte| matches!(byte, b'\r' | b'\n'));
            prop_assert_eq!(result.is_err(), holds_end);
            let line_ends = buffer.bytes().iter().filter(|byte| **byte == b'\n').count();
            prop_assert_eq!(line_ends, if holds_end { 1 } else { 2 });
        }
    }
}
