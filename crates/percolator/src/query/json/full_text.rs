//! `match`, `match_phrase`, `multi_match` and their relatives.

use serde_json::Value;

use super::fuzziness::{self, Fuzziness, fuzziness};
use super::settings::{Path, Settings, settings};
use super::{Ast, FieldId, Join, JsonParser, Kind, LeafError, Parsed, build};

/// Settings of `match`.
const MATCH: &[&str] = &[
    "operator",
    "minimum_should_match",
    "fuzziness",
    "prefix_length",
    "zero_terms_query",
    "analyzer",
    "type",
    "slop",
    "tie_breaker",
];

impl JsonParser<'_> {
    pub(super) fn matching(&mut self, value: &Value, at: &Path) -> Parsed {
        let (field, of) = self.fielded(value, at, "query", MATCH)?;
        self.analyzer(&of)?;
        // As Elasticsearch 1 wrote it.
        match of.text("type")?.as_deref() {
            Some("phrase") => self.match_phrase(field, &of, false),
            Some("phrase_prefix") => self.match_phrase(field, &of, true),
            _ => self.match_words(field, &of, false),
        }
    }

    pub(super) fn bool_prefix(&mut self, value: &Value, at: &Path) -> Parsed {
        let (field, of) = self.fielded(value, at, "query", MATCH)?;
        self.analyzer(&of)?;
        self.match_words(field, &of, true)
    }

    pub(super) fn phrase(&mut self, value: &Value, at: &Path, last_is_prefix: bool) -> Parsed {
        let (field, of) = self.fielded(value, at, "query", &["slop", "analyzer", "zero_terms_query"])?;
        self.analyzer(&of)?;
        self.match_phrase(field, &of, last_is_prefix)
    }

    fn match_phrase(&mut self, field: FieldId, of: &Settings, last_is_prefix: bool) -> Parsed {
        let text = of.needs_text("query")?;
        if let Some(ast) = self.zero_terms(field, &text, of)? {
            return Ok(ast);
        }
        let slop = of.get("slop").map_or(Ok(0), |(at, value)| at.whole(value))?;
        of.at.built(self.builder.text(field, &text, slop, last_is_prefix))
    }

    /// Everything, if the text has no terms and the query asks for that.
    fn zero_terms(&self, field: FieldId, text: &str, of: &Settings) -> Parsed<Option<Ast>> {
        let kind = self.builder.schema.field(field).kind;
        let is_all = match of.text("zero_terms_query")?.map(|text| text.to_ascii_lowercase()).as_deref() {
            None | Some("none") => false,
            Some("all") => true,
            Some(other) => {
                let problem = LeafError::new(format!("`{other}` is not known here"));
                return of.at.key("zero_terms_query").fail(problem.expected("expected none or all"));
            }
        };
        Ok((is_all && kind == Kind::Text && build::analyze(kind, text).is_empty()).then_some(Ast::All))
    }

    /// The words of a text, each as a leaf; the last one as a prefix if `last_is_prefix`.
    fn match_words(&mut self, field: FieldId, of: &Settings, last_is_prefix: bool) -> Parsed {
        let text = of.needs_text("query")?;
        if let Some(ast) = self.zero_terms(field, &text, of)? {
            return Ok(ast);
        }
        let words = self.words(field, &text, of)?;
        let mut parts = Vec::with_capacity(words.len());
        let last = words.len().saturating_sub(1);
        for (at, word) in words.iter().enumerate() {
            parts.push(self.match_word(field, word, of, last_is_prefix && at == last)?);
        }
        if parts.is_empty() {
            return of.at.built(self.builder.text(field, &text, 0, last_is_prefix));
        }
        joined(parts, of)
    }

    /// The words of a text, as each becomes a leaf.
    fn words(&self, field: FieldId, text: &str, of: &Settings) -> Parsed<Vec<String>> {
        let kind = self.builder.schema.field(field).kind;
        let mut words: Vec<String> = match (kind, fuzziness(of, Fuzziness::Fixed(0))?) {
            // A word of several terms, as `foo-bar` or 日本語, is a phrase, as in the text form.
            (Kind::Text, Fuzziness::Fixed(0)) => text.split_whitespace().map(str::to_owned).collect(),
            (Kind::Text, _) => build::analyze(kind, text),
            _ => vec![text.to_owned()],
        };
        words.retain(|word| kind != Kind::Text || !build::analyze(kind, word).is_empty());
        Ok(words)
    }

    fn match_word(&mut self, field: FieldId, word: &str, of: &Settings, is_prefix: bool) -> Parsed {
        let distance = fuzziness(of, Fuzziness::Fixed(0))?.distance(word);
        let built = if is_prefix || distance == 0 {
            self.builder.text(field, word, 0, is_prefix)
        } else {
            return self.fuzzy_word(field, word, distance, of);
        };
        of.at.built(built)
    }

    /// A fuzzy word of which `prefix_length` characters are fixed.
    pub(super) fn fuzzy_word(&mut self, field: FieldId, word: &str, distance: u8, of: &Settings) -> Parsed {
        let prefix: usize = of.get("prefix_length").map_or(Ok(0), |(at, value)| at.whole(value))?;
        if prefix == 0 || distance == 0 {
            return of.at.built(self.builder.fuzzy(field, word, distance));
        }
        let checked = self.builder.fuzzy(field, word, distance);
        match of.at.built(checked)? {
            Ast::Fuzzy { field, term, distance } => {
                let pattern = fuzziness::with_prefix(&term, prefix, distance);
                of.at.built(self.builder.regex(field, &pattern))
            }
            other => Ok(other),
        }
    }

    pub(super) fn multi_match(&mut self, value: &Value, at: &Path) -> Parsed {
        let of = settings(value, at, &[MATCH, &["query", "fields"]].concat())?;
        self.analyzer(&of)?;
        let fields = self.fields(&of)?;
        let kind = of.text("type")?.unwrap_or_else(|| "best_fields".into());
        if kind == "cross_fields" {
            return self.across(&fields, &of);
        }
        let mut parts = Vec::new();
        for field in fields {
            parts.push(match kind.as_str() {
                "best_fields" | "most_fields" => self.match_words(field, &of, false)?,
                "bool_prefix" => self.match_words(field, &of, true)?,
                "phrase" => self.match_phrase(field, &of, false)?,
                "phrase_prefix" => self.match_phrase(field, &of, true)?,
                other => {
                    let problem = LeafError::new(format!("there is no type `{other}` of multi_match"));
                    let expected =
                        "expected best_fields, most_fields, cross_fields, phrase, phrase_prefix or bool_prefix";
                    return at.key("type").fail(problem.expected(expected));
                }
            });
        }
        Ok(Ast::Or(parts))
    }

    pub(super) fn combined_fields(&mut self, value: &Value, at: &Path) -> Parsed {
        let of = settings(value, at, &["query", "fields", "operator", "minimum_should_match", "zero_terms_query"])?;
        let fields = self.fields(&of)?;
        self.across(&fields, &of)
    }

    /// The words of a text, each in any of the fields.
    fn across(&mut self, fields: &[FieldId], of: &Settings) -> Parsed {
        let text = of.needs_text("query")?;
        let default = self.builder.schema.default_field();
        let mut parts = Vec::new();
        for word in self.words(default, &text, of)? {
            let any: Parsed<Vec<Ast>> = fields.iter().map(|&field| self.match_word(field, &word, of, false)).collect();
            parts.push(Ast::Or(any?));
        }
        if parts.is_empty() {
            return of.at.fail(build::no_term(&text));
        }
        joined(parts, of)
    }

    /// The fields of `fields` or `default_field`, or else the default field. Some clients write all
    /// settings, so an empty list is none.
    pub(super) fn fields(&self, of: &Settings) -> Parsed<Vec<FieldId>> {
        let is_list = |(_, value): &(_, &Value)| value.as_array().is_none_or(|fields| !fields.is_empty());
        let named = of.get("fields").filter(is_list).or_else(|| of.get("default_field"));
        let Some((at, value)) = named else { return Ok(vec![self.builder.schema.default_field()]) };
        let mut fields = Vec::new();
        for (at, value) in at.list(value) {
            let name = at.text(value)?;
            let name = name.split('^').next().unwrap_or_default();
            let field = match name {
                "*" | "_all" | "text.*" | "text*" => self.builder.schema.default_field(),
                name => at.built(self.field(name))?,
            };
            if !fields.contains(&field) {
                fields.push(field);
            }
        }
        if fields.is_empty() { at.fail(LeafError::new("the list of fields is empty")) } else { Ok(fields) }
    }
}

/// The words joined by `operator`. With OR, `minimum_should_match` says how many must match.
fn joined(parts: Vec<Ast>, of: &Settings) -> Parsed {
    match (of.join("operator", Join::Or)?, of.minimum(parts.len())?) {
        (Join::And, _) => Ok(Ast::And(parts)),
        (Join::Or, Some(minimum)) if minimum > parts.len() => {
            let message = format!("{minimum} of {} words can never match", parts.len());
            of.at.key("minimum_should_match").fail(LeafError::new(message))
        }
        // With no word required, the query would match everything.
        (Join::Or, minimum) => Ok(Ast::AtLeast { min: minimum.unwrap_or(1).max(1), of: parts }),
    }
}
