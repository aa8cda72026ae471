//! What `[target]` says about TLS.

use std::path::Path;

use super::Reader;
use super::section::{Field, Section};
use super::text::Text;
use crate::scenario::Overrides;
use crate::scenario::fault::Fault;
use crate::scenario::script::{Op, Script, Verb};
use crate::scenario::security::{PemFile, Security, TlsUse, TlsVersion};
use crate::scenario::target::TargetUrl;
use crate::units;

/// Largest file of certificates: the system's roots have 250 KB.
const PEM_BYTES_MAX: u64 = 4 << 20;

impl Reader<'_> {
    /// TLS as the section of a target says it; `url` is the target's, where it is known.
    pub(super) fn security(
        &mut self,
        section: Option<&Section<'_>>,
        url: Option<&TargetUrl>,
        overrides: &Overrides,
    ) -> Option<Security> {
        let mut security = Security::default();
        if let Some(section) = section {
            let tls = self.optional(section, "tls", Self::tls_use);
            let share = self.optional(section, "tls_share", Self::share);
            let ca = self.optional(section, "ca", Self::pem_file);
            let name = self.optional(section, "server_name", Self::server_name);
            let verify = self.optional(section, "verify", Self::flag);
            let certificate = self.optional(section, "client_cert", Self::pem_file);
            let key = self.optional(section, "client_key", Self::pem_file);
            let low = self.optional(section, "min_version", Self::tls_version);
            let high = self.optional(section, "max_version", Self::tls_version);
            let resumption = self.optional(section, "resumption", Self::flag);
            security = Security {
                tls: tls?.unwrap_or(security.tls),
                share: share?.unwrap_or(security.share),
                ca: ca?,
                server_name: name?,
                verify: verify?,
                client: certificate?.zip(key?),
                min_version: low?.unwrap_or(security.min_version),
                max_version: high?.unwrap_or(security.max_version),
                resumption: resumption?.unwrap_or(security.resumption),
            };
            self.check_security(section, &security, url)?;
        }
        if let Some(tls) = overrides.tls {
            security.tls = tls;
        }
        if let Some(path) = &overrides.ca {
            security.ca = Some(self.pem_flag("--ca", path)?);
        }
        if overrides.no_verify {
            security.verify = Some(false);
        }
        Some(security)
    }

    /// Keys that do not go together.
    fn check_security(
        &mut self,
        section: &Section<'_>,
        security: &Security,
        url: Option<&TargetUrl>,
    ) -> Option<()> {
        let mut fault = None;
        let mut wrong = |name: &str, message: &str, hint: &str| {
            if let (Some(field), None) = (section.field(name), &fault) {
                fault = Some((field.span.clone(), message.to_owned(), hint.to_owned()));
            }
        };
        if security.client.is_none() {
            let hint = "`client_cert` and `client_key` name a file each";
            wrong("client_cert", "a client certificate without its key", hint);
            wrong("client_key", "a key without its client certificate", hint);
        }
        if security.min_version > security.max_version {
            wrong(
                "min_version",
                "`min_version` is above `max_version`",
                "write them the other way round",
            );
        }
        let implicit = matches!(url, Some(TargetUrl::Tcp { implicit_tls: true, .. }));
        if implicit && section.field("tls").is_some() {
            let hint = "take `tls` out, or write smtp:// for a server with STARTTLS";
            wrong("tls", "smtps:// speaks TLS from the first byte", hint);
        }
        let plain = !implicit && security.tls == TlsUse::None;
        if implicit || plain {
            let message =
                if plain { "a share of no TLS" } else { "smtps:// has no session without TLS" };
            wrong("tls_share", message, "write tls = \"starttls\" and an smtp:// URL");
        }
        let Some((span, message, hint)) = fault else { return Some(()) };
        self.faults.add(span, message, hint);
        None
    }

    /// Holds a script against `tls`; false once a fault was added.
    pub(super) fn check_starttls(&mut self, text: &Text, script: &Script) -> bool {
        let verbs = |wanted: Verb| {
            script.ops.iter().any(|op| matches!(op, Op::Command(command) if command.verb == wanted))
        };
        let grouped = |wanted: Verb| {
            let mut inside = false;
            script.ops.iter().any(|op| match op {
                Op::GroupStart { .. } | Op::GroupEnd => {
                    inside = matches!(op, Op::GroupStart { .. });
                    false
                }
                Op::Command(command) => inside && command.verb == wanted,
                _ => false,
            })
        };
        let clear = matches!(self.tls, Some(TlsUse::None | TlsUse::Implicit));
        let (word, message, hint) = if clear && verbs(Verb::Starttls) {
            let message = match self.tls {
                Some(TlsUse::Implicit) => "STARTTLS, and the target's URL is smtps://",
                _ => "STARTTLS, and the target has tls = \"none\"",
            };
            ("STARTTLS", message, "write tls = \"starttls\" under [target], or take the line out")
        } else if grouped(Verb::Starttls) {
            let message = "STARTTLS in a pipeline";
            ("STARTTLS", message, "what follows it waits for the handshake (RFC 3207 section 4)")
        } else if !clear && self.tls.is_some() && grouped(Verb::Ehlo) {
            let message = "EHLO in a pipeline, and the target asks for STARTTLS behind it";
            ("EHLO", message, "write EHLO or hello before the pipeline")
        } else if self.tls == Some(TlsUse::Starttls) && !verbs(Verb::Ehlo) && !verbs(Verb::Starttls)
        {
            let message = "a script without EHLO cannot go over to TLS, and the target asks for it";
            ("", message, "begin it with hello")
        } else {
            return true;
        };
        let line = text.value.lines().find_map(|line| {
            let at = line.trim_start();
            let starts = at.get(..word.len())?.eq_ignore_ascii_case(word);
            (starts && !word.is_empty()).then(|| at.as_ptr().addr() - text.value.as_ptr().addr())
        });
        let place = match line {
            Some(at) => text.place_of(at..at + word.len()),
            None => text.place(),
        };
        self.faults.push(Fault { place, message: message.to_owned(), hint: Some(hint.to_owned()) });
        false
    }

    fn tls_use(&mut self, field: &Field<'_>) -> Option<TlsUse> {
        let words =
            [TlsUse::None, TlsUse::Starttls, TlsUse::Opportunistic].map(|tls| (tls.name(), tls));
        self.choice(field, &words)
    }

    fn tls_version(&mut self, field: &Field<'_>) -> Option<TlsVersion> {
        self.choice(field, &[("1.2", TlsVersion::V1_2), ("1.3", TlsVersion::V1_3)])
    }

    /// A percentage, or a fraction of 1.
    pub(super) fn share(&mut self, field: &Field<'_>) -> Option<f64> {
        let text = self.text(field)?;
        self.unit(&text, units::parse_share)
    }

    fn server_name(&mut self, field: &Field<'_>) -> Option<String> {
        let text = self.text(field)?;
        let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
        if text.value.is_empty() || text.value.len() > 253 || !text.value.chars().all(allowed) {
            let message = format!("`{}` is not a host name", text.value);
            self.faults.push(text.fault(message, "write the name that the certificate has"));
            return None;
        }
        Some(text.value)
    }

    fn pem_file(&mut self, field: &Field<'_>) -> Option<PemFile> {
        let text = self.text(field)?;
        let path = self.folder.join(&text.value);
        self.read_pem(&text, &path)
    }

    fn pem_flag(&mut self, flag: &'static str, path: &Path) -> Option<PemFile> {
        let text = Text::flag(flag, &path.to_string_lossy());
        self.read_pem(&text, path)
    }

    fn read_pem(&mut self, text: &Text, path: &Path) -> Option<PemFile> {
        let bytes = super::csv_file::open(path, PEM_BYTES_MAX).and_then(|mut file| {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut file, &mut bytes)
                .map_err(|error| super::mail_files::io_fault(&error))?;
            Ok(bytes)
        });
        match bytes {
            Ok(bytes) => Some(PemFile { path: text.value.clone().into(), bytes }),
            Err(message) => {
                let hint = "a file in PEM form is wanted, beside the scenario";
                self.faults.push(text.fault(format!("`{}`: {message}", text.value), hint));
                None
            }
        }
    }
}
