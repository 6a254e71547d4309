//! Builds the leaves of an [`Ast`]: analyzes what was written by the kind of its field, and checks
//! the limits.
//!
//! The text form, the JSON form and [`super::Query::from_ast`] share it, so that a leaf means the
//! same in all of them.

use jiff::tz::TimeZone;

use super::{Ast, GeoBox, GeoCircle, Phrase, QueryLimits, dates};
use crate::doc::{MAX_TERM_BYTES, POSITION_GAP};
use crate::schema::{Field, FieldId, Kind, Schema};
use crate::text;

mod check;
mod places;
mod values;
mod wildcard;
mod words;

pub(super) use places::distance;
pub(super) use values::is_grouped_number;
pub(super) use wildcard::{
    WildcardPart, collapsed_parts, fold_regex, pattern_of, push_literal, without_escaped_slashes,
};

/// Edits of a fuzzy term, at most.
pub(super) const MAX_DISTANCE: u8 = 2;
/// Characters of a fuzzy term, at most: its automaton grows with each.
const MAX_FUZZY_CHARS: usize = 64;
/// The length of a query with the values of its lists, in bytes, at most: room for 65,536 ids.
pub(super) const MAX_BYTES_WITH_LISTS: usize = 2 << 20;
/// Values of a list, at most.
const MAX_MEMBERS: usize = 65_536;
/// Values of a list that cost as much as a clause: they share one field, and are looked up in one
/// table.
const MEMBERS_A_COST: usize = 16;
/// The name of a field or operator, in bytes, at most. A longer text before a colon is no name.
pub(super) const MAX_NAME_BYTES: usize = 64;
/// The largest slop. With more, a phrase could span two values of a field.
const MAX_SLOP: u32 = POSITION_GAP - 1;

/// An error in a leaf. The caller adds the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LeafError {
    pub(super) message: String,
    pub(super) expected: Option<String>,
    /// Whether a limit is exceeded. Otherwise the query is invalid.
    pub(super) is_limit: bool,
    /// Whether the text has no searchable term, so that it may be left out.
    pub(super) has_no_term: bool,
}

impl LeafError {
    pub(super) fn new(message: impl Into<String>) -> LeafError {
        LeafError { message: message.into(), expected: None, is_limit: false, has_no_term: false }
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

/// What of the limits is spent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spent {
    clauses: usize,
    depth: usize,
    automaton_bytes: usize,
    cost: usize,
}

/// Builds leaves and counts their cost.
#[derive(Debug)]
pub(super) struct Builder<'a> {
    pub(super) schema: &'a Schema,
    pub(super) limits: &'a QueryLimits,
    spent: Spent,
    /// Whether patterns were checked before.
    trusting: bool,
    /// The moment that `now` means, in milliseconds since 1970. None if the query is registered.
    pub(super) now: Option<i64>,
    /// The time zone of dates without an offset. None for UTC.
    pub(super) time_zone: Option<TimeZone>,
    /// The members of the list that is read. None outside of a list.
    members: Option<usize>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(schema: &'a Schema, limits: &'a QueryLimits) -> Builder<'a> {
        Builder { schema, limits, spent: Spent::default(), trusting: false, now: None, time_zone: None, members: None }
    }

    /// A builder that compiles no automata, for queries that were checked before.
    pub(super) fn trusting(schema: &'a Schema, limits: &'a QueryLimits) -> Builder<'a> {
        Builder { trusting: true, ..Builder::new(schema, limits) }
    }

    /// What of the limits is spent, to [`Builder::restore`].
    pub(super) fn spent(&self) -> Spent {
        self.spent
    }

    /// Forgets the leaves that were built since.
    pub(super) fn restore(&mut self, spent: Spent) {
        self.spent = spent;
        self.members = None;
    }

    /// Begins a list of values of one field, which counts as one clause.
    pub(super) fn begin_list(&mut self) {
        self.members = Some(0);
    }

    /// Ends the list.
    pub(super) fn end_list(&mut self) {
        self.members = None;
    }

    /// Counts a clause, or a member of a list.
    pub(super) fn clause(&mut self) -> Built<()> {
        if let Some(members) = &mut self.members {
            *members += 1;
            let members = *members;
            if members > MAX_MEMBERS {
                return Err(LeafError::limit(format!("a list has more than {MAX_MEMBERS} values, the limit")));
            }
            if members % MEMBERS_A_COST != 1 {
                return Ok(());
            }
            if members > 1 {
                return self.spend(1);
            }
        }
        self.spent.clauses += 1;
        if self.spent.clauses > self.limits.max_clauses {
            let limit = self.limits.max_clauses;
            return Err(LeafError::limit(format!("the query has more than {limit} clauses, the limit (max_clauses)")));
        }
        self.spend(1)
    }

    /// Counts a cost.
    pub(super) fn spend(&mut self, cost: usize) -> Built<()> {
        self.spent.cost = self.spent.cost.saturating_add(cost);
        let limit = self.limits.max_cost;
        if self.spent.cost > limit {
            return Err(LeafError::limit(format!("the query costs more than {limit}, the limit (max_cost)")).expected(
                "fewer words, and above all fewer wildcards, regular expressions and fuzzy words, cost less",
            ));
        }
        Ok(())
    }

    /// Whether the query has exceeded a limit, so that parsing should stop.
    pub(super) fn is_full(&self) -> bool {
        self.spent.clauses > self.limits.max_clauses || self.spent.cost > self.limits.max_cost
    }

    /// Enters a level of nesting.
    pub(super) fn enter(&mut self) -> Built<()> {
        self.spent.depth += 1;
        let limit = self.limits.max_depth;
        if self.spent.depth > limit {
            return Err(LeafError::limit(format!("the query nests deeper than {limit} levels, the limit (max_depth)")));
        }
        Ok(())
    }

    /// Leaves a level of nesting.
    pub(super) fn leave(&mut self) {
        self.spent.depth -= 1;
    }

    /// The field with a name or alias, ignoring case. None if there is none.
    pub(super) fn find_field(&self, name: &str) -> Option<FieldId> {
        self.schema.find(name).or_else(|| self.schema.find(&name.to_ascii_lowercase()))
    }

    /// The field with a name or alias, ignoring case.
    pub(super) fn field(&self, name: &str) -> Built<FieldId> {
        self.find_field(name).ok_or_else(|| {
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
}

/// Whether a text is an integer, however large.
pub(super) fn is_digits(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// The terms of a text in a field of a kind, in order.
pub(super) fn analyze(kind: Kind, text: &str) -> Vec<String> {
    if kind == Kind::Url {
        return text::url_query_words(text);
    }
    text::query_words(text).into_iter().map(|(term, _)| term).collect()
}

pub(super) fn no_term(text: &str) -> LeafError {
    let what = if text.trim().is_empty() { "this".to_owned() } else { format!("`{text}`") };
    let problem = LeafError { has_no_term: true, ..LeafError::new(format!("{what} has no searchable term")) };
    problem.expected("expected a letter, a digit or an emoji")
}

pub(super) fn too_many_bytes(len: usize, limits: &QueryLimits) -> LeafError {
    let limit = limits.max_bytes;
    LeafError::limit(format!("the query is {len} bytes long, over the limit of {limit} (max_bytes)"))
}

fn too_long() -> LeafError {
    LeafError::new(format!("a word is longer than {MAX_TERM_BYTES} bytes, and no such word is kept"))
}

/// Names that people know from elsewhere, and what perch calls them.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("account", "from"),
    ("handle", "from"),
    ("sender", "from"),
    ("recipient", "to"),
    ("body", "text"),
    ("content", "text"),
    ("message", "text"),
    ("topic", "hashtag"),
    ("link", "url"),
    ("links", "has:links"),
    ("image", "has:media"),
    ("time", "created"),
    ("timestamp", "created"),
    ("day", "created"),
    ("geo", "coordinates"),
    ("fans", "followers"),
    ("hearts", "likes"),
];

/// The most similar name: one edit for each three characters apart, at most.
pub(super) fn nearest<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    if name.len() > MAX_NAME_BYTES {
        return None;
    }
    let name = name.to_ascii_lowercase();
    let scored = names.map(|it| (strsim::damerau_levenshtein(&name, it), it));
    let near = scored.filter(|&(edits, it)| edits <= name.chars().count().min(it.len()) / 3).min();
    let other = || OTHER_NAMES.iter().find(|(other, _)| *other == name).map(|&(_, known)| known);
    near.map(|(_, it)| it).or_else(other)
}

/// Whether a text starts with the name of a host that has a domain: `example.com`, but not `e.g`
/// or `3.14`.
pub(super) fn starts_with_host(text: &str) -> bool {
    let host = text.split(['/', '?', '#', ':']).next().unwrap_or_default();
    let labels: Vec<&str> = host.split('.').collect();
    let is_label = |label: &&str| {
        !label.is_empty()
            && !label.starts_with('-')
            && label.chars().all(|char| char.is_alphanumeric() || matches!(char, '-' | '_'))
    };
    let is_top = |label: &str| label.len() >= 2 && label.chars().all(char::is_alphabetic);
    labels.len() > 1 && labels.iter().all(is_label) && labels.last().is_some_and(|label| is_top(label))
}

/// Whether an address has a host: at least, the text after its scheme starts with one.
pub(super) fn has_host(address: &str) -> bool {
    let Some((_, behind)) = address.split_once("://") else { return address.chars().any(text::is_word_char) };
    let authority = behind.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let is_host = |char: char| char.is_alphanumeric() || matches!(char, '.' | '-' | '_' | ':' | '[' | ']');
    host.chars().any(char::is_alphanumeric) && host.trim_end_matches([',', ';', '!', '\'', '’']).chars().all(is_host)
}
