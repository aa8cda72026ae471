//! The commands of a session and their replies (RFC 5321 sections 4.1 and 4.3.2, RFC 3030).

use std::sync::Arc;

use super::{Close, ERRORS_MAX, Greeted, Phase, RECIPIENTS_MAX, SinkSession, Transaction};
use crate::behavior::SinkVerb;
use crate::sink::arguments::{self, Chunk};
use crate::sink::repertoire::*;
use crate::smtp::Protocol;
use crate::smtp::parameters::domain_of;
use crate::smtp::transparency::Unstuffer;

impl SinkSession {
    pub(super) fn command(&mut self, verb: SinkVerb, argument: &[u8], out: &mut Vec<u8>) {
        if self.greeted == Greeted::Refused && verb != SinkVerb::Quit {
            return self.fault(NOT_SERVING, out);
        }
        match verb {
            SinkVerb::Ehlo | SinkVerb::Helo => self.hello(verb, argument, out),
            SinkVerb::Auth => self.auth(argument, out),
            SinkVerb::Mail => self.mail(argument, out),
            SinkVerb::Rcpt => self.rcpt(argument, out),
            SinkVerb::Data => self.data(argument, out),
            SinkVerb::Bdat => self.bdat(argument, out),
            // RFC 5321 section 4.1.1.5 and 4.1.1.10: no argument.
            SinkVerb::Rset | SinkVerb::Quit if !argument.is_empty() => {
                self.fault(BAD_ARGUMENT, out);
            }
            SinkVerb::Rset => {
                if self.accept(verb, OK, out) {
                    self.reset();
                }
            }
            SinkVerb::Quit => {
                self.accept(verb, BYE, out);
                self.close.get_or_insert(Close::Quit);
            }
            SinkVerb::Starttls if !argument.is_empty() => self.fault(BAD_ARGUMENT, out),
            SinkVerb::Starttls if !self.offers_tls() => self.fault(NO_TLS, out),
            SinkVerb::Starttls => {
                if self.accept(verb, GO_AHEAD, out) {
                    self.phase = Phase::Handshake;
                }
            }
            SinkVerb::Vrfy if argument.is_empty() => self.fault(BAD_ARGUMENT, out),
            SinkVerb::Vrfy => _ = self.accept(verb, VRFY_OK, out),
            SinkVerb::Noop => _ = self.accept(verb, OK, out),
            SinkVerb::Help => _ = self.accept(verb, HELP_OK, out),
            SinkVerb::Xclient => self.xclient(argument, out),
            SinkVerb::Unknown | SinkVerb::Greeting | SinkVerb::Eod => {
                if self.service.repertoire.fixed_reply(verb).is_some() || self.entry(verb).is_some()
                {
                    self.accept(verb, UNKNOWN, out);
                } else {
                    self.fault(UNKNOWN, out);
                }
            }
        }
    }

    fn hello(&mut self, verb: SinkVerb, argument: &[u8], out: &mut Vec<u8>) {
        if !arguments::is_client_name(argument) {
            return self.fault(NAME_YOURSELF, out);
        }
        let service = Arc::clone(&self.service);
        let own = match verb {
            SinkVerb::Ehlo if self.encrypted => service.repertoire.ehlo_under_tls(),
            _ => service.repertoire.hello(verb, self.offers_tls()),
        };
        let announced = match (&service.logins, verb) {
            (Some(logins), SinkVerb::Ehlo) if !service.repertoire.hides("AUTH") => {
                logins.announce(own, &self.bindings).into()
            }
            _ => std::borrow::Cow::Borrowed(own),
        };
        if self.accept(verb, &announced, out) {
            self.greeted = Greeted::Yes;
            // RFC 5321 section 4.1.4: EHLO clears like RSET.
            self.reset();
        }
    }

    fn mail(&mut self, argument: &[u8], out: &mut Vec<u8>) {
        if self.greeted != Greeted::Yes {
            return self.fault(HELLO_FIRST, out);
        }
        if self.lacks_login() {
            return self.fault(LOGIN_FIRST, out);
        }
        if self.transaction != Transaction::None {
            return self.fault(NESTED_MAIL, out);
        }
        let mail = match arguments::mail(argument, self.encrypted) {
            Ok(mail) => mail,
            Err(refusal) => return self.fault(refusal, out),
        };
        if mail.size.is_some_and(|size| size > self.service.repertoire.size_limit()) {
            // RFC 1870 section 6.1.
            return self.say(TOO_LARGE, out);
        }
        let limit = self.service.repertoire.limits().mail_max;
        if limit.is_some_and(|limit| self.mails >= limit.get()) {
            return self.say(TOO_MANY_MESSAGES, out);
        }
        if self.accept(SinkVerb::Mail, MAIL_OK, out) {
            self.transaction = Transaction::Mail;
            self.utf8 = mail.utf8;
            self.binary = mail.binary;
            self.mails = self.mails.saturating_add(1);
            if let Some(case) = &mut self.case {
                case.note_sender(|| arguments::reverse_path(argument));
            }
        }
    }

    fn rcpt(&mut self, argument: &[u8], out: &mut Vec<u8>) {
        match self.transaction {
            Transaction::Mail => {}
            Transaction::None => return self.miss_mail(out),
            Transaction::Chunks | Transaction::Failed => return self.fault(AFTER_BDAT, out),
        }
        let path = match arguments::rcpt(argument, self.utf8) {
            Ok(path) => path,
            Err(refusal) => return self.fault(refusal, out),
        };
        let limits = self.service.repertoire.limits();
        let most = limits.rcpt_max.map_or(RECIPIENTS_MAX, |limit| limit.get().min(RECIPIENTS_MAX));
        if self.recipients >= most {
            // RFC 5321 section 4.5.3.1.10.
            return self.say(TOO_MANY_RECIPIENTS, out);
        }
        let domain = limits.rcpt_domain_max.and_then(|limit| self.new_domain(limit.get(), path));
        if domain == Some(None) {
            return self.say(TOO_MANY_DOMAINS, out);
        }
        if self.accept(SinkVerb::Rcpt, RCPT_OK, out) {
            self.recipients += 1;
            self.domains.extend(domain.flatten());
            if let Some(case) = &mut self.case {
                case.note_recipient(path);
            }
        }
    }

    /// The domain of `path` if no recipient had it so far; `Some(None)` where that is one more than `limit`.
    fn new_domain(&self, limit: u32, path: &[u8]) -> Option<Option<Vec<u8>>> {
        let domain = domain_of(path).to_ascii_lowercase();
        if self.domains.contains(&domain) {
            return None;
        }
        let room = u32::try_from(self.domains.len()).is_ok_and(|count| count < limit);
        Some(room.then_some(domain))
    }

    fn data(&mut self, argument: &[u8], out: &mut Vec<u8>) {
        if !argument.is_empty() {
            return self.fault(BAD_ARGUMENT, out);
        }
        match self.transaction {
            Transaction::None => return self.miss_mail(out),
            // RFC 3030 section 3: DATA may not follow BDAT in a transaction.
            Transaction::Chunks | Transaction::Failed => return self.fault(AFTER_BDAT, out),
            // RFC 5321 section 3.3: 554 where every recipient was refused.
            // RFC 3030 section 3: binary mail does not go by DATA.
            Transaction::Mail if self.binary => return self.fault(BINARY_BY_BDAT, out),
            Transaction::Mail if self.recipients == 0 => return self.say(NO_RECIPIENTS, out),
            Transaction::Mail => {}
        }
        // Only after a 3yz reply does the peer send mail data.
        if self.answer(SinkVerb::Data, SEND_DATA, out) == b'3' {
            self.phase = Phase::Data;
            self.unstuffer = Unstuffer::default();
        }
    }

    /// RFC 3030 section 2: whatever the reply will be, the bytes of the chunk follow the command and are taken off.
    fn bdat(&mut self, argument: &[u8], out: &mut Vec<u8>) {
        let Chunk { size, last } = match arguments::chunk(argument) {
            Ok(chunk) => chunk,
            Err(refusal) => return self.fault(refusal, out),
        };
        let refusal = match self.transaction {
            Transaction::None => Some(NO_MAIL),
            Transaction::Failed => Some(RESET_FIRST),
            Transaction::Mail if self.recipients == 0 => Some(NO_RECIPIENTS),
            Transaction::Mail | Transaction::Chunks => None,
        };
        if refusal.is_none() {
            self.transaction = Transaction::Chunks;
        }
        self.phase = Phase::Chunk { left: size, last, refusal };
    }

    /// Gives the reply of a rule or else `own`; returns its first digit. A rule stands in for what the sink says to a
    /// command that it would take; a faulty one, or one out of turn, is told so as ever.
    pub(super) fn answer(&mut self, verb: SinkVerb, own: &[u8], out: &mut Vec<u8>) -> u8 {
        if let Some(digit) = self.answer_by_rule(verb, own, out) {
            return digit;
        }
        let reply = self.service.repertoire.fixed_reply(verb).unwrap_or(own);
        self.say(reply, out);
        let digit = reply[0];
        if reply.starts_with(b"421") {
            // RFC 5321 section 3.8: the server that says 421 closes.
            self.close = Some(Close::Hangup);
        }
        digit
    }

    /// Answers; returns whether with 2yz or 3yz.
    pub(super) fn accept(&mut self, verb: SinkVerb, own: &[u8], out: &mut Vec<u8>) -> bool {
        matches!(self.answer(verb, own, out), b'2' | b'3')
    }

    /// Says what is wrong with a command. After too many it is the last reply.
    pub(super) fn fault(&mut self, reply: &[u8], out: &mut Vec<u8>) {
        self.say(reply, out);
        self.errors += 1;
        if self.errors >= ERRORS_MAX {
            self.hang_up(TOO_MANY_ERRORS, out);
        }
    }

    /// Answers a command that needs a transaction. No error of the peer's: when MAIL is refused, the commands that were
    /// pipelined behind it come all the same (RFC 2920 section 3.1).
    fn miss_mail(&self, out: &mut Vec<u8>) {
        self.say(NO_MAIL, out);
    }

    pub(super) fn hang_up(&mut self, reply: &[u8], out: &mut Vec<u8>) {
        self.say(reply, out);
        self.close = Some(Close::Hangup);
    }

    pub(super) fn say(&self, reply: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(reply);
        match reply[0] {
            b'4' => self.service.tally.replies_4yz.add(1),
            b'5' => self.service.tally.replies_5yz.add(1),
            _ => {}
        }
    }
}

/// The verb of a line, in any case, and its argument without the white space that RFC 5321 section 4.1.1 has servers
/// tolerate at the end.
pub(super) fn split_command(line: &[u8], protocol: Protocol) -> (SinkVerb, &[u8]) {
    let line = line.trim_ascii_end();
    let Some((name, rest)) = line.split_first_chunk::<4>() else {
        return (SinkVerb::Unknown, &[]);
    };
    let argument = match rest {
        [] => rest,
        [b' ', ..] => rest.trim_ascii_start(),
        _ => return long_verb(line),
    };
    let lmtp = protocol == Protocol::Lmtp;
    let verb = match &name.map(|byte| byte.to_ascii_lowercase()) {
        // RFC 2033 section 4.1: LHLO instead of both, never beside them.
        b"lhlo" if lmtp => SinkVerb::Ehlo,
        b"ehlo" | b"helo" if lmtp => SinkVerb::Unknown,
        b"auth" => SinkVerb::Auth,
        b"mail" => SinkVerb::Mail,
        b"rcpt" => SinkVerb::Rcpt,
        b"data" => SinkVerb::Data,
        b"ehlo" => SinkVerb::Ehlo,
        b"helo" => SinkVerb::Helo,
        b"bdat" => SinkVerb::Bdat,
        b"rset" => SinkVerb::Rset,
        b"noop" => SinkVerb::Noop,
        b"vrfy" => SinkVerb::Vrfy,
        b"help" => SinkVerb::Help,
        b"quit" => SinkVerb::Quit,
        _ => SinkVerb::Unknown,
    };
    (verb, argument)
}

/// Verbs of more than four letters.
fn long_verb(line: &[u8]) -> (SinkVerb, &[u8]) {
    let end = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
    let (name, argument) = line.split_at(end);
    let verb = match name.to_ascii_lowercase().as_slice() {
        b"xclient" => SinkVerb::Xclient,
        b"starttls" => SinkVerb::Starttls,
        _ => return (SinkVerb::Unknown, &[]),
    };
    (verb, argument.trim_ascii_start())
}
