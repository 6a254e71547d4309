//! The canonical form: one [`Ast`] and one text for all spellings of a query.
//!
//! Order, repetitions, brackets, double negation, case, and the spelling of bounds and wildcards do
//! not matter. Queries that differ in more may be equivalent and have different forms. The text is
//! query text, and parsing it gives the same [`Ast`]. A term that the analyzer would change, from
//! an [`Ast`] built by a program, has the exact form `field:="term"`.

use std::fmt::Write as _;
use std::ops::{Bound, Range};

use super::{Ast, Phrase, build, dates, parse};
use crate::schema::{FieldId, Kind, Schema, float_key, float_of_key};

/// Normalizes a query, and writes its text.
pub(super) fn canonical(ast: Ast, schema: &Schema) -> (Ast, String) {
    let node = normalize(ast, schema);
    (node.head.into_ast(), node.text)
}

/// The canonical text of a query, or of a part of one.
pub(super) fn text(ast: &Ast, schema: &Schema) -> String {
    normalize(ast.clone(), schema).text
}

/// The required parts of a normalized query, each with its bytes in the canonical text.
pub(super) fn required<'a>(ast: &'a Ast, schema: &Schema) -> Vec<(&'a Ast, Range<usize>)> {
    let parts = match ast {
        Ast::And(parts) => parts.as_slice(),
        one => return vec![(one, 0..text(one, schema).len())],
    };
    let mut start = 0;
    let place = |part| {
        let place = start..start + normalize(Ast::clone(part), schema).bracketed().len();
        start = place.end + " ".len();
        (part, place)
    };
    parts.iter().map(place).collect()
}

/// A normalized query and its text.
struct Node {
    head: Head,
    text: String,
}

enum Head {
    /// A leaf, [`Ast::All`] or [`Ast::None`].
    Leaf(Ast),
    And(Vec<Node>),
    Or(Vec<Node>),
    AtLeast(usize, Vec<Node>),
    Not(Box<Node>),
}

impl Head {
    fn into_ast(self) -> Ast {
        let list = |parts: Vec<Node>| parts.into_iter().map(|part| part.head.into_ast()).collect();
        match self {
            Head::Leaf(leaf) => leaf,
            Head::And(parts) => Ast::And(list(parts)),
            Head::Or(parts) => Ast::Or(list(parts)),
            Head::AtLeast(min, parts) => Ast::AtLeast { min, of: list(parts) },
            Head::Not(part) => Ast::Not(Box::new(part.head.into_ast())),
        }
    }
}

impl Node {
    fn all() -> Node {
        Node { head: Head::Leaf(Ast::All), text: "*".into() }
    }

    fn none() -> Node {
        Node { head: Head::Leaf(Ast::None), text: "-*".into() }
    }

    fn is(&self, constant: &Ast) -> bool {
        matches!(&self.head, Head::Leaf(leaf) if leaf == constant)
    }

    /// The text, in brackets if it has several parts.
    fn bracketed(&self) -> String {
        match self.head {
            Head::And(_) | Head::Or(_) => format!("({})", self.text),
            _ => self.text.clone(),
        }
    }
}

fn normalize(ast: Ast, schema: &Schema) -> Node {
    let list = |parts: Vec<Ast>| parts.into_iter().map(|part| normalize(part, schema)).collect();
    match ast {
        Ast::And(parts) => and(list(parts)),
        Ast::Or(parts) => or(list(parts)),
        Ast::AtLeast { min, of } => at_least(min, list(of)),
        Ast::Not(part) => not(normalize(*part, schema)),
        leaf => match normalize_leaf(leaf, schema) {
            Ast::All => Node::all(),
            Ast::None => Node::none(),
            leaf => Node { text: leaf_text(&leaf, schema), head: Head::Leaf(leaf) },
        },
    }
}

fn sort(parts: &mut [Node]) {
    parts.sort_by(|left, right| left.text.cmp(&right.text));
}

fn join(parts: &[Node], separator: &str) -> String {
    parts.iter().map(Node::bracketed).collect::<Vec<_>>().join(separator)
}

fn and(parts: Vec<Node>) -> Node {
    let mut flat = Vec::with_capacity(parts.len());
    for part in parts {
        match part.head {
            Head::And(inner) => flat.extend(inner),
            head => flat.push(Node { head, text: part.text }),
        }
    }
    if flat.iter().any(|part| part.is(&Ast::None)) {
        return Node::none();
    }
    flat.retain(|part| !part.is(&Ast::All));
    sort(&mut flat);
    flat.dedup_by(|left, right| left.text == right.text);
    match flat.len() {
        0 => Node::all(),
        1 => flat.swap_remove(0),
        _ => Node { text: join(&flat, " "), head: Head::And(flat) },
    }
}

fn or(parts: Vec<Node>) -> Node {
    let mut flat = Vec::with_capacity(parts.len());
    for part in parts {
        match part.head {
            Head::Or(inner) => flat.extend(inner),
            head => flat.push(Node { head, text: part.text }),
        }
    }
    if flat.iter().any(|part| part.is(&Ast::All)) {
        return Node::all();
    }
    flat.retain(|part| !part.is(&Ast::None));
    sort(&mut flat);
    flat.dedup_by(|left, right| left.text == right.text);
    match flat.len() {
        0 => Node::none(),
        1 => flat.swap_remove(0),
        _ => Node { text: join(&flat, " OR "), head: Head::Or(flat) },
    }
}

fn at_least(min: usize, mut parts: Vec<Node>) -> Node {
    let always = usize::from(parts.iter().any(|part| part.is(&Ast::All)));
    let min = min.saturating_sub(always);
    parts.retain(|part| !part.is(&Ast::All) && !part.is(&Ast::None));
    // A repetition is no other alternative.
    sort(&mut parts);
    parts.dedup_by(|left, right| left.text == right.text);
    match min {
        0 => Node::all(),
        1 => or(parts),
        _ if min > parts.len() => Node::none(),
        _ if min == parts.len() => and(parts),
        _ => Node { text: format!("({})~{min}", join(&parts, " OR ")), head: Head::AtLeast(min, parts) },
    }
}

fn not(part: Node) -> Node {
    match part.head {
        Head::Leaf(Ast::All) => Node::none(),
        Head::Leaf(Ast::None) => Node::all(),
        Head::Not(inner) => *inner,
        _ => Node { text: format!("-{}", part.bracketed()), head: Head::Not(Box::new(part)) },
    }
}

fn normalize_leaf(leaf: Ast, schema: &Schema) -> Ast {
    match leaf {
        Ast::Phrase(Phrase { field, mut terms, last_is_prefix, .. }) if terms.len() < 2 => match terms.pop() {
            Some(prefix) if last_is_prefix => normalize_leaf(Ast::Prefix { field, prefix }, schema),
            Some(term) => Ast::Term { field, term },
            None => Ast::None,
        },
        Ast::Prefix { field, prefix } if prefix.is_empty() => Ast::Exists { field },
        Ast::Fuzzy { field, term, distance: 0 } => Ast::Term { field, term },
        Ast::Wildcard { field, pattern } => normalize_wildcard(field, &pattern, schema),
        // An expression in normal form keeps its automaton.
        Ast::Regex { field, pattern } if pattern.contains("\\/") || !pattern.is_ascii() => {
            let normal = build::fold_regex(&build::without_escaped_slashes(&pattern));
            if normal == *pattern {
                Ast::Regex { field, pattern }
            } else {
                Ast::Regex { field, pattern: normal.into() }
            }
        }
        Ast::Range { field, lower, upper } => normalize_range(field, lower, upper, schema.field(field).kind),
        leaf => leaf,
    }
}

fn normalize_wildcard(field: FieldId, pattern: &str, schema: &Schema) -> Ast {
    let parts = build::collapsed_parts(pattern);
    let literal: Option<String> = parts.iter().copied().map(build::WildcardPart::literal).collect();
    if let Some(term) = literal {
        return Ast::Term { field, term };
    }
    if let Some((build::WildcardPart::Star, before)) = parts.split_last() {
        let prefix: Option<String> = before.iter().map(|part| part.literal()).collect();
        if let Some(prefix) = prefix {
            return normalize_leaf(Ast::Prefix { field, prefix }, schema);
        }
    }
    Ast::Wildcard { field, pattern: build::pattern_of(&parts) }
}

/// The range with included bounds, open if no value lies beyond, and [`Ast::None`] if none lies
/// between.
fn normalize_range(field: FieldId, lower: Bound<i64>, upper: Bound<i64>, kind: Kind) -> Ast {
    let lower = match lower {
        Bound::Unbounded => Some(i64::MIN),
        Bound::Included(key) => Some(key),
        Bound::Excluded(key) => key.checked_add(1),
    };
    let upper = match upper {
        Bound::Unbounded => Some(i64::MAX),
        Bound::Included(key) => Some(key),
        Bound::Excluded(key) => key.checked_sub(1),
    };
    let (Some(mut lower), Some(mut upper)) = (lower, upper) else { return Ast::None };
    if kind == Kind::Float {
        // Beyond infinity there are keys but no values. -1 would be the key of -0, which equals 0.
        let (least, most) = (float_key(f64::NEG_INFINITY), float_key(f64::INFINITY));
        if lower > most || upper < least {
            return Ast::None;
        }
        lower = if lower <= least { i64::MIN } else { lower };
        upper = if upper >= most { i64::MAX } else { upper };
        lower = if lower == -1 { 0 } else { lower };
        upper = if upper == -1 { -2 } else { upper };
    }
    if lower > upper {
        return Ast::None;
    }
    match (lower, upper) {
        (i64::MIN, i64::MAX) => Ast::Exists { field },
        (i64::MIN, upper) => Ast::Range { field, lower: Bound::Unbounded, upper: Bound::Included(upper) },
        (lower, i64::MAX) => Ast::Range { field, lower: Bound::Included(lower), upper: Bound::Unbounded },
        (lower, upper) => Ast::Range { field, lower: Bound::Included(lower), upper: Bound::Included(upper) },
    }
}

/// The first spelling of a leaf that parses to the leaf.
fn leaf_text(leaf: &Ast, schema: &Schema) -> String {
    let is_read_back = |text: &String| match parse::read_back(text, schema) {
        Some(Ast::And(mut parts)) if parts.len() == 1 => &normalize_leaf(parts.swap_remove(0), schema) == leaf,
        _ => false,
    };
    let mut candidates = candidates(leaf, schema);
    let at = candidates.iter().position(is_read_back).unwrap_or(candidates.len() - 1);
    candidates.swap_remove(at)
}

/// The spellings of a normalized leaf, the shortest first. The last one always parses to the leaf.
fn candidates(leaf: &Ast, schema: &Schema) -> Vec<String> {
    let name = |field: FieldId| schema.field(field).name.as_str();
    let short = |field: FieldId, rest: &str| {
        let full = format!("{}:{rest}", name(field));
        if field == schema.default_field() { vec![rest.to_owned(), full] } else { vec![full] }
    };
    match leaf {
        Ast::Term { field, term } => {
            let mut ways = Vec::new();
            for (sign, of) in [('#', "hashtag"), ('@', "mention"), ('$', "cashtag")] {
                if schema.find(of) == Some(*field) && is_plain(term) {
                    ways.push(format!("{sign}{term}"));
                }
            }
            ways.extend(short(*field, &word(term)));
            ways.push(format!("{}:={}", name(*field), quoted(term)));
            ways
        }
        Ast::Prefix { field, prefix } => {
            let mut ways = short(*field, &format!("{}*", word(prefix)));
            ways.push(format!("{}:={}*", name(*field), quoted(prefix)));
            ways
        }
        Ast::Phrase(phrase) => {
            let star = if phrase.last_is_prefix { "*" } else { "" };
            let tilde = if phrase.slop > 0 { format!("~{}", phrase.slop) } else { String::new() };
            let mut ways = short(phrase.field, &format!("{}{star}{tilde}", quoted(&phrase.terms.join(" "))));
            if schema.field(phrase.field).kind == Kind::Url {
                ways.extend(short(phrase.field, &format!("{}{star}{tilde}", quoted(&phrase.terms.join("/")))));
            }
            let terms: Vec<String> = phrase.terms.iter().map(|term| quoted(term)).collect();
            ways.push(format!("{}:=({}{star}){tilde}", name(phrase.field), terms.join(" ")));
            ways
        }
        Ast::Wildcard { field, pattern } => {
            let mut ways = short(*field, &pattern_text(pattern));
            ways.push(format!("{}:={}", name(*field), pattern_text(pattern)));
            ways
        }
        Ast::Regex { field, pattern } => short(*field, &format!("/{}/", regex_text(pattern))),
        Ast::Fuzzy { field, term, distance } => {
            let mut ways = if is_plain(term) { short(*field, &format!("{term}~{distance}")) } else { Vec::new() };
            ways.push(format!("{}:={}~{distance}", name(*field), quoted(term)));
            ways
        }
        Ast::Range { field, lower, upper } => {
            let range = range_text(*lower, *upper, schema.field(*field).kind);
            vec![format!("{}:{range}", name(*field)), format!("{}:={range}", name(*field))]
        }
        Ast::Exists { field } => vec![format!("{}:*", name(*field))],
        Ast::Within { field, bounds } => {
            let list = format!("[{} {} {} {}]", bounds.west, bounds.south, bounds.east, bounds.north);
            place(*field, "within", &list, schema)
        }
        Ast::Near { field, circle } => {
            let list = format!("[{} {} {}m]", circle.lon, circle.lat, circle.meters);
            place(*field, "near", &list, schema)
        }
        Ast::None | Ast::Not(_) => vec!["-*".into()],
        Ast::All | Ast::And(_) | Ast::Or(_) | Ast::AtLeast { .. } => vec!["*".into()],
    }
}

fn place(field: FieldId, what: &str, list: &str, schema: &Schema) -> Vec<String> {
    vec![format!("{what}:{list}"), format!("{}:{what}{list}", schema.field(field).name)]
}

/// Whether a word never needs quotes.
fn is_plain(word: &str) -> bool {
    let special = |char: char| char.is_whitespace() || "()[]{}\"“”^~:\\*?/".contains(char);
    !word.contains(special)
        && !word.char_indices().any(|(at, _)| parse::clean::is_replaced(&word[at..]))
        && !word.starts_with(['+', '-', '!', '#', '＃', '@', '＠', '$', '<', '>', '=', '&', '|'])
        && !matches!(word, "AND" | "OR" | "NOT" | "TO" | "")
}

fn word(term: &str) -> String {
    if is_plain(term) { term.to_owned() } else { quoted(term) }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for (at, char) in text.char_indices() {
        if matches!(char, '"' | '“' | '”' | '\\') || parse::clean::is_replaced(&text[at..]) {
            quoted.push('\\');
        }
        quoted.push(char);
    }
    quoted.push('"');
    quoted
}

/// A regular expression with a backslash before each slash, and before what else would not be read
/// as it is.
fn regex_text(pattern: &str) -> String {
    let mut text = String::with_capacity(pattern.len());
    let mut is_escaped = false;
    for (at, char) in pattern.char_indices() {
        let is_sign = char == '/' || (char == '&' && parse::clean::is_replaced(&pattern[at..]));
        if is_sign && !is_escaped {
            text.push('\\');
        }
        text.push(char);
        is_escaped = char == '\\' && !is_escaped;
    }
    text
}

/// A wildcard with a backslash before each character that would end a word or is an operator.
fn pattern_text(pattern: &str) -> String {
    let mut text = String::new();
    for (at, part) in build::collapsed_parts(pattern).into_iter().enumerate() {
        match part {
            build::WildcardPart::Star => text.push('*'),
            build::WildcardPart::Any => text.push('?'),
            build::WildcardPart::Literal(char) => {
                let plain = char.is_alphanumeric() || matches!(char, '_' | '.') || (at > 0 && char == '-');
                if !plain {
                    text.push('\\');
                }
                text.push(char);
            }
        }
    }
    text
}

/// A normalized range.
fn range_text(lower: Bound<i64>, upper: Bound<i64>, kind: Kind) -> String {
    let show = |key: i64| match kind {
        Kind::Float => format!("{:?}", float_of_key(key)),
        Kind::Date => dates::show(key),
        _ => key.to_string(),
    };
    let mut text = String::new();
    let written = match (lower, upper) {
        (Bound::Included(lower), Bound::Included(upper)) if kind == Kind::Date => {
            // Dates are intervals: the first moment after a range has a shorter form than the last
            // one in it.
            match upper.checked_add(1) {
                Some(end) => write!(text, "[{} TO {}}}", show(lower), show(end)),
                None => write!(text, ">={}", show(lower)),
            }
        }
        (Bound::Included(lower), Bound::Included(upper)) if lower == upper => write!(text, "{}", show(lower)),
        (Bound::Included(lower), Bound::Included(upper)) => write!(text, "[{} TO {}]", show(lower), show(upper)),
        (Bound::Included(lower), _) => write!(text, ">={}", show(lower)),
        (_, Bound::Included(upper)) if kind == Kind::Date => write!(text, "<{}", show(upper.saturating_add(1))),
        (_, Bound::Included(upper)) => write!(text, "<={}", show(upper)),
        _ => write!(text, "*"),
    };
    written.expect("a string takes all that is written");
    text
}
