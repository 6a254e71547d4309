//! Queries for terms and values.

use serde_json::{Map, Value};

use super::fuzziness::{Fuzziness, fuzziness};
use super::settings::{Path, Settings, settings};
use super::{Ast, FieldId, HARMLESS, JsonParser, LeafError, Parsed};

impl JsonParser<'_> {
    pub(super) fn term_level(&mut self, name: &str, value: &Value, at: &Path) -> Parsed {
        match name {
            "term" => {
                let (field, of) = self.fielded(value, at, "value", &["term"])?;
                let text = main_value(&of, "term")?;
                of.at.built(self.builder.text(field, &text, 0, false))
            }
            "terms" => self.terms(value, at),
            "prefix" => {
                let (field, of) = self.fielded(value, at, "value", &["prefix"])?;
                let text = main_value(&of, "prefix")?;
                of.at.built(self.builder.text(field, &text, 0, true))
            }
            "wildcard" => {
                let (field, of) = self.fielded(value, at, "value", &["wildcard"])?;
                let pattern = main_value(&of, "wildcard")?;
                of.at.built(self.builder.wildcard(field, &pattern))
            }
            "regexp" => {
                let (field, of) = self.fielded(value, at, "value", &[])?;
                let pattern = of.needs_text("value")?;
                of.at.built(self.builder.regex(field, &pattern))
            }
            "fuzzy" => {
                let (field, of) = self.fielded(value, at, "value", &["fuzziness", "prefix_length"])?;
                let text = of.needs_text("value")?;
                let distance = fuzziness(&of, Fuzziness::AUTO)?.distance(&text);
                self.fuzzy_word(field, &text, distance, &of)
            }
            "exists" => {
                let of = settings(value, at, &["field"])?;
                let name = of.needs_text("field")?;
                let field = of.at.built(self.field(&name))?;
                of.at.built(self.builder.exists(field))
            }
            _ => {
                let of = settings(value, at, &["values", "type"])?;
                let field = at.built(self.builder.field("id"))?;
                let Some((at, values)) = of.get("values") else {
                    return at.fail(LeafError::new("`values` is missing"));
                };
                self.one_of(field, values, &at)
            }
        }
    }

    /// `{field: value}` or `{field: {main: value, …}}`.
    pub(super) fn fielded(
        &mut self,
        value: &Value,
        at: &Path,
        main: &str,
        others: &[&str],
    ) -> Parsed<(FieldId, Settings)> {
        let (name, value) = one_field(value, at)?;
        let at = at.key(name);
        let field = at.built(self.field(name))?;
        if value.is_object() {
            let known: Vec<&str> = others.iter().copied().chain([main]).collect();
            return Ok((field, settings(value, &at, &known)?));
        }
        at.text(value)?;
        let map = Map::from_iter([(main.to_owned(), value.clone())]);
        Ok((field, Settings { at, map }))
    }

    fn terms(&mut self, value: &Value, at: &Path) -> Parsed {
        let (name, values) = one_field(value, at)?;
        let at = at.key(name);
        let field = at.built(self.field(name))?;
        if !values.is_array() {
            return at.wants(values, "a list of terms");
        }
        self.one_of(field, values, &at)
    }

    fn one_of(&mut self, field: FieldId, values: &Value, at: &Path) -> Parsed {
        let values = at.list(values);
        if values.is_empty() {
            return at.fail(LeafError::new("an empty list matches nothing").expected("expected a value"));
        }
        let mut parts = Vec::with_capacity(values.len());
        self.builder.begin_list();
        for (at, value) in values {
            let text = at.text(value)?;
            parts.push(at.built(self.builder.text(field, &text, 0, false))?);
        }
        self.builder.end_list();
        Ok(Ast::Or(parts))
    }
}

/// The one field that is named besides settings.
pub(super) fn one_field<'v>(value: &'v Value, at: &Path) -> Parsed<(&'v String, &'v Value)> {
    let object = at.object(value)?;
    let mut names = object.iter().filter(|(name, _)| !HARMLESS.contains(&name.as_str()));
    match (names.next(), names.next()) {
        (Some(one), None) => Ok(one),
        _ => at.fail(LeafError::new("one field must be named here, and only one")),
    }
}

/// The value under `value`, or under the name of the query, as Elasticsearch 1 wrote it.
fn main_value(of: &Settings, name: &str) -> Parsed<String> {
    match of.text(name)? {
        Some(text) => Ok(text),
        None => of.needs_text("value"),
    }
}
