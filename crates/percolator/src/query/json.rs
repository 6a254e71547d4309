//! Parses the JSON form: the common part of Elasticsearch's query DSL, to the same [`Ast`].
//!
//! A leaf means the same as in the text form. Settings that change only the score (`boost`) are
//! accepted. Everything unknown is an error with its place in the JSON, because ignoring it would
//! change the meaning of the query.

use serde_json::{Map, Value};

use super::build::{self, Builder, Built, LeafError, RangeBound};
use super::{Ast, Diagnostic, Diagnostics, Join, ParseOptions, QueryLimits, parse};
use crate::schema::{FieldId, Kind, Schema};

mod simple;

/// Settings that do not change what a query matches.
const HARMLESS: &[&str] = &["boost", "_name", "rewrite", "case_insensitive", "lenient", "analyze_wildcard", "flags"];

/// The names of all queries, for error messages.
const QUERIES: &[&str] = &[
    "bool",
    "constant_score",
    "dis_max",
    "exists",
    "fuzzy",
    "geo_bounding_box",
    "geo_distance",
    "ids",
    "match",
    "match_all",
    "match_none",
    "match_phrase",
    "match_phrase_prefix",
    "multi_match",
    "prefix",
    "query_string",
    "range",
    "regexp",
    "simple_query_string",
    "term",
    "terms",
    "wildcard",
];

/// Parses the JSON form of a query.
pub(super) fn parse(value: &Value, schema: &Schema, limits: &QueryLimits) -> Result<Ast, Diagnostics> {
    let len = value.to_string().len();
    let at = Path::root();
    if len > limits.max_bytes {
        let limit = limits.max_bytes;
        return at
            .fail(LeafError::limit(format!("the query is {len} bytes long, over the limit of {limit} (max_bytes)")));
    }
    let mut reader = JsonParser { builder: Builder::new(schema, limits) };
    // A whole search body has the query under the key `query`.
    match value.as_object() {
        Some(body) if body.len() == 1 && body.contains_key("query") => reader.query(&body["query"], &at.key("query")),
        _ => reader.query(value, &at),
    }
}

type Parsed<T = Ast> = Result<T, Diagnostics>;

/// A path in the JSON.
#[derive(Clone, Debug)]
struct Path(String);

impl Path {
    fn root() -> Path {
        Path(String::new())
    }

    fn key(&self, key: &str) -> Path {
        Path(if self.0.is_empty() { key.to_owned() } else { format!("{}.{key}", self.0) })
    }

    fn item(&self, at: usize) -> Path {
        Path(format!("{}[{at}]", self.0))
    }

    fn fail<T>(&self, problem: LeafError) -> Parsed<T> {
        Err(Diagnostics::one(Diagnostic::in_json(&self.0, problem.message, problem.expected)))
    }

    fn wants<T>(&self, found: &Value, expected: &str) -> Parsed<T> {
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

    fn built<T>(&self, built: Built<T>) -> Parsed<T> {
        built.or_else(|problem| self.fail(problem))
    }

    fn object<'v>(&self, value: &'v Value) -> Parsed<&'v Map<String, Value>> {
        value.as_object().map_or_else(|| self.wants(value, "an object"), Ok)
    }

    /// A list, or a single value as a list.
    fn list<'v>(&self, value: &'v Value) -> Vec<(Path, &'v Value)> {
        match value {
            Value::Array(items) => items.iter().enumerate().map(|(at, item)| (self.item(at), item)).collect(),
            one => vec![(self.clone(), one)],
        }
    }

    /// Text, or a number as text.
    fn text(&self, value: &Value) -> Parsed<String> {
        match value {
            Value::String(text) => Ok(text.clone()),
            Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
            _ => self.wants(value, "a text or a number"),
        }
    }

    fn whole<T: TryFrom<u64>>(&self, value: &Value) -> Parsed<T> {
        let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
        match number.and_then(|number| T::try_from(number).ok()) {
            Some(number) => Ok(number),
            None => self.wants(value, "a whole number from 0 up"),
        }
    }
}

/// The settings of a query, each with its path. Unknown ones are refused before.
struct Settings {
    at: Path,
    map: Map<String, Value>,
}

impl Settings {
    fn get(&self, key: &str) -> Option<(Path, &Value)> {
        self.map.get(key).map(|value| (self.at.key(key), value))
    }

    fn text(&self, key: &str) -> Parsed<Option<String>> {
        self.get(key).map(|(at, value)| at.text(value)).transpose()
    }

    fn needs_text(&self, key: &str) -> Parsed<String> {
        match self.text(key)? {
            Some(text) => Ok(text),
            None => self.at.fail(LeafError::new(format!("`{key}` is missing"))),
        }
    }

    /// The operator between parts.
    fn join(&self, key: &str, default: Join) -> Parsed<Join> {
        match self.text(key)?.map(|text| text.to_ascii_lowercase()).as_deref() {
            None => Ok(default),
            Some("and") => Ok(Join::And),
            Some("or") => Ok(Join::Or),
            Some(other) => {
                self.at.key(key).fail(LeafError::new(format!("`{other}` joins nothing")).expected("expected AND or OR"))
            }
        }
    }

    /// How many of `of` must match. None without the setting.
    fn minimum(&self, of: usize) -> Parsed<Option<usize>> {
        let Some((at, value)) = self.get("minimum_should_match") else { return Ok(None) };
        let text = at.text(value)?;
        let expected =
            || LeafError::new(format!("`{text}` is no number of parts")).expected("expected as 2, -1 or 75%");
        let (number, percent) = match text.strip_suffix('%') {
            Some(number) => (number, true),
            None => (text.as_str(), false),
        };
        let Ok(number) = number.parse::<i64>() else { return at.fail(expected()) };
        let total = i64::try_from(of).unwrap_or(i64::MAX);
        let count = if percent {
            let part = number.unsigned_abs().min(100).saturating_mul(total.unsigned_abs()) / 100;
            i64::try_from(part).unwrap_or(i64::MAX)
        } else {
            number.saturating_abs()
        };
        let count = if number < 0 { total - count } else { count };
        Ok(Some(usize::try_from(count).unwrap_or(0)))
    }
}

/// The edits of a fuzzy word.
#[derive(Clone, Copy)]
enum Fuzziness {
    Fixed(u8),
    /// By the length of the word: none up to 2 characters, one up to 5, two above.
    Auto,
}

impl Fuzziness {
    fn distance(self, term: &str) -> u8 {
        match self {
            Fuzziness::Fixed(distance) => distance,
            Fuzziness::Auto => match term.chars().count() {
                0..=2 => 0,
                3..=5 => 1,
                _ => 2,
            },
        }
    }
}

struct JsonParser<'a> {
    builder: Builder<'a>,
}

impl JsonParser<'_> {
    fn query(&mut self, value: &Value, at: &Path) -> Parsed {
        at.built(self.builder.enter())?;
        let ast = match value {
            Value::String(text) => self.query_text(text, ParseOptions::default(), at),
            _ => self.named(at.object(value)?, at),
        }?;
        self.builder.leave();
        Ok(ast)
    }

    fn queries(&mut self, settings: &Settings, key: &str) -> Parsed<Vec<Ast>> {
        let Some((at, value)) = settings.get(key) else { return Ok(Vec::new()) };
        at.list(value).into_iter().map(|(at, value)| self.query(value, &at)).collect()
    }

    fn query_text(&mut self, text: &str, options: ParseOptions, at: &Path) -> Parsed {
        let (ast, mut mistakes) = parse::parse(text, &mut self.builder, options);
        for mistake in &mut mistakes {
            mistake.path.clone_from(&at.0);
        }
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
            "multi_match" => self.multi_match(value, at),
            "term" => {
                let (field, of) = self.fielded(value, at, "value", &[])?;
                let text = of.needs_text("value")?;
                of.at.built(self.builder.text(field, &text, 0, false))
            }
            "terms" => self.terms(value, at),
            "prefix" => {
                let (field, of) = self.fielded(value, at, "value", &[])?;
                let text = of.needs_text("value")?;
                of.at.built(self.builder.text(field, &text, 0, true))
            }
            "wildcard" => {
                let (field, of) = self.fielded(value, at, "value", &["wildcard"])?;
                let pattern = match of.text("wildcard")? {
                    Some(pattern) => pattern,
                    None => of.needs_text("value")?,
                };
                of.at.built(self.builder.wildcard(field, &pattern))
            }
            "regexp" => {
                let (field, of) = self.fielded(value, at, "value", &["max_determinized_states"])?;
                let pattern = of.needs_text("value")?;
                of.at.built(self.builder.regex(field, &pattern))
            }
            "fuzzy" => {
                let (field, of) = self.fielded(value, at, "value", &["fuzziness", "transpositions"])?;
                let text = of.needs_text("value")?;
                let distance = fuzziness(&of, Fuzziness::Auto)?.distance(&text);
                of.at.built(self.builder.fuzzy(field, &text, distance))
            }
            "range" => self.range(value, at),
            "exists" => {
                let of = settings(value, at, &["field"])?;
                let name = of.needs_text("field")?;
                let field = of.at.built(self.builder.field(&name))?;
                of.at.built(self.builder.exists(field))
            }
            "ids" => {
                let of = settings(value, at, &["values"])?;
                let field = at.built(self.builder.field("id"))?;
                let Some((at, values)) = of.get("values") else {
                    return at.fail(LeafError::new("`values` is missing"));
                };
                self.one_of(field, values, &at)
            }
            "bool" => self.bool(value, at),
            "dis_max" => {
                let of = settings(value, at, &["queries", "tie_breaker"])?;
                self.queries(&of, "queries").map(Ast::Or)
            }
            "constant_score" => {
                let of = settings(value, at, &["filter"])?;
                self.queries(&of, "filter").map(Ast::And)
            }
            "query_string" => self.query_string(value, at),
            "simple_query_string" => self.simple_query_string(value, at),
            "geo_bounding_box" => self.geo_bounding_box(value, at),
            "geo_distance" => self.geo_distance(value, at),
            _ => {
                let problem = LeafError::new(format!("there is no query `{name}`"));
                let near = build::nearest(name, QUERIES.iter().copied());
                at.fail(problem.expected(near.map_or(known, |near| format!("did you mean `{near}`?"))))
            }
        }
    }

    /// `{field: value}` or `{field: {main: value, …}}`.
    fn fielded(&mut self, value: &Value, at: &Path, main: &str, others: &[&str]) -> Parsed<(FieldId, Settings)> {
        let object = at.object(value)?;
        let mut names = object.iter().filter(|(name, _)| !HARMLESS.contains(&name.as_str()));
        let (Some((name, value)), None) = (names.next(), names.next()) else {
            return at.fail(LeafError::new("one field must be named here, and only one"));
        };
        let at = at.key(name);
        let field = at.built(self.builder.field(name))?;
        if value.is_object() {
            let known: Vec<&str> = others.iter().copied().chain([main]).collect();
            return Ok((field, settings(value, &at, &known)?));
        }
        at.text(value)?;
        let map = Map::from_iter([(main.to_owned(), value.clone())]);
        Ok((field, Settings { at, map }))
    }

    fn matching(&mut self, value: &Value, at: &Path) -> Parsed {
        let others = ["operator", "minimum_should_match", "fuzziness", "fuzzy_transpositions"];
        let (field, of) = self.fielded(value, at, "query", &others)?;
        self.match_words(field, &of)
    }

    /// The words of a text, each as a leaf.
    fn match_words(&mut self, field: FieldId, of: &Settings) -> Parsed {
        let text = of.needs_text("query")?;
        let fuzziness = fuzziness(of, Fuzziness::Fixed(0))?;
        let kind = self.builder.schema.field(field).kind;
        let words: Vec<String> = match (kind, fuzziness) {
            // A word of several terms, as `foo-bar` or 日本語, is a phrase, as in the text form.
            (Kind::Text, Fuzziness::Fixed(0)) => text.split_whitespace().map(str::to_owned).collect(),
            (Kind::Text, _) => build::analyze(kind, &text),
            _ => vec![text.clone()],
        };
        let mut parts = Vec::new();
        for word in words {
            if kind == Kind::Text && build::analyze(kind, &word).is_empty() {
                continue;
            }
            parts.push(of.at.built(self.builder.fuzzy(field, &word, fuzziness.distance(&word)))?);
        }
        if parts.is_empty() {
            return of.at.built(self.builder.text(field, &text, 0, false));
        }
        match (of.join("operator", Join::Or)?, of.minimum(parts.len())?) {
            (Join::And, _) => Ok(Ast::And(parts)),
            // With no word required, the query would match everything.
            (Join::Or, minimum) => Ok(Ast::AtLeast { min: minimum.unwrap_or(1).max(1), of: parts }),
        }
    }

    fn phrase(&mut self, value: &Value, at: &Path, last_is_prefix: bool) -> Parsed {
        let (field, of) = self.fielded(value, at, "query", &["slop"])?;
        self.match_phrase(field, &of, last_is_prefix)
    }

    fn match_phrase(&mut self, field: FieldId, of: &Settings, last_is_prefix: bool) -> Parsed {
        let text = of.needs_text("query")?;
        let slop = of.get("slop").map_or(Ok(0), |(at, value)| at.whole(value))?;
        of.at.built(self.builder.text(field, &text, slop, last_is_prefix))
    }

    fn multi_match(&mut self, value: &Value, at: &Path) -> Parsed {
        let known = ["query", "fields", "type", "operator", "minimum_should_match", "fuzziness", "slop", "tie_breaker"];
        let of = settings(value, at, &known)?;
        let fields = self.fields(&of)?;
        let kind = of.text("type")?.unwrap_or_else(|| "best_fields".into());
        let mut parts = Vec::new();
        for field in fields {
            parts.push(match kind.as_str() {
                "best_fields" | "most_fields" => self.match_words(field, &of)?,
                "phrase" => self.match_phrase(field, &of, false)?,
                "phrase_prefix" => self.match_phrase(field, &of, true)?,
                other => {
                    let problem = LeafError::new(format!("there is no type `{other}` of multi_match"));
                    let expected = "expected best_fields, most_fields, phrase or phrase_prefix";
                    return at.key("type").fail(problem.expected(expected));
                }
            });
        }
        Ok(Ast::Or(parts))
    }

    /// The fields of `fields` or `default_field`, or else the default field.
    fn fields(&self, of: &Settings) -> Parsed<Vec<FieldId>> {
        let named = of.get("fields").or_else(|| of.get("default_field"));
        let Some((at, value)) = named else { return Ok(vec![self.builder.schema.default_field()]) };
        let mut fields = Vec::new();
        for (at, value) in at.list(value) {
            let name = at.text(value)?;
            let name = name.split('^').next().unwrap_or_default();
            fields.push(match name {
                "*" | "_all" => self.builder.schema.default_field(),
                name => at.built(self.builder.field(name))?,
            });
        }
        if fields.is_empty() { at.fail(LeafError::new("the list of fields is empty")) } else { Ok(fields) }
    }

    fn terms(&mut self, value: &Value, at: &Path) -> Parsed {
        let object = at.object(value)?;
        let mut names = object.iter().filter(|(name, _)| !HARMLESS.contains(&name.as_str()));
        let (Some((name, values)), None) = (names.next(), names.next()) else {
            return at.fail(LeafError::new("one field must be named here, and only one"));
        };
        let at = at.key(name);
        let field = at.built(self.builder.field(name))?;
        if !values.is_array() {
            return at.wants(values, "a list of terms");
        }
        self.one_of(field, values, &at)
    }

    fn one_of(&mut self, field: FieldId, values: &Value, at: &Path) -> Parsed {
        let mut parts = Vec::new();
        for (at, value) in at.list(values) {
            let text = at.text(value)?;
            parts.push(at.built(self.builder.text(field, &text, 0, false))?);
        }
        Ok(Ast::Or(parts))
    }

    fn range(&mut self, value: &Value, at: &Path) -> Parsed {
        let object = at.object(value)?;
        let mut names = object.iter().filter(|(name, _)| !HARMLESS.contains(&name.as_str()));
        let (Some((name, value)), None) = (names.next(), names.next()) else {
            return at.fail(LeafError::new("one field must be named here, and only one"));
        };
        let at = at.key(name);
        let field = at.built(self.builder.field(name))?;
        let of = settings(value, &at, &["gte", "gt", "lte", "lt"])?;
        let ends = |open: &str, closed: &str| -> Parsed<Option<(String, bool)>> {
            match (of.get(open), of.get(closed)) {
                (Some(_), Some((at, _))) => at.fail(LeafError::new(format!("`{open}` and `{closed}` are given both"))),
                (Some((_, Value::Null)), None) | (None, Some((_, Value::Null)) | None) => Ok(None),
                (Some((at, value)), None) => at.text(value).map(|text| Some((text, false))),
                (None, Some((at, value))) => at.text(value).map(|text| Some((text, true))),
            }
        };
        let (lower, upper) = (ends("gt", "gte")?, ends("lt", "lte")?);
        let lower = lower.as_ref().map(|(text, included)| RangeBound { text, included: *included });
        let upper = upper.as_ref().map(|(text, included)| RangeBound { text, included: *included });
        at.built(self.builder.range(field, lower, upper))
    }

    fn bool(&mut self, value: &Value, at: &Path) -> Parsed {
        let of = settings(value, at, &["must", "should", "must_not", "filter", "minimum_should_match"])?;
        let mut all = self.queries(&of, "must")?;
        all.extend(self.queries(&of, "filter")?);
        let should = self.queries(&of, "should")?;
        // Beside `must`, a `should` changes only the score.
        let default = usize::from(all.is_empty() && !should.is_empty());
        let min = of.minimum(should.len())?.unwrap_or(default);
        if min > 0 {
            all.push(Ast::AtLeast { min, of: should });
        }
        all.extend(self.queries(&of, "must_not")?.into_iter().map(|part| Ast::Not(Box::new(part))));
        Ok(Ast::And(all))
    }

    fn query_string(&mut self, value: &Value, at: &Path) -> Parsed {
        let of =
            settings(value, at, &["query", "default_field", "fields", "default_operator", "allow_leading_wildcard"])?;
        let text = of.needs_text("query")?;
        let join = of.join("default_operator", Join::And)?;
        let mut read = Vec::new();
        for field in self.fields(&of)? {
            let options = ParseOptions { default_field: Some(field), join };
            read.push(self.query_text(&text, options, &at.key("query"))?);
        }
        Ok(merge(read))
    }

    fn simple_query_string(&mut self, value: &Value, at: &Path) -> Parsed {
        let of = settings(value, at, &["query", "default_field", "fields", "default_operator"])?;
        let text = of.needs_text("query")?;
        let join = of.join("default_operator", Join::And)?;
        let fields = self.fields(&of)?;
        at.key("query").built(simple::parse(&text, &mut self.builder, &fields, join))
    }

    fn geo_bounding_box(&mut self, value: &Value, at: &Path) -> Parsed {
        let (field, value, at) = self.place(value, at, &["type", "validation_method"])?;
        let corners = ["top_left", "bottom_right", "top_right", "bottom_left"];
        let of = settings(value, &at, &[&corners[..], &["top", "left", "bottom", "right"]].concat())?;
        let point = |key: &str| of.get(key).map(|(at, value)| point(value, &at)).transpose();
        let edge = |key: &str| of.get(key).map(|(at, value)| number(value, &at)).transpose();
        let edges = if let (Some((west, north)), Some((east, south))) = (point(corners[0])?, point(corners[1])?) {
            [west, south, east, north]
        } else if let (Some((east, north)), Some((west, south))) = (point(corners[2])?, point(corners[3])?) {
            [west, south, east, north]
        } else if let (Some(west), Some(south), Some(east), Some(north)) =
            (edge("left")?, edge("bottom")?, edge("right")?, edge("top")?)
        {
            [west, south, east, north]
        } else {
            let expected = "expected top_left and bottom_right, or top, left, bottom and right";
            return at.fail(LeafError::new("the box is not complete").expected(expected));
        };
        at.built(self.builder.within(field, edges))
    }

    fn geo_distance(&mut self, value: &Value, at: &Path) -> Parsed {
        let (field, place, place_at) = self.place(value, at, &["distance", "distance_type", "validation_method"])?;
        let Some(distance) = value.get("distance") else { return at.fail(LeafError::new("`distance` is missing")) };
        let at = at.key("distance");
        let meters = match distance {
            Value::Number(_) => number(distance, &at)?,
            _ => at.built(build::distance(&at.text(distance)?))?,
        };
        let (lon, lat) = point(place, &place_at)?;
        place_at.built(self.builder.near(field, lon, lat, meters))
    }

    /// The one field with a point, besides settings.
    fn place<'v>(&self, value: &'v Value, at: &Path, beside: &[&str]) -> Parsed<(FieldId, &'v Value, Path)> {
        let object = at.object(value)?;
        let is_field = |name: &str| !HARMLESS.contains(&name) && !beside.contains(&name);
        let mut names = object.iter().filter(|(name, _)| is_field(name));
        let (Some((name, value)), None) = (names.next(), names.next()) else {
            return at.fail(LeafError::new("one field must be named here, and only one"));
        };
        let at = at.key(name);
        Ok((at.built(self.builder.field(name))?, value, at))
    }
}

/// The settings of a query. An unknown one is an error.
fn settings(value: &Value, at: &Path, known: &[&str]) -> Parsed<Settings> {
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

fn fuzziness(of: &Settings, default: Fuzziness) -> Parsed<Fuzziness> {
    let Some((at, value)) = of.get("fuzziness") else { return Ok(default) };
    match at.text(value)?.to_ascii_uppercase().as_str() {
        "AUTO" => Ok(Fuzziness::Auto),
        "0" => Ok(Fuzziness::Fixed(0)),
        "1" => Ok(Fuzziness::Fixed(1)),
        "2" => Ok(Fuzziness::Fixed(2)),
        other => at.fail(LeafError::new(format!("`{other}` is no fuzziness")).expected("expected 0, 1, 2 or AUTO")),
    }
}

fn number(value: &Value, at: &Path) -> Parsed<f64> {
    let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok());
    number.map_or_else(|| at.wants(value, "a number"), Ok)
}

/// Longitude and latitude, from `{lat, lon}`, `[lon, lat]` or `"lat,lon"`.
fn point(value: &Value, at: &Path) -> Parsed<(f64, f64)> {
    match value {
        Value::Object(_) => {
            let of = settings(value, at, &["lat", "lon"])?;
            match (of.get("lon"), of.get("lat")) {
                (Some((lon_at, lon)), Some((lat_at, lat))) => Ok((number(lon, &lon_at)?, number(lat, &lat_at)?)),
                _ => at.fail(LeafError::new("a place needs `lat` and `lon`")),
            }
        }
        Value::Array(pair) if pair.len() == 2 => Ok((number(&pair[0], &at.item(0))?, number(&pair[1], &at.item(1))?)),
        Value::String(text) => match text.split_once(',').map(|(lat, lon)| (lon.trim().parse(), lat.trim().parse())) {
            Some((Ok(lon), Ok(lat))) => Ok((lon, lat)),
            _ => at.wants(value, "\"lat,lon\""),
        },
        _ => at.wants(value, "{lat, lon}, [lon, lat] or \"lat,lon\""),
    }
}

/// Joins the queries of one text that was parsed with several default fields: each word may be in
/// any of them.
fn merge(mut read: Vec<Ast>) -> Ast {
    if read.len() == 1 || read.windows(2).all(|pair| pair[0] == pair[1]) {
        return read.swap_remove(0);
    }
    let lists: Option<Vec<&Vec<Ast>>> = read
        .iter()
        .map(|ast| match (ast, &read[0]) {
            (Ast::And(of), Ast::And(first)) | (Ast::Or(of), Ast::Or(first)) if of.len() == first.len() => Some(of),
            _ => None,
        })
        .collect();
    if let Some(lists) = lists {
        let parts = (0..lists[0].len()).map(|at| merge(lists.iter().map(|list| list[at].clone()).collect()));
        return if matches!(read[0], Ast::And(_)) { Ast::And(parts.collect()) } else { Ast::Or(parts.collect()) };
    }
    let nots: Option<Vec<Ast>> =
        read.iter().map(|ast| if let Ast::Not(part) = ast { Some((**part).clone()) } else { None }).collect();
    match nots {
        Some(parts) => Ast::Not(Box::new(merge(parts))),
        None => Ast::Or(read),
    }
}

#[cfg(test)]
mod tests;
