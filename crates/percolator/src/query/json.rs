//! Parses the JSON form: the common part of Elasticsearch's query DSL, to the same [`Ast`].
//!
//! A leaf means the same as in the text form. Settings that change only the score (`boost`) are
//! accepted. Everything unknown is an error with its place in the JSON, because ignoring it would
//! change the meaning of the query.

use serde_json::{Map, Value};

use super::build::{self, Builder, Built, LeafError, RangeBound};
use super::{Ast, Diagnostic, Diagnostics, Join, ParseOptions, QueryLimits, parse};
use crate::schema::{FieldId, Kind, Schema};

mod compound;
mod full_text;
mod fuzziness;
mod geo;
mod range;
mod settings;
mod simple;
mod term_level;
mod text_query;

use settings::{Path, settings};

/// Settings that do not change what a query matches.
const HARMLESS: &[&str] = &[
    "boost",
    "_name",
    "rewrite",
    "case_insensitive",
    "lenient",
    "analyze_wildcard",
    "flags",
    "flags_value",
    "max_expansions",
    "auto_generate_synonyms_phrase_query",
    "auto_generate_phrase_queries",
    "allow_leading_wildcard",
    "lowercase_expanded_terms",
    "enable_position_increments",
    "fuzzy_transpositions",
    "transpositions",
    "fuzzy_max_expansions",
    "fuzzy_prefix_length",
    "fuzzy_rewrite",
    "max_determinized_states",
    "quote_analyzer",
    "quote_field_suffix",
    "escape",
    "locale",
    "use_dis_max",
    "cutoff_frequency",
    "relation",
    "ignore_unmapped",
    "inner_hits",
    "score_mode",
    "boost_mode",
    "adjust_pure_negative",
    "disable_coord",
];

/// Parts of a search body besides the query.
const BODY: &[&str] = &[
    "size",
    "from",
    "sort",
    "_source",
    "aggs",
    "aggregations",
    "highlight",
    "track_total_hits",
    "track_scores",
    "fields",
    "stored_fields",
    "docvalue_fields",
    "script_fields",
    "runtime_mappings",
    "version",
    "seq_no_primary_term",
    "timeout",
    "terminate_after",
    "explain",
    "profile",
    "search_after",
    "pit",
    "suggest",
    "collapse",
    "rescore",
    "indices_boost",
    "stats",
    "ext",
];

/// The names of all queries, for error messages.
const QUERIES: &[&str] = &[
    "bool",
    "boosting",
    "combined_fields",
    "constant_score",
    "dis_max",
    "exists",
    "filtered",
    "function_score",
    "fuzzy",
    "geo_bounding_box",
    "geo_distance",
    "ids",
    "match",
    "match_all",
    "match_bool_prefix",
    "match_none",
    "match_phrase",
    "match_phrase_prefix",
    "multi_match",
    "nested",
    "prefix",
    "query_string",
    "range",
    "regexp",
    "script_score",
    "simple_query_string",
    "term",
    "terms",
    "wildcard",
];

/// Queries that perch can't answer, and why.
const REFUSED: &[(&[&str], &str)] = &[
    (&["kql"], "the language of Kibana is not read here; most of it is query text: {\"query_string\": {\"query\": …}}"),
    (&["more_like_this"], "perch does not compare tweets; search for words"),
    (&["script"], "perch runs no scripts"),
    (&["knn", "semantic", "sparse_vector", "text_expansion", "neural"], "perch keeps no vectors; search for words"),
    (
        &["geo_shape", "geo_polygon", "geo_grid", "shape"],
        "perch knows boxes and circles: geo_bounding_box, geo_distance",
    ),
    (
        &["has_child", "has_parent", "parent_id"],
        "tweets have no children; search for in_reply_to_screen_name or is:reply",
    ),
    (&["percolate"], "to match a tweet against queries, send it to POST /api/percolate"),
    (
        &["rank_feature", "distance_feature", "pinned", "rule"],
        "this changes the order alone, and pages are in order of ids",
    ),
    (
        &["intervals", "span_term", "span_near", "span_or", "span_first", "span_not", "span_multi", "span_containing"],
        "spans are not read here; write match_phrase, with slop if words may lie apart",
    ),
    (&["terms_set"], "write bool with should and minimum_should_match"),
    (&["wrapper"], "write the query itself, not its base64 form"),
    (&["type", "indices"], "perch has one index, of tweets alone"),
    (&["common"], "write match"),
];

/// Names of fields in documents of Elasticsearch, and the fields of perch.
const NAMES: &[(&str, &str)] = &[
    ("@timestamp", "created_at"),
    ("_id", "id"),
    ("entities.hashtags.text", "hashtag"),
    ("entities.hashtags.tag", "hashtag"),
    ("entities.symbols.text", "cashtag"),
    ("entities.user_mentions.screen_name", "mention"),
    ("entities.mentions.username", "mention"),
    ("entities.urls.url", "url"),
    ("entities.urls.expanded_url", "url"),
    ("entities.urls.display_url", "url"),
    ("public_metrics.retweet_count", "retweet_count"),
    ("public_metrics.like_count", "favorite_count"),
    ("user.followers", "user.followers_count"),
    ("author.username", "user.screen_name"),
];

type Parsed<T = Ast> = Result<T, Diagnostics>;

/// Parses the JSON form of a query.
pub(super) fn parse(
    value: &Value,
    schema: &Schema,
    limits: &QueryLimits,
    options: ParseOptions,
) -> Result<(Ast, Vec<Diagnostic>), Diagnostics> {
    let (len, at) = (value.to_string().len(), Path::root());
    if len > limits.max_bytes && (len > build::MAX_BYTES_WITH_LISTS || len - bytes_of_lists(value) > limits.max_bytes) {
        return at.fail(build::too_many_bytes(len, limits));
    }
    let mut builder = Builder::new(schema, limits);
    builder.now = options.now;
    let mut reader = JsonParser { builder, warnings: Vec::new() };
    let ast = match value.as_object() {
        Some(body) if body.contains_key("query") && !body.contains_key("query_string") => reader.body(body, &at),
        _ => reader.query(value, &at),
    };
    ast.map(|ast| (ast, reader.warnings))
}

/// The bytes of the lists of values: those of `terms` and `ids`.
fn bytes_of_lists(value: &Value) -> usize {
    match value {
        Value::Array(items) if items.iter().all(|item| item.is_string() || item.is_number()) => value.to_string().len(),
        Value::Array(items) => items.iter().map(bytes_of_lists).sum(),
        Value::Object(map) => map.values().map(bytes_of_lists).sum(),
        _ => 0,
    }
}

struct JsonParser<'a> {
    builder: Builder<'a>,
    warnings: Vec<Diagnostic>,
}

impl JsonParser<'_> {
    fn warn(&mut self, at: &Path, message: impl Into<String>) {
        self.warnings.push(Diagnostic::in_json(&at.0, message.into(), None));
    }

    /// A whole search body, which has the query under the key `query`.
    fn body(&mut self, body: &Map<String, Value>, at: &Path) -> Parsed {
        let mut all = Vec::new();
        for (key, value) in body {
            let at = at.key(key);
            match key.as_str() {
                "query" | "post_filter" => all.push(self.query(value, &at)?),
                key if BODY.contains(&key) => self.warn(&at, format!("`{key}` is no part of a query and is left out")),
                key => {
                    let problem = LeafError::new(format!("`{key}` is not known in a search body"));
                    return at.fail(problem.expected("expected query, and what belongs to a search"));
                }
            }
        }
        Ok(Ast::And(all))
    }

    fn query(&mut self, value: &Value, at: &Path) -> Parsed {
        at.built(self.builder.enter())?;
        let options = ParseOptions { now: self.builder.now, ..ParseOptions::default() };
        let ast = match value {
            Value::String(text) => self.query_text(text, options, at),
            _ => self.named(at.object(value)?, at),
        }?;
        self.builder.leave();
        Ok(ast)
    }

    fn queries(&mut self, settings: &settings::Settings, key: &str) -> Parsed<Vec<Ast>> {
        let Some((at, value)) = settings.get(key) else { return Ok(Vec::new()) };
        at.list(value).into_iter().map(|(at, value)| self.query(value, &at)).collect()
    }

    fn query_text(&mut self, text: &str, options: ParseOptions, at: &Path) -> Parsed {
        let parse::ParsedText { ast, mut mistakes, mut warnings } = parse::parse(text, &mut self.builder, options);
        for diagnostic in mistakes.iter_mut().chain(&mut warnings) {
            diagnostic.path.clone_from(&at.0);
        }
        self.warnings.extend(warnings);
        Diagnostics::new(mistakes).map_or(Ok(ast), Err)
    }

    fn named(&mut self, object: &Map<String, Value>, at: &Path) -> Parsed {
        let known = format!("expected one of {}", QUERIES.join(", "));
        let mut names = object.iter();
        let (Some((name, value)), None) = (names.next(), names.next()) else {
            let problem = LeafError::new(format!("a query is an object with one name, and this has {}", object.len()));
            return at.fail(problem.expected(known));
        };
        let at = &at.key(name);
        match name.as_str() {
            "match_all" => settings(value, at, &[]).map(|_| Ast::All),
            "match_none" => settings(value, at, &[]).map(|_| Ast::None),
            "match" => self.matching(value, at),
            "match_phrase" => self.phrase(value, at, false),
            "match_phrase_prefix" => self.phrase(value, at, true),
            "match_bool_prefix" => self.bool_prefix(value, at),
            "multi_match" => self.multi_match(value, at),
            "combined_fields" => self.combined_fields(value, at),
            "term" | "terms" | "prefix" | "wildcard" | "regexp" | "fuzzy" | "exists" | "ids" => {
                self.term_level(name, value, at)
            }
            "range" => self.range(value, at),
            "bool" => self.bool(value, at),
            "dis_max" | "constant_score" | "boosting" | "nested" | "function_score" | "script_score" | "filtered" => {
                self.compound(name, value, at)
            }
            "query_string" => self.query_string(value, at),
            "simple_query_string" => self.simple_query_string(value, at),
            "geo_bounding_box" => self.geo_bounding_box(value, at),
            "geo_distance" => self.geo_distance(value, at),
            other if let Some((_, why)) = REFUSED.iter().find(|(names, _)| names.contains(&other)) => {
                at.fail(LeafError::new(format!("perch can't answer `{other}`")).expected(*why))
            }
            _ => {
                let problem = LeafError::new(format!("there is no query `{name}`"));
                let near = build::nearest(name, QUERIES.iter().copied());
                at.fail(problem.expected(near.map_or(known, |near| format!("did you mean `{near}`?"))))
            }
        }
    }

    /// The field with a name as it is in queries, or in documents of Elasticsearch.
    fn field(&self, name: &str) -> Built<FieldId> {
        let plain = [".keyword", ".raw"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
        let known = NAMES.iter().find(|(other, _)| *other == plain).map(|&(_, known)| known);
        match self.builder.schema.find(name).or_else(|| self.builder.schema.find(known?)) {
            Some(field) => Ok(field),
            None => self.builder.field(plain),
        }
    }

    /// Warns of an analyzer that perch does not have.
    fn analyzer(&mut self, of: &settings::Settings) -> Parsed<()> {
        if let Some(analyzer) = of.text("analyzer")?
            && !matches!(analyzer.as_str(), "standard" | "default" | "simple")
        {
            let message = format!("perch has one analyzer, and no `{analyzer}`: see \"How text is analyzed\"");
            self.warn(&of.at.key("analyzer"), message);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
