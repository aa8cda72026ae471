//! What can become of a step, a session and a message: data, sorted by whose fault it is.

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// The reply that the step expects.
    Accepted,
    /// 4yz where the step expects something else; end of data: any 4yz.
    Deferred,
    /// 5yz where the step expects something else; end of data: any 5yz.
    Rejected,
    /// A positive reply, but not the expected one.
    Unexpected,
    /// No reply within the step's limit; the sample is the time waited.
    Timeout,
    /// The connection was lost, or what came was no reply.
    Lost,
}

impl Outcome {
    /// All of them, in the order of the reports.
    pub const ALL: [Self; 6] = [
        Self::Accepted,
        Self::Deferred,
        Self::Rejected,
        Self::Unexpected,
        Self::Timeout,
        Self::Lost,
    ];

    /// Its name in result files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Deferred => "deferred",
            Self::Rejected => "rejected",
            Self::Unexpected => "unexpected",
            Self::Timeout => "timeout",
            Self::Lost => "lost",
        }
    }
}

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Clock {
    /// From our write to the whole reply.
    Service,
    /// From the intended start to the whole reply; open load only.
    Response,
    /// Actual minus intended start; open load only.
    Lag,
}

impl Clock {
    /// All of them, in the order of the reports.
    pub const ALL: [Self; 3] = [Self::Service, Self::Response, Self::Lag];

    /// Its name in result files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Response => "response",
            Self::Lag => "lag",
        }
    }
}

/// Why there was no usable reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Failure {
    /// The connection was refused.
    Refused,
    /// No route, host or network down.
    Unreachable,
    /// The peer closed where a reply was owed.
    Closed,
    /// The peer reset the connection.
    Reset,
    /// The step's time limit passed.
    TimedOut,
    /// The limit from the intended start passed before the mail data.
    PlanLimit,
    /// Bytes that are no SMTP reply.
    Garbage,
    /// A reply line over the limit.
    LineTooLong,
    /// A reply of more bytes than the limit.
    ReplyTooLong,
    /// A reply that no command owed.
    Unsolicited,
    /// STARTTLS is wanted and not offered.
    TlsNotOffered,
    /// Bytes in clear text behind the 220 to STARTTLS: an injected reply (RFC 3207 section 6).
    ClearTextAfterStarttls,
    /// The peer answers a handshake in clear text.
    NotTls,
    /// The peer ended TLS with an alert (RFC 8446 section 6.2).
    TlsAlert,
    /// A handshake or record that is none.
    TlsProtocol,
    /// The certificate's time is over.
    CertificateExpired,
    /// The certificate's time has not begun.
    CertificateNotYetValid,
    /// The certificate is for another name.
    CertificateWrongName,
    /// The certificate is signed by nobody but itself.
    CertificateSelfSigned,
    /// The certificate is signed by nobody who is trusted.
    CertificateUnknownIssuer,
    /// The certificate cannot be used for another reason.
    CertificateInvalid,
    /// XCLIENT is wanted and not offered, or takes no ADDR.
    XclientNotOffered,
    /// The message needs SMTPUTF8 (RFC 6531), which is not offered.
    Smtputf8NotOffered,
    /// The message is to be sent with REQUIRETLS (RFC 8689), which is not offered.
    RequiretlsNotOffered,
    /// The message is to be sent with REQUIRETLS, and the session is not under TLS.
    RequiretlsInClear,
    /// The server offers no AUTH, or no mechanism that may be used.
    AuthNotOffered,
    /// A challenge that the mechanism does not have.
    AuthChallenge,
    /// The server did not show that it knows the password.
    AuthProof,
    /// No file descriptor was left.
    NoDescriptors,
    /// No local port or address was left.
    NoPorts,
    /// Another fault of our own side.
    Internal,
}

/// On which side a failure lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    Peer,
    Network,
    Tls,
    Generator,
}

impl Fault {
    /// Its name in result files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Network => "network",
            Self::Tls => "tls",
            Self::Generator => "generator",
        }
    }
}

impl Failure {
    /// All of them.
    pub const ALL: [Self; 31] = [
        Self::Refused,
        Self::Unreachable,
        Self::Closed,
        Self::Reset,
        Self::TimedOut,
        Self::PlanLimit,
        Self::Garbage,
        Self::LineTooLong,
        Self::ReplyTooLong,
        Self::Unsolicited,
        Self::TlsNotOffered,
        Self::ClearTextAfterStarttls,
        Self::NotTls,
        Self::TlsAlert,
        Self::TlsProtocol,
        Self::CertificateExpired,
        Self::CertificateNotYetValid,
        Self::CertificateWrongName,
        Self::CertificateSelfSigned,
        Self::CertificateUnknownIssuer,
        Self::CertificateInvalid,
        Self::XclientNotOffered,
        Self::Smtputf8NotOffered,
        Self::RequiretlsNotOffered,
        Self::RequiretlsInClear,
        Self::AuthNotOffered,
        Self::AuthChallenge,
        Self::AuthProof,
        Self::NoDescriptors,
        Self::NoPorts,
        Self::Internal,
    ];

    /// Its name in result files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Closed => "closed",
            Self::Reset => "reset",
            Self::TimedOut => "timed_out",
            Self::PlanLimit => "plan_limit",
            Self::Garbage => "garbage",
            Self::LineTooLong => "line_too_long",
            Self::ReplyTooLong => "reply_too_long",
            Self::Unsolicited => "unsolicited",
            Self::TlsNotOffered => "tls_not_offered",
            Self::ClearTextAfterStarttls => "clear_text_after_starttls",
            Self::NotTls => "not_tls",
            Self::TlsAlert => "tls_alert",
            Self::TlsProtocol => "tls_protocol",
            Self::CertificateExpired => "certificate_expired",
            Self::CertificateNotYetValid => "certificate_not_yet_valid",
            Self::CertificateWrongName => "certificate_wrong_name",
            Self::CertificateSelfSigned => "certificate_self_signed",
            Self::CertificateUnknownIssuer => "certificate_unknown_issuer",
            Self::CertificateInvalid => "certificate_invalid",
            Self::XclientNotOffered => "xclient_not_offered",
            Self::Smtputf8NotOffered => "smtputf8_not_offered",
            Self::RequiretlsNotOffered => "requiretls_not_offered",
            Self::RequiretlsInClear => "requiretls_in_clear",
            Self::AuthNotOffered => "auth_not_offered",
            Self::AuthChallenge => "auth_challenge",
            Self::AuthProof => "auth_proof",
            Self::NoDescriptors => "no_descriptors",
            Self::NoPorts => "no_ports",
            Self::Internal => "internal",
        }
    }

    /// Whose fault it is.
    #[must_use]
    pub fn fault(self) -> Fault {
        match self {
            Self::Refused
            | Self::Closed
            | Self::TimedOut
            | Self::PlanLimit
            | Self::Garbage
            | Self::LineTooLong
            | Self::ReplyTooLong
            | Self::Unsolicited
            | Self::XclientNotOffered
            | Self::Smtputf8NotOffered
            | Self::RequiretlsNotOffered
            | Self::ClearTextAfterStarttls
            | Self::AuthNotOffered
            | Self::AuthChallenge
            | Self::AuthProof => Fault::Peer,
            Self::TlsNotOffered
            | Self::RequiretlsInClear
            | Self::NotTls
            | Self::TlsAlert
            | Self::TlsProtocol
            | Self::CertificateExpired
            | Self::CertificateNotYetValid
            | Self::CertificateWrongName
            | Self::CertificateSelfSigned
            | Self::CertificateUnknownIssuer
            | Self::CertificateInvalid => Fault::Tls,
            Self::Unreachable | Self::Reset => Fault::Network,
            Self::NoDescriptors | Self::NoPorts | Self::Internal => Fault::Generator,
        }
    }

    /// What to do about it, where that is known.
    #[must_use]
    pub fn hint(self) -> Option<&'static str> {
        Some(match self {
            Self::TlsNotOffered => {
                "tls = \"opportunistic\" goes on in clear text; a server with TLS from the first byte is smtps://"
            }
            Self::NotTls => {
                "the server speaks clear text first: write an smtp:// URL, with tls = \"starttls\""
            }
            Self::XclientNotOffered => {
                "the server has to offer XCLIENT to this machine, as Postfix does by smtpd_authorized_xclient_hosts; or take \
                 `via` out"
            }
            Self::CertificateExpired => {
                "the server needs a new one; verify = false takes it as it is"
            }
            Self::CertificateNotYetValid => "compare the clocks of both machines",
            Self::CertificateWrongName => {
                "write the name that the certificate has: server_name = \"…\" under [target]"
            }
            Self::CertificateSelfSigned => {
                "trust it: ca = \"its.pem\" under [target], or --ca; verify = false takes any"
            }
            Self::CertificateUnknownIssuer => {
                "name the certificate that signed it: ca = \"root.pem\" under [target], or --ca; a server must \
                 send the ones between"
            }
            Self::CertificateInvalid => "verify = false takes it as it is",
            Self::TlsAlert => {
                "the server's log says why it ended TLS: look at min_version and max_version, and at client_cert where \
                 it asks for one"
            }
            Self::TlsProtocol => {
                "the two sides agree on no version, no cipher suite, or not on what TLS is: look at min_version and \
                 max_version"
            }
            Self::ClearTextAfterStarttls => {
                "somebody on the way, or the server itself, sends clear text behind its 220: no such session may go on"
            }
            Self::Smtputf8NotOffered => {
                "without smtputf8 = true under [extensions] such mail is sent as it is written"
            }
            Self::RequiretlsInClear => {
                "REQUIRETLS goes out under TLS alone: tls = \"starttls\" under [target], or smtps://"
            }
            Self::RequiretlsNotOffered => "take requiretls out of [extensions]",
            _ => return None,
        })
    }

    /// The outcome of the step in which it happened.
    #[must_use]
    pub fn outcome(self) -> Outcome {
        match self {
            Self::TimedOut | Self::PlanLimit => Outcome::Timeout,
            _ => Outcome::Lost,
        }
    }
}

/// What became of a message or a recipient, by its last attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fate {
    /// A positive reply to the end of data.
    Accepted,
    /// Refused for good (5yz).
    Rejected,
    /// Refused for now (4yz).
    Deferred,
    /// No usable or an unexpected reply before the end of data, or an extension missing that it must not go without.
    Failed,
    /// Lost after the end of data and before its reply (RFC 1047).
    InDoubt,
    /// The script's own drop or abort, or a transaction that sends no mail data; a recipient beyond the server's LIMITS.
    Abandoned,
    /// Cut at the drain limit.
    Unfinished,
    /// Our own fault.
    GeneratorFailed,
}

impl Fate {
    /// All of them, in the order of the reports.
    pub const ALL: [Self; 8] = [
        Self::Accepted,
        Self::Rejected,
        Self::Deferred,
        Self::Failed,
        Self::InDoubt,
        Self::Abandoned,
        Self::Unfinished,
        Self::GeneratorFailed,
    ];

    /// Its name in result files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Deferred => "deferred",
            Self::Failed => "failed",
            Self::InDoubt => "in_doubt",
            Self::Abandoned => "abandoned",
            Self::Unfinished => "unfinished",
            Self::GeneratorFailed => "generator_failed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_is_in_the_list_once() {
        for (index, failure) in Failure::ALL.into_iter().enumerate() {
            assert_eq!(failure as usize, index, "{}", failure.name());
        }
        assert_eq!(Failure::ALL.last(), Some(&Failure::Internal), "the last of the enum");
    }
}
