//! Prints a query as a tree, to show how perch understood it.

use std::fmt::Write as _;
use std::ops::Bound;

use super::{Ast, dates};
use crate::schema::{FieldId, Kind, Schema, float_of_key};

/// The query as a tree of lines, each part indented below its parent. Ends with a line break.
#[must_use]
pub fn describe(ast: &Ast, schema: &Schema) -> String {
    let mut text = String::new();
    line(ast, schema, 0, &mut text);
    text
}

fn line(ast: &Ast, schema: &Schema, depth: usize, text: &mut String) {
    let name = |field: FieldId| schema.field(field).name.as_str();
    let indent = "  ".repeat(depth);
    let head = match ast {
        Ast::All => "everything".to_owned(),
        Ast::None => "nothing".to_owned(),
        Ast::Term { field, term } => format!("{}: term {term:?}", name(*field)),
        Ast::Phrase(phrase) => {
            let star = if phrase.last_is_prefix { ", the last one a prefix" } else { "" };
            let slop = match phrase.slop {
                0 => String::new(),
                slop => format!(", {slop} out of place"),
            };
            format!("{}: phrase {:?}{star}{slop}", name(phrase.field), phrase.terms)
        }
        Ast::Prefix { field, prefix } => format!("{}: prefix {prefix:?}", name(*field)),
        Ast::Wildcard { field, pattern } => format!("{}: wildcard {pattern:?}", name(*field)),
        Ast::Regex { field, pattern } => format!("{}: regular expression /{pattern}/", name(*field)),
        Ast::Fuzzy { field, term, distance } => {
            let s = if *distance == 1 { "" } else { "s" };
            format!("{}: at most {distance} edit{s} from {term:?}", name(*field))
        }
        Ast::Range { field, lower, upper } => {
            let kind = schema.field(*field).kind;
            format!("{}: {}", name(*field), range(*lower, *upper, kind))
        }
        Ast::Exists { field } => format!("{}: any value", name(*field)),
        Ast::Within { field, bounds } => format!(
            "{}: west {}, south {}, east {}, north {}",
            name(*field),
            bounds.west,
            bounds.south,
            bounds.east,
            bounds.north
        ),
        Ast::Near { field, circle } => {
            format!("{}: at most {} m from {} east, {} north", name(*field), circle.meters, circle.lon, circle.lat)
        }
        Ast::And(_) => "all of".to_owned(),
        Ast::Or(_) => "any of".to_owned(),
        Ast::AtLeast { min, .. } => format!("at least {min} of"),
        Ast::Not(_) => "not".to_owned(),
    };
    writeln!(text, "{indent}{head}").expect("a string takes all that is written");
    match ast {
        Ast::And(parts) | Ast::Or(parts) | Ast::AtLeast { of: parts, .. } => {
            for part in parts {
                line(part, schema, depth + 1, text);
            }
        }
        Ast::Not(part) => line(part, schema, depth + 1, text),
        _ => {}
    }
}

/// The text of a number or date with this key.
#[must_use]
pub fn show_value(key: i64, kind: Kind) -> String {
    match kind {
        Kind::Float => float_of_key(key).to_string(),
        Kind::Date => dates::show(key),
        _ => key.to_string(),
    }
}

pub(super) fn range(lower: Bound<i64>, upper: Bound<i64>, kind: Kind) -> String {
    let show = |key: i64| show_value(key, kind);
    let lower = match lower {
        Bound::Unbounded => None,
        Bound::Included(key) => Some(format!("at least {}", show(key))),
        Bound::Excluded(key) => Some(format!("more than {}", show(key))),
    };
    let upper = match upper {
        Bound::Unbounded => None,
        Bound::Included(key) => Some(format!("at most {}", show(key))),
        Bound::Excluded(key) => Some(format!("less than {}", show(key))),
    };
    match (lower, upper) {
        (Some(lower), Some(upper)) => format!("{lower} and {upper}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => "any value".to_owned(),
    }
}
