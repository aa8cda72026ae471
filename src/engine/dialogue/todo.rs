//! What is owed to a session, and what it does next.

use crate::scenario::step::StepId;

/// What a reply is owed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Debt {
    pub(super) step: StepId,
    pub(super) role: Role,
    /// Index of the operation.
    pub(super) op: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Greeting,
    Ehlo,
    Helo,
    /// XCLIENT of our own accord.
    Xclient,
    /// HELO after a refused EHLO.
    Fallback,
    StartTls,
    /// The TLS handshake, which no reply settles.
    Handshake,
    /// AUTH, and every response after it.
    Auth,
    /// `*` instead of a response.
    AuthCancel,
    Mail,
    Rcpt,
    /// DATA itself.
    Data,
    /// A BDAT chunk but the last.
    Chunk,
    /// The end of mail data.
    Eod,
    /// The dot after a 354 that nobody could use.
    LoneDot,
    /// RSET or QUIT of our own accord.
    OwnRset,
    Quit,
    OwnQuit,
    Other,
}

/// What comes next once nothing is owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Todo {
    /// The operation at `at`.
    Op,
    /// The PROXY header, before the greeting.
    Header,
    /// XCLIENT, since EHLO offers it; `hello` is the operation of that EHLO.
    Xclient { hello: usize },
    /// EHLO again, since XCLIENT began the session anew.
    Hello { op: usize },
    /// HELO, since the EHLO at `op` was refused.
    Fallback { op: usize },
    /// STARTTLS, since the EHLO at `op` offers it.
    StartTls { op: usize },
    /// The TLS handshake; after it the EHLO at `again`, where there is one.
    Handshake { again: Option<usize> },
    /// The response to a challenge.
    Respond { op: usize },
    /// `*`: the login that AUTH began cannot go on.
    CancelLogin { op: usize },
    /// The mail data, since DATA got its 354.
    Upload { op: usize },
    /// An empty message: DATA got a 354 and nobody is left to send to.
    LoneDot { op: usize },
    /// RSET, then the end of the transaction.
    Rset,
    /// The end of the transaction.
    EndTransaction,
    /// QUIT, whatever the script says.
    Quit,
}
