//! Values of a command line: what `{{…}}` stands for in this session and message.

use super::Dialogue;
use crate::message::render::{self, Body, MessageId, put_number};
use crate::message::template::{Template, Value};
use crate::plan::Plan;

impl Dialogue {
    /// Appends a line without its CRLF.
    pub(super) fn put_line(&self, plan: &Plan, date: &str, line: &Template, out: &mut Vec<u8>) {
        line.render(out, |value, out| self.put_value(plan, date, value, out));
    }

    fn put_value(&self, plan: &Plan, date: &str, value: &Value, out: &mut Vec<u8>) {
        let (mail, identity) = (&plan.scenario.mail, &plan.identity);
        let (id, recipient) = match &self.message {
            Some(message) => (message.id, message.recipient),
            None => (MessageId { seq: self.number, kind: 0 }, 0),
        };
        match value {
            Value::Client => self.put_client(plan, date, out),
            Value::Sender => mail.put_sender(identity, id.seq, out),
            Value::Recipient => mail.put_recipient(identity, id.seq, recipient, out),
            Value::Domain => mail.put_domain(identity, id.seq, recipient, out),
            Value::Seq => put_number(id.seq, out),
            Value::MessageName => out.extend_from_slice(mail.kinds[id.kind].name.as_bytes()),
            Value::MessageSize => {
                let mut head = Vec::new();
                let body = self.put_head(plan, date, false, &mut head);
                put_number(head.len() as u64 + mail.body_bytes(body, false), out);
            }
            Value::Uniform { low, high, draw } => {
                put_number(render::uniform_value(identity.seed, id.seq, *low, *high, *draw), out);
            }
            Value::Column { table, column } => self.put_column(plan, *table, *column, out),
        }
    }

    /// The client's name in EHLO.
    fn put_client(&self, plan: &Plan, date: &str, out: &mut Vec<u8>) {
        match &plan.scenario.client {
            Some(name) => self.put_line(plan, date, name, out),
            None => {
                out.extend_from_slice(b"client-");
                put_number(self.number, out);
                out.extend_from_slice(b".test");
            }
        }
    }

    fn put_column(&self, plan: &Plan, table: usize, column: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(
            plan.scenario.tables[table].rows[self.rows[table]][column].as_bytes(),
        );
    }

    /// Appends the header of the message under way and gives the body below it.
    pub(super) fn put_head(
        &self,
        plan: &Plan,
        date: &str,
        stuffed: bool,
        out: &mut Vec<u8>,
    ) -> Body {
        let id = self.message.as_ref().map_or(MessageId { seq: 0, kind: 0 }, |message| message.id);
        let put_column =
            |table, column, out: &mut Vec<u8>| self.put_column(plan, table, column, out);
        plan.scenario.mail.put_head(&plan.identity, id, stuffed, date, put_column, out)
    }
}
