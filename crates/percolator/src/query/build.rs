//! Builds the leaves of an [`Ast`]: analyzes what was written by the kind of its field, and checks
//! the limits.
//!
//! The text form, the JSON form and [`super::Query::from_ast`] share it, so that a leaf means the
//! same in all of them.

use std::ops::Bound;

use super::{AUTOMATON_BYTES_A_COST, Ast, GeoBox, GeoCircle, PATTERN_COST, Phrase, QueryLimits, dates};
use crate::automaton::{AutomatonError, TermAutomaton};
use crate::doc::{MAX_TERM_BYTES, POSITION_GAP};
use crate::schema::{Field, FieldId, Kind, Schema, float_key};
use crate::text;

/// Edits of a fuzzy term, at most.
pub(super) const MAX_DISTANCE: u8 = 2;
/// Characters of a fuzzy term, at most: its automaton grows with each.
const MAX_FUZZY_CHARS: usize = 64;
/// The largest slop. With more, a phrase could span two values of a field.
const MAX_SLOP: u32 = POSITION_GAP - 1;

/// An error in a leaf. The caller adds the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LeafError {
    pub(super) message: String,
    pub(super) expected: Option<String>,
    /// Whether a limit is exceeded. Otherwise the query is invalid.
    pub(super) is_limit: bool,
}

impl LeafError {
    pub(super) fn new(message: impl Into<String>) -> LeafError {
        LeafError { message: message.into(), expected: None, is_limit: false }
    }

    /// An error for an exceeded limit.
    pub(super) fn limit(message: impl Into<String>) -> LeafError {
        LeafError { is_limit: true, ..LeafError::new(message) }
    }

    pub(super) fn expected(mut self, expected: impl Into<String>) -> LeafError {
        self.expected = Some(expected.into());
        self
    }
}

pub(super) type Built<T = Ast> = Result<T, LeafError>;

/// A bound of a range, as it was written.
#[derive(Clone, Copy, Debug)]
pub(super) struct RangeBound<'t> {
    pub(super) text: &'t str,
    pub(super) included: bool,
}

/// Builds leaves and counts their cost.
#[derive(Debug)]
pub(super) struct Builder<'a> {
    pub(super) schema: &'a Schema,
    pub(super) limits: &'a QueryLimits,
    clauses: usize,
    depth: usize,
    automaton_bytes: usize,
    cost: usize,
    /// Whether patterns were checked before.
    trusting: bool,
}

impl<'a> Builder<'a> {
    pub(super) fn new(schema: &'a Schema, limits: &'a QueryLimits) -> Builder<'a> {
        Builder { schema, limits, clauses: 0, depth: 0, automaton_bytes: 0, cost: 0, trusting: false }
    }

    /// A builder that compiles no automata, for queries that were checked before.
    pub(super) fn trusting(schema: &'a Schema, limits: &'a QueryLimits) -> Builder<'a> {
        Builder { trusting: true, ..Builder::new(schema, limits) }
    }

    /// Counts a clause.
    pub(super) fn clause(&mut self) -> Built<()> {
        self.clauses += 1;
        if self.clauses > self.limits.max_clauses {
            let limit = self.limits.max_clauses;
            return Err(LeafError::limit(format!("the query has more than {limit} clauses, the limit (max_clauses)")));
        }
        self.spend(1)
    }

    /// Counts a cost.
    pub(super) fn spend(&mut self, cost: usize) -> Built<()> {
        self.cost = self.cost.saturating_add(cost);
        let limit = self.limits.max_cost;
        if self.cost > limit {
            return Err(LeafError::limit(format!("the query costs more than {limit}, the limit (max_cost)")).expected(
                "fewer words, and above all fewer wildcards, regular expressions and fuzzy words, cost less",
            ));
        }
        Ok(())
    }

    /// Whether the query has exceeded a limit, so that parsing should stop.
    pub(super) fn is_full(&self) -> bool {
        self.clauses > self.limits.max_clauses || self.cost > self.limits.max_cost
    }

    /// Enters a level of nesting.
    pub(super) fn enter(&mut self) -> Built<()> {
        self.depth += 1;
        let limit = self.limits.max_depth;
        if self.depth > limit {
            return Err(LeafError::limit(format!("the query nests deeper than {limit} levels, the limit (max_depth)")));
        }
        Ok(())
    }

    /// Leaves a level of nesting.
    pub(super) fn leave(&mut self) {
        self.depth -= 1;
    }

    /// The field with a name or alias, ignoring case.
    pub(super) fn field(&self, name: &str) -> Built<FieldId> {
        let found = self.schema.find(name).or_else(|| self.schema.find(&name.to_ascii_lowercase()));
        found.ok_or_else(|| {
            let names = self.schema.iter().flat_map(|(_, field)| field.aliases.iter().chain([&field.name]));
            let problem = LeafError::new(format!("there is no field `{name}`"));
            match nearest(name, names.map(String::as_str)) {
                Some(near) => problem.expected(format!("did you mean `{near}`? To search for the text, quote it")),
                None => problem.expected("to search for the text, quote it"),
            }
        })
    }

    fn kind(&self, field: FieldId) -> Kind {
        self.schema.field(field).kind
    }

    fn name(&self, field: FieldId) -> &str {
        &self.schema.field(field).name
    }

    /// A leaf for a word or quoted words without operators, by the kind of the field.
    pub(super) fn text(&mut self, field: FieldId, text: &str, slop: u32, last_is_prefix: bool) -> Built {
        self.clause()?;
        match self.kind(field) {
            kind @ (Kind::Text | Kind::Url) => {
                let mut terms = analyze(kind, text);
                if slop > MAX_SLOP {
                    return Err(LeafError::new(format!("{slop} is too much slop: the most is {MAX_SLOP}")));
                }
                if terms.iter().any(|term| term.len() > MAX_TERM_BYTES) {
                    return Err(too_long());
                }
                match terms.len() {
                    0 => Err(no_term(text)),
                    1 if last_is_prefix => Ok(Ast::Prefix { field, prefix: terms.swap_remove(0) }),
                    1 => Ok(Ast::Term { field, term: terms.swap_remove(0) }),
                    words => {
                        self.spend(words)?;
                        Ok(Ast::Phrase(Phrase { field, terms, slop, last_is_prefix }))
                    }
                }
            }
            Kind::Keyword => {
                let term = self.keyword(field, text);
                if term.is_empty() {
                    return Err(no_term(text));
                }
                if term.len() > MAX_TERM_BYTES {
                    return Err(too_long());
                }
                if last_is_prefix {
                    return Ok(Ast::Prefix { field, prefix: term });
                }
                self.check_known(field, &term)?;
                Ok(Ast::Term { field, term })
            }
            Kind::Integer | Kind::Float | Kind::Date if last_is_prefix => Err(self.not_terms(field)),
            Kind::Integer | Kind::Float | Kind::Date => {
                let (first, last) = self.interval(field, text)?;
                Ok(Ast::Range { field, lower: Bound::Included(first), upper: Bound::Included(last) })
            }
            Kind::Point => Err(self.not_terms(field)),
        }
    }

    /// A keyword as documents have it: folded, without the sign before it, and not as an alias.
    fn keyword(&self, field: FieldId, text: &str) -> String {
        let field = self.schema.field(field);
        let folded = text::fold(text.strip_prefix(&*field.signs).unwrap_or(text)).into_owned();
        match field.values.iter().find(|value| value.aliases.contains(&folded)) {
            Some(value) => value.name.clone(),
            None => folded,
        }
    }

    /// Checks a value of a field with a fixed set of values, such as `has`. Another value is an
    /// error, not a search without results.
    fn check_known(&self, field: FieldId, term: &str) -> Built<()> {
        let Field { name, values, .. } = self.schema.field(field);
        if values.is_empty() || values.iter().any(|value| value.name == term) {
            return Ok(());
        }
        let known: Vec<&str> = values.iter().map(|value| &*value.name).collect();
        Err(LeafError::new(format!("`{name}:` knows no `{term}`"))
            .expected(format!("expected one of {}", known.join(", "))))
    }

    /// A wildcard with `*` and `?`, and `\` as escape.
    pub(super) fn wildcard(&mut self, field: FieldId, pattern: &str) -> Built {
        let parts = collapsed_parts(pattern);
        if parts == [WildcardPart::Star] {
            return self.exists(field);
        }
        // A wildcard whose only operator is a star at the end is a prefix, which may also end a
        // phrase.
        if let Some(literal) = literal_prefix(&parts) {
            return self.text(field, &literal, 0, true);
        }
        self.clause()?;
        match self.kind(field) {
            Kind::Text => {
                let stand_in: String = parts.iter().map(|part| part.literal().unwrap_or('a')).collect();
                if analyze(Kind::Text, &stand_in).len() != 1 {
                    return Err(LeafError::new(format!(
                        "`{pattern}` is more than one word, and `*` and `?` stand inside one"
                    ))
                    .expected("only a single `*` at the end may follow several words"));
                }
            }
            Kind::Url if pattern.contains('/') => {
                return Err(LeafError::new("`*` and `?` stand inside the host or inside one word of the path")
                    .expected("only a single `*` at the end may follow a path"));
            }
            Kind::Url | Kind::Keyword => {}
            _ => return Err(self.not_terms(field)),
        }
        let ast = Ast::Wildcard { field, pattern: fold_pattern(&parts) };
        self.check_automaton(&ast)?;
        Ok(ast)
    }

    /// A regular expression on whole terms.
    pub(super) fn regex(&mut self, field: FieldId, pattern: &str) -> Built {
        self.clause()?;
        if !self.kind(field).has_terms() {
            return Err(self.not_terms(field));
        }
        if pattern.is_empty() {
            return Err(LeafError::new("an empty regular expression matches nothing"));
        }
        let ast = Ast::Regex { field, pattern: without_escaped_slashes(pattern).into() };
        self.check_automaton(&ast)?;
        Ok(ast)
    }

    /// A fuzzy term.
    pub(super) fn fuzzy(&mut self, field: FieldId, text: &str, distance: u8) -> Built {
        if distance == 0 {
            return self.text(field, text, 0, false);
        }
        self.clause()?;
        if distance > MAX_DISTANCE {
            return Err(LeafError::new(format!("{distance} edits are too many")).expected("expected ~1 or ~2"));
        }
        let term = match self.kind(field) {
            kind @ (Kind::Text | Kind::Url) => {
                let mut terms = analyze(kind, text);
                match terms.len() {
                    0 => return Err(no_term(text)),
                    1 => terms.swap_remove(0),
                    _ => {
                        let message = format!("`{text}` is more than one word, and `~` allows mistakes in one");
                        return Err(LeafError::new(message).expected("to find the words near each other, quote them"));
                    }
                }
            }
            Kind::Keyword => self.keyword(field, text),
            _ => return Err(self.not_terms(field)),
        };
        let ast = Ast::Fuzzy { field, term, distance };
        self.check_automaton(&ast)?;
        Ok(ast)
    }

    /// Compiles the automaton of a leaf that needs one, to check the limit.
    pub(super) fn check_automaton(&mut self, leaf: &Ast) -> Built<()> {
        if self.trusting {
            return Ok(());
        }
        let left = self.limits.max_automaton_bytes.saturating_sub(self.automaton_bytes);
        let size = match leaf {
            Ast::Wildcard { pattern, .. } => TermAutomaton::wildcard(pattern, left).map(|it| it.built_bytes()),
            // The expression keeps its automaton.
            Ast::Regex { pattern, .. } => pattern.check(left),
            Ast::Fuzzy { term, .. } if term.is_empty() => return Err(no_term(term)),
            Ast::Fuzzy { term, .. } if term.chars().count() > MAX_FUZZY_CHARS => {
                let message =
                    format!("the word is too long for a fuzzy search: the most is {MAX_FUZZY_CHARS} characters");
                return Err(LeafError::new(message));
            }
            Ast::Fuzzy { term, distance, .. } => Ok(TermAutomaton::fuzzy(term, *distance).built_bytes()),
            _ => return Ok(()),
        };
        let limit = self.limits.max_automaton_bytes;
        let too_large = || {
            LeafError::limit(format!(
                "the pattern is too complex: the automata of this query would take more than {limit} bytes, the limit \
                 (max_automaton_bytes)"
            ))
            .expected("fewer `?`, `{n,m}`, `\\w` and `~` make it smaller")
        };
        match size {
            Ok(size) => {
                self.automaton_bytes += size;
                if self.automaton_bytes > limit {
                    return Err(too_large());
                }
                self.spend(PATTERN_COST + size / AUTOMATON_BYTES_A_COST)
            }
            Err(AutomatonError::TooLarge { .. }) => Err(too_large()),
            Err(error @ AutomatonError::Anchor) => Err(LeafError::new(error.to_string())),
            Err(AutomatonError::Syntax { message, at }) => {
                let at = at.0 + 1;
                Err(LeafError::new(format!("the regular expression has a mistake at its byte {at}: {message}")))
            }
        }
    }

    /// A range of numbers or dates. A bound that is None is open.
    pub(super) fn range(
        &mut self,
        field: FieldId,
        lower: Option<RangeBound<'_>>,
        upper: Option<RangeBound<'_>>,
    ) -> Built {
        self.clause()?;
        if !self.kind(field).has_values() {
            let name = self.name(field);
            return Err(match self.kind(field) {
                Kind::Point => self.not_terms(field),
                _ => LeafError::new(format!("`{name}` holds words, and words have no ranges"))
                    .expected(format!("expected a word, or one of several: {name}:IN [a b]")),
            });
        }
        let lower = match lower {
            None => Bound::Unbounded,
            Some(RangeBound { text, included: true }) => Bound::Included(self.interval(field, text)?.0),
            Some(RangeBound { text, included: false }) => Bound::Excluded(self.interval(field, text)?.1),
        };
        let upper = match upper {
            None => Bound::Unbounded,
            Some(RangeBound { text, included: true }) => Bound::Included(self.interval(field, text)?.1),
            Some(RangeBound { text, included: false }) => Bound::Excluded(self.interval(field, text)?.0),
        };
        Ok(Ast::Range { field, lower, upper })
    }

    /// The first and last key of a number or date.
    fn interval(&self, field: FieldId, text: &str) -> Built<(i64, i64)> {
        let text = text.trim();
        let name = self.name(field);
        if text.is_empty() {
            return Err(LeafError::new(format!("a value is missing for `{name}`")));
        }
        match self.kind(field) {
            Kind::Integer => match text.parse() {
                Ok(value) => Ok((value, value)),
                Err(_) if is_digits(text) => Err(LeafError::new(format!(
                    "`{text}` is beyond what `{name}` holds: from {} to {}",
                    i64::MIN,
                    i64::MAX
                ))),
                Err(_) => Err(LeafError::new(format!("`{text}` is no whole number, and `{name}` holds nothing else"))
                    .expected(format!("expected for example {name}:5, {name}:>=5 or {name}:[5 TO 9]"))),
            },
            Kind::Float => match text.parse::<f64>() {
                Ok(value) if !value.is_nan() => Ok((float_key(value), float_key(value))),
                _ => Err(LeafError::new(format!("`{text}` is no number, and `{name}` holds nothing else"))
                    .expected(format!("expected for example {name}:0.5, {name}:>=0.5 or {name}:[0 TO 1]"))),
            },
            Kind::Date => match dates::interval(text) {
                Ok(interval) => Ok((*interval.start(), *interval.end())),
                Err(message) => Err(LeafError::new(message).expected(dates::EXPECTED)),
            },
            _ => Err(self.not_terms(field)),
        }
    }

    /// A leaf for any value.
    pub(super) fn exists(&mut self, field: FieldId) -> Built {
        self.clause()?;
        Ok(Ast::Exists { field })
    }

    /// The field of `within:` and `near:`.
    pub(super) fn place_field(&self) -> Built<FieldId> {
        place_field(self.schema).ok_or_else(|| LeafError::new("there is no field with places"))
    }

    /// A box: west, south, east, north.
    pub(super) fn within(&mut self, field: FieldId, edges: [f64; 4]) -> Built {
        self.clause()?;
        self.check_place_field(field)?;
        let [west, south, east, north] = edges;
        for (lon, lat) in [(west, south), (east, north)] {
            check_place(lon, lat)?;
        }
        if south > north {
            return Err(LeafError::new(format!("the south edge {south} lies north of the north edge {north}"))
                .expected("expected west south east north"));
        }
        let [west, south, east, north] = edges.map(|edge| edge + 0.0);
        Ok(Ast::Within { field, bounds: GeoBox { west, south, east, north } })
    }

    /// A circle.
    pub(super) fn near(&mut self, field: FieldId, lon: f64, lat: f64, meters: f64) -> Built {
        self.clause()?;
        self.check_place_field(field)?;
        check_place(lon, lat)?;
        if !meters.is_finite() || meters < 0.0 {
            return Err(LeafError::new(format!("{meters} is no distance")));
        }
        Ok(Ast::Near { field, circle: GeoCircle { lon: lon + 0.0, lat: lat + 0.0, meters: meters + 0.0 } })
    }

    fn check_place_field(&self, field: FieldId) -> Built<()> {
        if self.kind(field) == Kind::Point {
            return Ok(());
        }
        Err(LeafError::new(format!("`{}` holds no places", self.name(field))))
    }

    /// The error for words in a field without words.
    fn not_terms(&self, field: FieldId) -> LeafError {
        let name = self.name(field);
        match self.kind(field) {
            Kind::Point => LeafError::new(format!("`{name}` holds places, not words"))
                .expected("expected within:[west south east north], near:[lon lat 5km], or `:*` for any place"),
            Kind::Date => LeafError::new(format!("`{name}` holds dates, not words")).expected(dates::EXPECTED),
            _ => LeafError::new(format!("`{name}` holds numbers, not words"))
                .expected(format!("expected for example {name}:5, {name}:>=5 or {name}:[5 TO 9]")),
        }
    }

    /// Checks a leaf built by a program: whether its field can answer it, and the limits.
    pub(super) fn check_leaf(&mut self, leaf: &Ast) -> Built<()> {
        let check_term = |kind: Kind, term: &str| {
            if !kind.has_terms() {
                return Err(LeafError::new("a field without words was asked for a word"));
            }
            if term.is_empty() { Err(no_term("")) } else { Ok(()) }
        };
        self.clause()?;
        let (Ast::Term { field, .. }
        | Ast::Prefix { field, .. }
        | Ast::Wildcard { field, .. }
        | Ast::Regex { field, .. }
        | Ast::Fuzzy { field, .. }
        | Ast::Range { field, .. }
        | Ast::Exists { field }
        | Ast::Within { field, .. }
        | Ast::Near { field, .. }
        | Ast::Phrase(Phrase { field, .. })) = leaf
        else {
            return Ok(());
        };
        if self.schema.iter().all(|(id, _)| id != *field) {
            return Err(LeafError::new(format!("there is no field number {}", field.0)));
        }
        let kind = self.kind(*field);
        match leaf {
            Ast::Term { term, .. } => check_term(kind, term),
            Ast::Prefix { prefix, .. } => check_term(kind, prefix),
            Ast::Phrase(phrase) => {
                if !kind.has_positions() || phrase.terms.is_empty() || phrase.slop > MAX_SLOP {
                    return Err(LeafError::new(
                        "a phrase needs words, in a field where words have an order, and less slop",
                    ));
                }
                self.spend(phrase.terms.len())?;
                phrase.terms.iter().try_for_each(|term| check_term(kind, term))
            }
            Ast::Wildcard { pattern, .. } => {
                check_term(kind, pattern)?;
                self.check_automaton(leaf)
            }
            Ast::Regex { pattern, .. } => {
                check_term(kind, pattern)?;
                self.check_automaton(leaf)
            }
            Ast::Fuzzy { term, distance, .. } => {
                check_term(kind, term)?;
                if *distance > MAX_DISTANCE {
                    return Err(LeafError::new(format!("{distance} edits are too many")));
                }
                self.check_automaton(leaf)
            }
            Ast::Range { .. } if !kind.has_values() => {
                Err(LeafError::new("a range was asked of a field without an order"))
            }
            Ast::Within { field, bounds } => {
                self.within(*field, [bounds.west, bounds.south, bounds.east, bounds.north]).map(drop)
            }
            Ast::Near { field, circle } => self.near(*field, circle.lon, circle.lat, circle.meters).map(drop),
            _ => Ok(()),
        }
    }
}

/// Whether a text is an integer, however large.
pub(super) fn is_digits(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// The field of `within:` and `near:`: the first that holds points.
pub(super) fn place_field(schema: &Schema) -> Option<FieldId> {
    schema.iter().find(|(_, field)| field.kind == Kind::Point).map(|(id, _)| id)
}

/// Parses a distance with its unit, to meters.
pub(super) fn distance(text: &str) -> Built<f64> {
    let problem =
        || LeafError::new(format!("`{text}` is no distance")).expected("expected a number with km, m or mi: 5km");
    let at = text.find(|char: char| char.is_alphabetic()).ok_or_else(problem)?;
    let (number, unit) = text.split_at(at);
    let meters = match unit.to_ascii_lowercase().as_str() {
        "m" => 1.0,
        "km" => 1_000.0,
        "mi" => 1_609.344,
        _ => return Err(problem()),
    };
    match number.trim_end().parse::<f64>() {
        Ok(number) if number >= 0.0 && (number * meters).is_finite() => Ok(number * meters),
        _ => Err(problem()),
    }
}

fn check_place(lon: f64, lat: f64) -> Built<()> {
    if !(-180.0..=180.0).contains(&lon) {
        return Err(
            LeafError::new(format!("{lon} is no longitude")).expected("expected -180 to 180; longitude comes first")
        );
    }
    if !(-90.0..=90.0).contains(&lat) {
        return Err(
            LeafError::new(format!("{lat} is no latitude")).expected("expected -90 to 90; longitude comes first")
        );
    }
    Ok(())
}

/// The terms of a text in a field of a kind, in order.
pub(super) fn analyze(kind: Kind, text: &str) -> Vec<String> {
    if kind == Kind::Url {
        return text::url_query_words(text);
    }
    text::query_words(text).into_iter().map(|(term, _)| term).collect()
}

fn no_term(text: &str) -> LeafError {
    let what = if text.trim().is_empty() { "this".to_owned() } else { format!("`{text}`") };
    LeafError::new(format!("{what} has no searchable term")).expected("expected a letter, a digit or an emoji")
}

fn too_long() -> LeafError {
    LeafError::new(format!("a word is longer than {MAX_TERM_BYTES} bytes, and no such word is kept"))
}

/// The most similar name.
pub(super) fn nearest<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let name = name.to_ascii_lowercase();
    let scored = names.map(|it| (strsim::damerau_levenshtein(&name, it), it));
    scored.filter(|&(edits, it)| edits <= 1 + it.len() / 4 && edits < name.len()).min().map(|(_, it)| it)
}

/// A part of a wildcard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WildcardPart {
    /// `*`
    Star,
    /// `?`
    Any,
    /// A literal character.
    Literal(char),
}

impl WildcardPart {
    pub(super) fn literal(self) -> Option<char> {
        if let WildcardPart::Literal(char) = self { Some(char) } else { None }
    }
}

/// The parts of a wildcard. Adjacent stars are merged.
pub(super) fn collapsed_parts(pattern: &str) -> Vec<WildcardPart> {
    let mut chars = pattern.chars();
    let mut parts = Vec::new();
    while let Some(char) = chars.next() {
        let part = match char {
            '*' => WildcardPart::Star,
            '?' => WildcardPart::Any,
            '\\' => WildcardPart::Literal(chars.next().unwrap_or('\\')),
            char => WildcardPart::Literal(char),
        };
        if part != WildcardPart::Star || parts.last() != Some(&WildcardPart::Star) {
            parts.push(part);
        }
    }
    parts
}

/// The wildcard with these parts.
pub(super) fn pattern_of(parts: &[WildcardPart]) -> String {
    let mut pattern = String::new();
    for part in parts {
        match part {
            WildcardPart::Star => pattern.push('*'),
            WildcardPart::Any => pattern.push('?'),
            WildcardPart::Literal(char) => push_literal(&mut pattern, char.encode_utf8(&mut [0; 4])),
        }
    }
    pattern
}

/// The literal before a `*` that is the last part of a wildcard and its only operator.
fn literal_prefix(parts: &[WildcardPart]) -> Option<String> {
    match parts.split_last() {
        Some((WildcardPart::Star, before)) => before.iter().map(|part| part.literal()).collect(),
        _ => None,
    }
}

/// The wildcard with its literals folded.
fn fold_pattern(parts: &[WildcardPart]) -> String {
    let mut folded = String::new();
    for run in parts.chunk_by(|left, right| left.literal().is_some() && right.literal().is_some()) {
        let literal: Option<String> = run.iter().map(|part| part.literal()).collect();
        match literal {
            Some(literal) => push_literal(&mut folded, &text::fold(&literal)),
            None => folded.push_str(&pattern_of(run)),
        }
    }
    folded
}

/// Appends a text to a wildcard as literal characters.
pub(super) fn push_literal(pattern: &mut String, literal: &str) {
    for char in literal.chars() {
        if matches!(char, '*' | '?' | '\\') {
            pattern.push('\\');
        }
        pattern.push(char);
    }
}

/// Replaces `\/` by `/` in a regular expression: only the delimiters need the backslash.
pub(super) fn without_escaped_slashes(pattern: &str) -> String {
    let mut plain = String::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    while let Some(char) = chars.next() {
        match (char, chars.clone().next()) {
            ('\\', Some('/')) => {}
            ('\\', Some(next)) => {
                plain.push('\\');
                plain.push(next);
                chars.next();
            }
            (char, _) => plain.push(char),
        }
    }
    plain
}
