//! The JSON Schema of scenario files, made from the keys that the reader knows, so that an editor completes and
//! checks them. It cannot say all that the reader checks; what it refuses, the reader refuses, too.

use serde_json::{Map, Value, json};

use super::keys::{Key, Kind, TOP, TableKeys};

/// A reference to the environment stands for any text.
const VARIABLE: &str = r"\$\{";
const DURATION: &str = r"[0-9.]+\s*(us|µs|ms|s|m|h|d)";
const SIZE: &str = r"[0-9.]+\s*(B|KiB|MiB|GiB|kB|KB|MB|GB)?";
const RATE: &str = r"[0-9.]+\s*[kM]?\s*(messages?|sessions?)/(s|m|h)";
const NAME: &str = "[A-Za-z0-9_.-]{1,64}";

/// The schema: JSON Schema, draft 2020-12.
#[must_use]
pub fn schema() -> Value {
    let mut schema = Map::new();
    schema.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".into(), json!("smtpbench scenario"));
    if let Value::Object(top) = table(&TOP) {
        schema.extend(top);
    }
    let beside = |one, other| json!({ "not": { "required": [one, other] } });
    schema.insert("allOf".into(), json!([beside("target", "targets"), beside("load", "loads")]));
    Value::Object(schema)
}

fn table(keys: &TableKeys) -> Value {
    let properties: Map<_, _> =
        keys.keys.iter().map(|key| (key.name.to_owned(), property(key))).collect();
    let required: Vec<_> =
        keys.keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    let mut schema = json!({
        "type": "object",
        "description": keys.doc,
        "properties": properties,
        "additionalProperties": keys.rest.as_ref().map_or(json!(false), of_kind),
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    if !keys.one_of.is_empty() {
        let one = |name: &&str| json!({ "required": [name] });
        schema["oneOf"] = keys.one_of.iter().map(one).collect();
    }
    schema
}

fn property(key: &Key) -> Value {
    let mut schema = of_kind(&key.kind);
    schema["description"] = json!(key.doc);
    // Scalars and lists are written in JSON as in TOML.
    if let Some(default) = key.default.and_then(|text| serde_json::from_str(text).ok()) {
        schema["default"] = default;
    }
    schema
}

fn of_kind(kind: &Kind) -> Value {
    match kind {
        Kind::Text => json!({ "type": "string" }),
        Kind::Name => text(NAME),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Duration => text(&format!(r"\s*{DURATION}\s*")),
        Kind::Size => json!({ "anyOf": [limits(kind), text(&format!(r"\s*{SIZE}\s*"))] }),
        Kind::SizeRange => text(&format!(r"\s*{SIZE}\s*\.\.\s*{SIZE}\s*")),
        Kind::Count { .. } => {
            json!({ "anyOf": [limits(kind), { "type": "string", "pattern": VARIABLE }] })
        }
        Kind::CountRange { .. } => {
            json!({ "anyOf": [limits(kind), text(r"\s*[0-9]+\s*(\.\.\s*[0-9]+\s*)?")] })
        }
        Kind::Level { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Factor => json!({
            "anyOf": [{ "type": "number", "exclusiveMinimum": 0 }, text(r"[0-9.]+\s*%?")],
        }),
        Kind::Number => json!({
            "anyOf": [
                { "type": "number", "exclusiveMinimum": 0 },
                { "type": "string", "pattern": VARIABLE },
            ],
        }),
        Kind::Rate => text(&format!(r"\s*{RATE}\s*")),
        Kind::Choice(words) => {
            json!({ "anyOf": [{ "enum": words }, { "type": "string", "pattern": VARIABLE }] })
        }
        Kind::Pattern { pattern, .. } => text(pattern),
        Kind::Texts => json!({ "type": "array", "items": { "type": "string" } }),
        Kind::Rules(keys) => json!({
            "type": "array",
            "items": { "anyOf": [{ "type": "string" }, table(keys)] },
        }),
        Kind::Table(keys) => table(keys),
        Kind::Tables(keys) => json!({ "type": "array", "minItems": 1, "items": table(keys) }),
        Kind::Named(keys) => json!({ "type": "object", "additionalProperties": table(keys) }),
        Kind::Either(kinds) => json!({ "anyOf": kinds.iter().map(of_kind).collect::<Vec<_>>() }),
    }
}

/// A text that is `pattern` from end to end, or holds a variable.
fn text(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": format!("^({pattern})$|{VARIABLE}") })
}

/// A whole number within the limits of `kind`.
fn limits(kind: &Kind) -> Value {
    let (min, max) = kind.limits().unwrap_or((0, u64::MAX));
    json!({ "type": "integer", "minimum": min, "maximum": max })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_is_closed_and_every_key_described() {
        fn see(schema: &Value) {
            if let Some(properties) = schema["properties"].as_object() {
                assert_ne!(schema["additionalProperties"], Value::Null, "{schema}");
                for (name, property) in properties {
                    assert!(property["description"].is_string(), "{name}");
                }
            }
            match schema {
                Value::Object(entries) => entries.values().for_each(see),
                Value::Array(items) => items.iter().for_each(see),
                _ => {}
            }
        }
        let schema = schema();
        see(&schema);
        assert_eq!(schema["additionalProperties"], json!(false));
        assert_eq!(
            schema["properties"]["load"]["properties"]["sessions"]["anyOf"][0]["minimum"],
            1
        );
        assert_eq!(schema["properties"]["timeouts"]["properties"]["step"]["default"], "60s");
    }

    #[test]
    fn defaults_are_readable() {
        TOP.walk(&mut |keys| {
            for default in keys.keys.iter().filter_map(|key| key.default) {
                assert!(serde_json::from_str::<Value>(default).is_ok(), "{default}");
            }
        });
    }

    /// Whether the pattern of `kind` takes each text just where the reader's `parse` does.
    #[track_caller]
    fn agree(kind: &Kind, parse: impl Fn(&str) -> bool, good: &[&str], bad: &[&str]) {
        let schema = of_kind(kind);
        let pattern = [&schema["pattern"], &schema["anyOf"][1]["pattern"]]
            .into_iter()
            .find_map(Value::as_str)
            .unwrap();
        let pattern = regex_lite::Regex::new(pattern).unwrap();
        for (texts, want) in [(good, true), (bad, false)] {
            for text in texts {
                assert_eq!(pattern.is_match(text), want, "schema: {text:?}");
                assert_eq!(parse(text), want, "reader: {text:?}");
            }
        }
    }

    #[test]
    fn what_the_schema_refuses_the_reader_refuses() {
        use crate::units::{parse_count, parse_duration, parse_range, parse_rate, parse_size};
        agree(
            &Kind::Duration,
            |text| parse_duration(text).is_ok(),
            &["10s", "1.5 ms", " 2h ", "5µs", "0d"],
            &["10", "s", "-1s", "1x", ""],
        );
        agree(
            &Kind::Size,
            |text| parse_size(text).is_ok(),
            &["4096", "4KiB", "1.5 MB", "7B"],
            &["KiB", "4 kib", "-1", ""],
        );
        agree(
            &Kind::SizeRange,
            |text| parse_range(text, parse_size).is_ok(),
            &["1KiB..2KiB", "1 .. 2kB"],
            &["..", "1KiB..", "a..b"],
        );
        agree(
            &Kind::CountRange { min: 1, max: 9 },
            |text| parse_range(text, parse_count).is_ok(),
            &["1..3", "5", " 1 .. 2 "],
            &["1..", "..3", "1.5", "x", ""],
        );
        agree(
            &Kind::Rate,
            |text| parse_rate(text).is_ok(),
            &["200 sessions/s", "3M messages/h", "1.5 k messages/m", " 1session/s "],
            &["200", "sessions/s", "5 K messages/s", "5 messages/ s", "5 mails/s", ""],
        );
    }

    #[test]
    fn a_variable_may_stand_for_every_text() {
        for kind in [Kind::Name, Kind::Duration, Kind::Rate, Kind::SizeRange] {
            let schema = of_kind(&kind);
            let pattern = regex_lite::Regex::new(schema["pattern"].as_str().unwrap()).unwrap();
            assert!(pattern.is_match("${NAME}"), "{kind:?}");
        }
    }
}
