//! The client that the session speaks for: a PROXY header in front of everything, or XCLIENT behind EHLO.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Action, Dialogue, Role, Todo};
use crate::clock::Instant;
use crate::engine::desk::Desk;
use crate::measure::outcome::{Failure, Outcome};
use crate::message::template::Template;
use crate::plan::Plan;
use crate::scenario::script::{Op, Verb};
use crate::scenario::step::StepId;
use crate::scenario::via::{Carrier, ClientAddress, Via, is_unknown};
use crate::smtp::capabilities::Capabilities;
use crate::smtp::proxy::{Endpoints, Header};
use crate::smtp::text::printable;
use crate::smtp::xclient::{self, Attribute};

/// The two ends of the connection as the socket knows them; none of a UNIX socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// Ours.
    pub local: Option<SocketAddr>,
    /// The server's.
    pub peer: Option<SocketAddr>,
}

impl Dialogue {
    /// Says between which ends the connection is, before [`Dialogue::connected`]; needed where a PROXY header names
    /// them.
    pub fn note_ends(&mut self, ends: Ends) {
        self.ends = ends;
    }

    /// Whether EHLO or HELO was accepted.
    #[must_use]
    pub fn was_welcomed(&self) -> bool {
        self.welcomed
    }

    /// Whether no EHLO, LHLO or HELO was accepted, and the server does not know the last one.
    #[must_use]
    pub fn met_unknown_hello(&self) -> bool {
        self.unwelcome && !self.welcomed
    }

    /// Whether the server took what XCLIENT says of the client.
    #[must_use]
    pub fn was_introduced(&self) -> bool {
        self.introduced
    }

    /// Whether a PROXY header goes out before anything else, TLS included.
    pub(super) fn begins_with_header(plan: &Plan) -> bool {
        plan.scenario.via.as_ref().is_some_and(|via| matches!(via.carrier, Carrier::Proxy(_)))
    }

    /// Whether nothing may be sent before XCLIENT was.
    pub(super) fn awaits_xclient(&self, plan: &Plan) -> bool {
        let via = plan.scenario.via.as_ref();
        !self.introduced && via.is_some_and(|via| via.carrier == Carrier::Xclient)
    }

    /// Writes the PROXY header: what the server reads first, before it greets, and in clear also where TLS begins at
    /// once.
    pub(super) fn put_header(
        &mut self,
        plan: &Plan,
        desk: &mut Desk,
        now: Instant,
    ) -> Option<Action> {
        let Some(Via { carrier: Carrier::Proxy(version), .. }) = &plan.scenario.via else {
            self.begin(plan, now);
            return None;
        };
        match self.header(plan, &desk.date) {
            Ok(header) => {
                desk.out.raw_with(|out| header.put(*version, out));
                self.begin(plan, now);
                Some(Action::Write(None))
            }
            Err(why) => {
                self.fail_here(plan, desk, now, StepId::GREETING, &why);
                None
            }
        }
    }

    /// What the scenario says of the client cannot be written. A step of which nothing went out has no sample.
    fn fail_here(&mut self, plan: &Plan, desk: &mut Desk, now: Instant, step: StepId, why: &str) {
        self.remark = Some(format!("{}: {why}", Failure::Internal.name()));
        let place = self.place(step, self.stage_of(plan, desk, now));
        desk.recorder.failure(place, Failure::Internal, why);
        self.failure.get_or_insert(Failure::Internal);
        self.end(plan, desk, now, Failure::Internal.outcome());
    }

    fn header(&self, plan: &Plan, date: &str) -> Result<Header, String> {
        let Some(via) = &plan.scenario.via else { return Ok(Header::Local) };
        let port = self.client_port(plan, date, via)?;
        let Some(ip) = self.client_address(plan, date, via)? else { return Ok(Header::Local) };
        let own = self.ends.local.map_or(0, |local| local.port());
        let source = SocketAddr::new(ip, port.unwrap_or(own));
        // A UNIX socket has no address to name.
        let none = match ip {
            IpAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
        };
        let destination = self.ends.peer.unwrap_or(SocketAddr::new(none, 0));
        Ok(Header::Tcp(Endpoints::new(source, destination)))
    }

    /// EHLO or HELO was accepted, and what follows from that for TLS is settled: XCLIENT is next, unless TLS is, where it
    /// is owed and the server takes it.
    pub(super) fn introduce(&mut self, plan: &Plan, desk: &mut Desk, now: Instant) {
        let open = self.todo == Todo::Op && self.closing.is_none();
        if !open || !self.awaits_xclient(plan) || self.awaits_tls(plan) {
            return;
        }
        let hello = self.hello;
        match self.capabilities.xclient {
            Some(offered) if offered.has(Attribute::Addr) => self.todo = Todo::Xclient { hello },
            Some(_) => self.not_offered(plan, desk, now, "the server's XCLIENT takes no ADDR"),
            None if self.said_helo(plan) => {
                self.not_offered(plan, desk, now, "HELO learns of no XCLIENT: say EHLO");
            }
            None => self.not_offered(plan, desk, now, "the server offers no XCLIENT"),
        }
    }

    /// Whether the script greets by HELO.
    fn said_helo(&self, plan: &Plan) -> bool {
        matches!(self.op(plan, self.hello), Op::Command(command) if command.verb == Verb::Helo)
    }

    /// Whether the session is about to send mail before the server knows whose it is to be.
    pub(super) fn stops_wrong_name(&mut self, plan: &Plan, desk: &mut Desk, now: Instant) -> bool {
        let stops = self.awaits_xclient(plan);
        if stops {
            self.forget_gathered(desk);
            let what = "the script says MAIL before the reply to EHLO, which offers XCLIENT";
            self.not_offered(plan, desk, now, what);
        }
        stops
    }

    /// What the scenario asks for cannot be had: the session does nothing else under a wrong name.
    fn not_offered(&mut self, plan: &Plan, desk: &mut Desk, now: Instant, what: &str) {
        let Some(via) = &plan.scenario.via else { return };
        let place = self.place(via.step, self.stage_of(plan, desk, now));
        desk.recorder.failure(place, Failure::XclientNotOffered, what);
        self.remark = Some(format!("{}: {what}", Failure::XclientNotOffered.name()));
        self.failure.get_or_insert(Failure::XclientNotOffered);
        self.outcome = Outcome::Lost;
        self.todo = Todo::Quit;
    }

    /// Writes XCLIENT with what the server takes of what the scenario says.
    pub(super) fn xclient(
        &mut self,
        plan: &Plan,
        desk: &mut Desk,
        now: Instant,
        hello: usize,
    ) -> Option<Action> {
        let via = plan.scenario.via.as_ref()?;
        let mut line = Vec::new();
        let put = self.put_xclient(plan, &desk.date, via, &mut line);
        if let Err(why) = put {
            self.fail_here(plan, desk, now, via.step, &why);
            return None;
        }
        self.owe(plan, now, via.step, Role::Xclient, hello);
        // Values are in xtext, which has no line end.
        desk.out.raw(&line);
        Some(Action::Write(None))
    }

    fn put_xclient(
        &self,
        plan: &Plan,
        date: &str,
        via: &Via,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        let offered = self.capabilities.xclient.unwrap_or_default();
        out.extend_from_slice(b"XCLIENT");
        xclient::put_address(self.client_address(plan, date, via)?, out);
        if let Some(port) = self.client_port(plan, date, via)?
            && offered.has(Attribute::Port)
        {
            xclient::put_attribute(Attribute::Port, port.to_string().as_bytes(), out);
        }
        for (attribute, template) in &via.attributes {
            if offered.has(*attribute) {
                let value = self.client_value(plan, date, template);
                xclient::put_attribute(*attribute, value.trim_ascii(), out);
            }
        }
        out.extend_from_slice(b"\r\n");
        match out.len() {
            ..=xclient::LINE_BYTES_MAX => Ok(()),
            bytes => {
                Err(format!("an XCLIENT line of {bytes} bytes, over the 512 that it may have"))
            }
        }
    }

    /// The reply to XCLIENT: a greeting, or the end of the session.
    pub(super) fn handle_xclient(&mut self, outcome: Outcome, hello: usize) {
        if outcome == Outcome::Accepted {
            self.introduced = true;
            // What was offered before was offered to somebody else.
            self.capabilities = Capabilities::default();
            self.todo = Todo::Hello { op: hello };
        } else {
            self.remark = Some("the server did not take XCLIENT".to_owned());
            self.outcome = outcome;
            self.todo = Todo::Quit;
        }
    }

    /// EHLO once more, to the greeting that XCLIENT had for a reply.
    pub(super) fn hello_again(
        &mut self,
        plan: &Plan,
        desk: &mut Desk,
        now: Instant,
        op: usize,
    ) -> Option<Action> {
        match self.op(plan, op) {
            Op::Command(command) => self.command(plan, desk, now, op, command),
            _ => None,
        }
    }

    fn client_address(&self, plan: &Plan, date: &str, via: &Via) -> Result<Option<IpAddr>, String> {
        let template = match &via.address {
            ClientAddress::Unknown => return Ok(None),
            ClientAddress::List(list) => {
                let turn = self.number.checked_rem(list.len() as u64).unwrap_or(0);
                return Ok(usize::try_from(turn).ok().and_then(|turn| list.get(turn).copied()));
            }
            ClientAddress::Template(template) => template,
        };
        self.parse_value(plan, date, template, "IP address")
    }

    fn client_port(&self, plan: &Plan, date: &str, via: &Via) -> Result<Option<u16>, String> {
        match &via.port {
            None => Ok(None),
            Some(template) => self.parse_value(plan, date, template, "port"),
        }
    }

    fn parse_value<T: std::str::FromStr>(
        &self,
        plan: &Plan,
        date: &str,
        template: &Template,
        wanted: &str,
    ) -> Result<Option<T>, String> {
        let value = self.client_value(plan, date, template);
        let text = String::from_utf8_lossy(&value);
        match text.trim() {
            unknown if is_unknown(unknown) => Ok(None),
            text => text.parse().map(Some).map_err(|_| {
                let shown = printable(text.as_bytes());
                format!("`{shown}` of the scenario's [client] is no {wanted}")
            }),
        }
    }

    fn client_value(&self, plan: &Plan, date: &str, template: &Template) -> Vec<u8> {
        let mut value = Vec::new();
        self.put_line(plan, date, template, &mut value);
        value
    }
}
