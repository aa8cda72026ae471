//! A reply of the user's choice: a code and one line of text.

use crate::smtp::reply::ReplyCode;
use crate::units::UnitError;

/// The longest text of a fixed reply: RFC 5321 section 4.5.3.1.5 gives a reply line 512 bytes with code and CRLF.
pub const REPLY_TEXT_MAX: usize = 506;

const HINT: &str = "write a code and a text: 450 4.2.0 try later";

/// A reply of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// 200 to 599.
    pub code: u16,
    /// Text after the code, one line without control characters.
    pub text: String,
}

impl Reply {
    /// Reads `450 4.2.0 try later`; the text may be missing.
    ///
    /// # Errors
    /// When the code is not one of 200 to 599, or the text is more than one printable line of [`REPLY_TEXT_MAX`] bytes.
    pub fn parse(line: &str) -> Result<Self, UnitError> {
        let (code, text) = line.split_once(' ').unwrap_or((line, ""));
        let fault = |message| Err(UnitError { message, hint: HINT.into() });
        let digits = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit());
        let Some(code) =
            code.parse().ok().filter(|_| digits).and_then(ReplyCode::new).map(ReplyCode::number)
        else {
            return fault(format!("`{}` is no reply code from 200 to 599", code.escape_debug()));
        };
        if text.chars().any(char::is_control) {
            return fault("a reply text with control characters".into());
        }
        if text.len() > REPLY_TEXT_MAX {
            return fault(format!("a reply text of over {REPLY_TEXT_MAX} bytes"));
        }
        Ok(Self { code, text: text.to_owned() })
    }

    /// As it goes over the wire.
    #[must_use]
    pub fn line(&self) -> Vec<u8> {
        // One line, whoever made it.
        let printable = |char: char| if char.is_control() { '?' } else { char };
        let text: String = self.text.chars().map(printable).collect();
        format!("{} {text}\r\n", self.code).into_bytes()
    }

    /// Whether it refuses: 4yz or 5yz.
    #[must_use]
    pub fn refuses(&self) -> bool {
        self.code >= 400
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_and_a_text() {
        let reply = |code, text: &str| Ok(Reply { code, text: text.to_owned() });
        assert_eq!(Reply::parse("450 4.2.0 try later"), reply(450, "4.2.0 try later"));
        assert_eq!(Reply::parse("250"), reply(250, ""));
        assert_eq!(Reply::parse("599 a=b"), reply(599, "a=b"));
        for (bad, message) in [
            ("", "`` is no reply code from 200 to 599"),
            ("199 x", "`199` is no reply code from 200 to 599"),
            ("600 x", "`600` is no reply code from 200 to 599"),
            ("+45 x", "`+45` is no reply code from 200 to 599"),
            ("later", "`later` is no reply code from 200 to 599"),
            ("450-x", "`450-x` is no reply code from 200 to 599"),
            ("450 a\r\nb", "a reply text with control characters"),
        ] {
            assert_eq!(Reply::parse(bad).unwrap_err().message, message, "{bad:?}");
        }
    }

    #[test]
    fn a_reply_line_has_at_most_512_bytes() {
        let reply = |length| Reply::parse(&format!("450 {}", "x".repeat(length)));
        assert_eq!(reply(REPLY_TEXT_MAX).map(|reply| reply.line().len()), Ok(512));
        assert!(reply(REPLY_TEXT_MAX + 1).is_err());
    }
}
