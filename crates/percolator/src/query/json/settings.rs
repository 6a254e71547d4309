//! Paths and settings in the JSON form.

use serde_json::{Map, Value};

use super::{Built, Diagnostic, Diagnostics, HARMLESS, Join, LeafError, Parsed};

/// A path in the JSON.
#[derive(Clone, Debug)]
pub(super) struct Path(pub(super) String);

impl Path {
    pub(super) fn root() -> Path {
        Path(String::new())
    }

    pub(super) fn key(&self, key: &str) -> Path {
        Path(if self.0.is_empty() { key.to_owned() } else { format!("{}.{key}", self.0) })
    }

    pub(super) fn item(&self, at: usize) -> Path {
        Path(format!("{}[{at}]", self.0))
    }

    pub(super) fn fail<T>(&self, problem: LeafError) -> Parsed<T> {
        Err(Diagnostics::one(Diagnostic::in_json(&self.0, problem.message, problem.expected)))
    }

    pub(super) fn wants<T>(&self, found: &Value, expected: &str) -> Parsed<T> {
        let found = match found {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "a text",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        self.fail(LeafError::new(format!("{found} does not belong here")).expected(format!("expected {expected}")))
    }

    pub(super) fn built<T>(&self, built: Built<T>) -> Parsed<T> {
        built.or_else(|problem| self.fail(problem))
    }

    pub(super) fn object<'v>(&self, value: &'v Value) -> Parsed<&'v Map<String, Value>> {
        value.as_object().map_or_else(|| self.wants(value, "an object"), Ok)
    }

    /// A list, or a single value as a list.
    pub(super) fn list<'v>(&self, value: &'v Value) -> Vec<(Path, &'v Value)> {
        match value {
            Value::Array(items) => items.iter().enumerate().map(|(at, item)| (self.item(at), item)).collect(),
            one => vec![(self.clone(), one)],
        }
    }

    /// Text, or a number as text.
    pub(super) fn text(&self, value: &Value) -> Parsed<String> {
        match value {
            Value::String(text) => Ok(text.clone()),
            Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
            _ => self.wants(value, "a text or a number"),
        }
    }

    pub(super) fn whole<T: TryFrom<u64>>(&self, value: &Value) -> Parsed<T> {
        let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
        match number.and_then(|number| T::try_from(number).ok()) {
            Some(number) => Ok(number),
            None => self.wants(value, "a whole number from 0 up"),
        }
    }
}

/// The settings of a query, each with its path. Unknown ones are refused before.
pub(super) struct Settings {
    pub(super) at: Path,
    pub(super) map: Map<String, Value>,
}

impl Settings {
    pub(super) fn get(&self, key: &str) -> Option<(Path, &Value)> {
        self.map.get(key).map(|value| (self.at.key(key), value))
    }

    pub(super) fn text(&self, key: &str) -> Parsed<Option<String>> {
        self.get(key).map(|(at, value)| at.text(value)).transpose()
    }

    pub(super) fn needs_text(&self, key: &str) -> Parsed<String> {
        match self.text(key)? {
            Some(text) => Ok(text),
            None => self.at.fail(LeafError::new(format!("`{key}` is missing"))),
        }
    }

    /// The operator between parts.
    pub(super) fn join(&self, key: &str, default: Join) -> Parsed<Join> {
        match self.text(key)?.map(|text| text.to_ascii_lowercase()).as_deref() {
            None => Ok(default),
            Some("and") => Ok(Join::And),
            Some("or") => Ok(Join::Or),
            Some(other) => {
                self.at.key(key).fail(LeafError::new(format!("`{other}` joins nothing")).expected("expected AND or OR"))
            }
        }
    }

    /// How many of `of` must match, in all forms of Elasticsearch. None without the setting.
    pub(super) fn minimum(&self, of: usize) -> Parsed<Option<usize>> {
        let Some((at, value)) = self.get("minimum_should_match") else { return Ok(None) };
        let text = at.text(value)?;
        match minimum(&text, of) {
            Some(minimum) => Ok(Some(minimum)),
            None => at.fail(
                LeafError::new(format!("`{text}` is no number of parts")).expected("expected as 2, -1, 75% or 2<75%"),
            ),
        }
    }
}

/// How many of `of` parts a text asks for: `2`, `-1`, `75%`, `-25%`, `2<75%`, `2<-25% 9<-3`.
fn minimum(text: &str, of: usize) -> Option<usize> {
    let total = i64::try_from(of).unwrap_or(i64::MAX);
    let count = |text: &str| -> Option<i64> {
        let (number, is_percent) = text.strip_suffix('%').map_or((text, false), |number| (number, true));
        let number: i64 = number.trim().parse().ok()?;
        let part = if is_percent {
            i64::try_from(number.unsigned_abs().min(100).saturating_mul(total.unsigned_abs()) / 100).unwrap_or(i64::MAX)
        } else {
            number.saturating_abs()
        };
        Some(if number < 0 { total - part } else { part })
    };
    let found = if text.contains('<') {
        // The last condition that holds; without one, all parts.
        let mut found = total;
        for condition in text.split_whitespace() {
            let (above, wanted) = condition.split_once('<')?;
            let wanted = count(wanted)?;
            if total > above.trim().parse::<i64>().ok()? {
                found = wanted;
            }
        }
        found
    } else {
        count(text.trim())?
    };
    Some(usize::try_from(found).unwrap_or(0))
}

/// The settings of a query. An unknown one is an error.
pub(super) fn settings(value: &Value, at: &Path, known: &[&str]) -> Parsed<Settings> {
    let map = at.object(value)?;
    for key in map.keys().map(String::as_str) {
        if known.contains(&key) || HARMLESS.contains(&key) {
            continue;
        }
        let expected = if known.is_empty() { "nothing".to_owned() } else { known.join(", ") };
        return at
            .key(key)
            .fail(LeafError::new(format!("`{key}` is not known here")).expected(format!("expected {expected}")));
    }
    Ok(Settings { at: at.clone(), map: map.clone() })
}
