//! `auth`, `user`, `password` and what belongs to them: of one target, with the flags over it.

use std::fs::File;
use std::io::Read as _;

use super::Reader;
use super::section::{Field, Section};
use super::text::Text;
use crate::message::template::{Part, Template, Value};
use crate::scenario::fault::{Fault, Place};
use crate::scenario::login::{Login, Method, SecretTemplate};
use crate::scenario::template::TemplateUse;
use crate::scenario::{Overrides, Table};
use crate::smtp::sasl::{SECRET_BYTES_MAX, prepare};

const SECRET_HINT: &str = "write \"${PASSWORD}\" for a variable of the environment, \"{{users.password}}\" for a \
                           column of a data table, or password_file = \"…\"";

/// A value with its place, for what may be wrong with it.
type Placed<T> = (T, Place);

impl Reader<'_> {
    /// The login of the target in `section`; `tables` are those whose columns it may name. `Some(None)` where it says
    /// nothing of one.
    pub(super) fn login(
        &mut self,
        section: Option<&Section<'_>>,
        overrides: &Overrides,
        tables: Option<&[(Table, std::ops::Range<usize>)]>,
    ) -> Option<Option<Login>> {
        let field = |name| section.and_then(|section| section.field(name));
        let method = field("auth").map(|field| {
            let place = Place::Scenario(field.span.clone());
            self.choice(&field, &Method::WORDS).map(|method| (method, place))
        });
        let initial_response = field("initial_response").map(|field| self.flag(&field));
        let user = match &overrides.user {
            Some(user) => Some(Text::flag("--user", user)).map(|text| self.user(&text)),
            None => field("user").map(|field| {
                let text = self.text(&field)?;
                self.user(&text)
            }),
        };
        let password = match &overrides.password_file {
            Some(path) => {
                let text = Text::flag("--password-file", &path.to_string_lossy());
                Some(self.password_file(&text))
            }
            None => self.password(field("password"), field("password_file")),
        };
        let method = match (overrides.auth, method) {
            (Some(method), _) => Some((method, Place::Flag("--auth"))),
            (None, Some(found)) => Some(found?),
            (None, None) => None,
        };
        let (user, password) = (user.transpose_fault()?, password.transpose_fault()?);
        let initial_response = initial_response.transpose_fault()?.unwrap_or(true);
        let (user, password) = match (user, password) {
            (Some(user), Some(password)) => (user, password),
            (None, None) if method.as_ref().is_none_or(|(method, _)| *method == Method::None) => {
                return Some(None);
            }
            (user, password) => {
                let place = method.map(|(_, place)| place);
                self.half_a_login(place, user.map(|u| u.1), password.map(|p| p.1));
                return None;
            }
        };
        let method = method.map_or(Method::Best, |(method, _)| method);
        let good = self.check_cells(tables, &user, "user", method)
            & self.check_cells(tables, &password, "password", method);
        good.then(|| {
            Some(Login {
                method,
                user: user.0,
                password: SecretTemplate::new(password.0),
                initial_response,
            })
        })
    }

    fn half_a_login(&mut self, auth: Option<Place>, user: Option<Place>, password: Option<Place>) {
        let (message, hint) = match (&user, &password) {
            (Some(_), _) => ("`user` without a password", SECRET_HINT),
            (None, Some(_)) => ("a password without `user`", "write user = \"…\", or --user"),
            (None, None) => ("`auth` without `user` and a password", SECRET_HINT),
        };
        let Some(place) = user.or(password).or(auth) else { return };
        self.faults.push(Fault { place, message: message.to_owned(), hint: Some(hint.to_owned()) });
    }

    fn user(&mut self, text: &Text) -> Option<Placed<Template>> {
        let template = self.template(text, TemplateUse::Login)?;
        if text.value.is_empty() || text.value.contains(char::is_control) {
            let message = "`user` is empty or holds a control character";
            self.faults.push(text.fault(message, "write the name of a user"));
            return None;
        }
        Some((template, text.place()))
    }

    /// The password by one of its two keys; outer `None` where there is neither.
    fn password(
        &mut self,
        written: Option<Field<'_>>,
        file: Option<Field<'_>>,
    ) -> Option<Option<Placed<Template>>> {
        match (written, file) {
            (None, None) => None,
            (None, Some(field)) => {
                Some(self.text(&field).and_then(|text| self.password_file(&text)))
            }
            (Some(field), None) => Some(self.written_password(&field)),
            (Some(_), Some(field)) => {
                let message = "`password_file` beside `password`";
                self.faults.add(field.key_span, message, "write one of them");
                Some(None)
            }
        }
    }

    fn written_password(&mut self, field: &Field<'_>) -> Option<Placed<Template>> {
        let text = self.text(field)?;
        let template = self.template(&text, TemplateUse::Login)?;
        if !text.has_variable() && !template.has(|_| true) {
            // Scenario files are kept, shared and copied into every result.
            self.faults.push(text.fault("a password in the scenario file", SECRET_HINT));
            return None;
        }
        if text.value.is_empty() || text.value.len() > SECRET_BYTES_MAX {
            let message = format!("the password is empty or over {SECRET_BYTES_MAX} bytes long");
            self.faults.push(text.fault(message, ""));
            return None;
        }
        Some((template, text.place()))
    }

    /// The first line of a file.
    fn password_file(&mut self, text: &Text) -> Option<Placed<Template>> {
        let (path, shown) = (self.path(text), self.shown_path(text));
        let mut fault = |message: String, hint: &str| {
            let path = shown.clone();
            let place = Place::File { path, line: 0 };
            let hint = (!hint.is_empty()).then(|| hint.to_owned());
            self.faults.push(Fault { place, message, hint });
        };
        let mut bytes = Vec::new();
        let limit = SECRET_BYTES_MAX as u64 + 3;
        let read = File::open(&path).and_then(|file| file.take(limit).read_to_end(&mut bytes));
        if let Err(error) = read {
            fault(format!("the password file cannot be read: {}", error.kind()), "");
            return None;
        }
        let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match std::str::from_utf8(line) {
            Ok(line)
                if !line.is_empty()
                    && line.len() <= SECRET_BYTES_MAX
                    && !line.contains(char::is_control) =>
            {
                Some((Template::text(line), text.place()))
            }
            _ => {
                let message = format!(
                    "the password file is not one line of 1 to {SECRET_BYTES_MAX} bytes of text"
                );
                fault(message, "write the password or token into it, and nothing else");
                None
            }
        }
    }

    /// Whether every cell that `template` names can be used; tells of the first that cannot, without showing it.
    fn check_cells(
        &mut self,
        tables: Option<&[(Table, std::ops::Range<usize>)]>,
        template: &Placed<Template>,
        what: &str,
        method: Method,
    ) -> bool {
        let prepares = match method {
            Method::Best => true,
            Method::Named(mechanism) => mechanism.bound().is_some(),
            Method::None => false,
        };
        let parts = template.0.parts();
        let alone = parts.len() == 1;
        for part in parts {
            let Part::Value(Value::Column { table, column }) = part else { continue };
            let Some((table, _)) = tables.and_then(|tables| tables.get(*table)) else { continue };
            let wrong = |cell: &str| {
                cell.is_empty() && alone
                    || cell.len() > SECRET_BYTES_MAX
                    || cell.contains(char::is_control)
                    || prepares && !cell.is_empty() && prepare(cell).is_err()
            };
            let Some(row) = table.rows.iter().position(|row| wrong(&row[*column])) else {
                continue;
            };
            let (name, column) = (&table.name, &table.columns[*column]);
            let message = format!(
                "row {} of `{name}.{column}` is no {what}: empty, too long, or with a character that \
                 SASLprep (RFC 4013) forbids",
                row + 1
            );
            let hint = Some("rows count from 1 below the header".to_owned());
            self.faults.push(Fault { place: template.1.clone(), message, hint });
            return false;
        }
        true
    }
}

/// A value that may not be there, and may be faulty where it is.
trait MaybeFaulty<T> {
    /// `None` where it is faulty, `Some(None)` where it is not there.
    fn transpose_fault(self) -> Option<Option<T>>;
}

impl<T> MaybeFaulty<T> for Option<Option<T>> {
    fn transpose_fault(self) -> Option<Option<T>> {
        match self {
            None => Some(None),
            Some(value) => value.map(Some),
        }
    }
}
