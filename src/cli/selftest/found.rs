//! What was found: read from the summary, the same figures that the report prints, and never from the sink.

use super::capture::Captured;
use super::probe::count;
use crate::measure::outcome::{Clock, Fate};
use crate::measure::summary::{Figures, Summary};
use crate::smtp::parameters::Extension;

/// What a run says, and what the far end holds where it is looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'a> {
    pub(super) summary: &'a Summary,
    /// Lines of the EHLO reply of a preflight.
    pub(super) capabilities: &'a [String],
    /// What the sink kept.
    pub(super) captured: Option<&'a Captured>,
    /// What came back to the senders.
    pub(super) returned: Option<&'a Captured>,
}

impl Found<'_> {
    /// Messages of this fate.
    #[expect(clippy::unnecessary_wraps, reason = "what is counted is there, if it is 0")]
    pub(super) fn messages(&self, fate: Fate) -> Option<f64> {
        Some(count(self.summary.accounting.messages.fates.of(fate)))
    }

    /// Recipients of this fate.
    #[expect(clippy::unnecessary_wraps, reason = "what is counted is there, if it is 0")]
    pub(super) fn recipients(&self, fate: Fate) -> Option<f64> {
        Some(count(self.summary.accounting.recipients.fates.of(fate)))
    }

    /// Attempted messages that were not accepted, and failures of any kind.
    pub(super) fn trouble(&self) -> Option<f64> {
        let messages = &self.summary.accounting.messages;
        let refused = messages.attempted.saturating_sub(messages.fates.of(Fate::Accepted));
        let failures: u64 = self.summary.failures.iter().map(|row| row.count).sum();
        Some(count(refused + failures))
    }

    /// The share of attempted messages of this fate.
    pub(super) fn share(&self, fate: Fate) -> Option<f64> {
        let messages = &self.summary.accounting.messages;
        let attempted = messages.attempted;
        (attempted > 0).then(|| count(messages.fates.of(fate)) / count(attempted))
    }

    /// Messages that were attempted.
    pub(super) fn attempted(&self) -> f64 {
        count(self.summary.accounting.messages.attempted)
    }

    /// Replies of this code to a step.
    #[expect(clippy::unnecessary_wraps, reason = "what is counted is there, if it is 0")]
    pub(super) fn replies(&self, step: &str, code: u16) -> Option<f64> {
        let rows = self.summary.replies.iter();
        let rows = rows.filter(|row| row.step == step && row.reply_code == code);
        Some(count(rows.map(|row| row.count).sum()))
    }

    /// Replies to a step with this code, this enhanced code and exactly this text behind them.
    #[expect(clippy::unnecessary_wraps, reason = "what is counted is there, if it is 0")]
    pub(super) fn said(&self, step: &str, code: u16, text: &str) -> Option<f64> {
        let rows = self.summary.replies.iter();
        let rows = rows.filter(|row| {
            let enhanced = text.split(' ').next();
            row.step == step
                && row.reply_code == code
                && row.enhanced_code.as_deref() == enhanced
                && row.sample_text == text.as_bytes()
        });
        Some(count(rows.map(|row| row.count).sum()))
    }

    /// Failures of a step by the name of their kind.
    #[expect(clippy::unnecessary_wraps, reason = "what is counted is there, if it is 0")]
    pub(super) fn failures(&self, step: &str, failure: &str) -> Option<f64> {
        let rows = self.summary.failures.iter();
        let rows = rows.filter(|row| row.step == step && row.failure.name() == failure);
        Some(count(rows.map(|row| row.count).sum()))
    }

    /// Connections that stood.
    #[expect(clippy::unnecessary_wraps, reason = "what is counted is there, if it is 0")]
    pub(super) fn sessions(&self) -> Option<f64> {
        Some(count(self.summary.addresses.iter().map(|row| row.tally.sessions).sum()))
    }

    /// A figure of the accepted and timed-out samples of a step, in microseconds.
    pub(super) fn us(
        &self,
        step: &str,
        clock: Clock,
        figure: fn(&Figures) -> Option<u64>,
    ) -> Option<f64> {
        let mut rows = self.summary.steps.iter();
        let row = rows.find(|row| row.step == step && row.clock == clock)?;
        figure(&row.figures).map(count)
    }

    /// Accepted messages a second.
    pub(super) fn accepted_per_s(&self) -> Option<f64> {
        self.summary.totals.first()?.messages_per_s
    }

    /// Messages that went without an extension.
    #[expect(clippy::unnecessary_wraps, reason = "what is counted is there, if it is 0")]
    pub(super) fn without(&self, extension: Extension) -> Option<f64> {
        Some(count(self.summary.extensions.without(extension)))
    }

    /// How often EHLO said this line.
    #[expect(clippy::unnecessary_wraps, reason = "what is counted is there, if it is 0")]
    pub(super) fn announced(&self, line: &str) -> Option<f64> {
        let count = self.capabilities.iter().filter(|known| *known == line).count();
        Some(super::probe::count(count as u64))
    }

    /// Accepted messages that are nowhere: not kept, and not sent back.
    pub(super) fn missing(&self) -> Option<f64> {
        let kept = count(self.captured?.distinct());
        let returned = self.returned.map_or(0.0, |returned| count(returned.bounces()));
        Some(self.messages(Fate::Accepted)? - kept - returned)
    }

    /// Copies beyond the first.
    pub(super) fn copies(&self) -> Option<f64> {
        let captured = self.captured?;
        Some(count(captured.kept() - captured.distinct()))
    }

    /// Kept messages whose content is not what was sent.
    pub(super) fn altered(&self) -> Option<f64> {
        Some(count(self.captured?.altered()))
    }

    /// Kept messages that later ones overtook.
    pub(super) fn overtaken(&self) -> Option<f64> {
        Some(count(self.captured?.overtaken()))
    }

    /// Notifications that came back.
    pub(super) fn bounced(&self) -> Option<f64> {
        Some(count(self.returned?.bounces()))
    }
}
