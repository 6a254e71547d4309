//! Says in words what a query asks for.

use super::describe::range;
use super::{Ast, Phrase};
use crate::schema::{FieldId, Kind, Schema};

/// What a query asks for, as one sentence without a full stop: `the word "rust", and no retweet`.
#[must_use]
pub fn words(ast: &Ast, schema: &Schema) -> String {
    match ast {
        Ast::All => "everything".to_owned(),
        Ast::None => "nothing".to_owned(),
        ast => format!("tweets with {}", part(ast, schema, false)),
    }
}

/// A part, in brackets if it has several parts and stands in another one.
fn part(ast: &Ast, schema: &Schema, is_inner: bool) -> String {
    let list = |parts: &[Ast], last: &str| {
        let parts: Vec<String> = parts.iter().map(|it| part(it, schema, true)).collect();
        match parts.as_slice() {
            [before @ .., end] if !before.is_empty() => format!("{}{last}{end}", before.join(", ")),
            one => one.concat(),
        }
    };
    let bracketed = |text: String| if is_inner { format!("({text})") } else { text };
    match ast {
        Ast::All => "anything".to_owned(),
        Ast::None => "nothing".to_owned(),
        Ast::And(parts) => bracketed(list(parts, " and ")),
        Ast::Or(parts) => bracketed(list(parts, " or ")),
        Ast::AtLeast { min, of } => bracketed(format!("at least {min} of {}", list(of, " and "))),
        Ast::Not(inner) => format!("not {}", part(inner, schema, true)),
        leaf => leaf_words(leaf, schema),
    }
}

fn leaf_words(leaf: &Ast, schema: &Schema) -> String {
    match leaf {
        Ast::Term { field, term } if schema.field(*field).kind == Kind::Keyword => {
            format!("{} {term:?}", name(*field, schema))
        }
        Ast::Term { field, term } => in_field(format!("the word {term:?}"), *field, schema),
        Ast::Phrase(Phrase { field, terms, slop, last_is_prefix }) => {
            let star = if *last_is_prefix { " whose last word may go on" } else { "" };
            let tilde = if *slop > 0 { format!(" with at most {slop} out of place") } else { String::new() };
            in_field(format!("the phrase {:?}{star}{tilde}", terms.join(" ")), *field, schema)
        }
        Ast::Prefix { field, prefix } => in_field(format!("a word that starts with {prefix:?}"), *field, schema),
        Ast::Wildcard { field, pattern } => in_field(format!("a word like {pattern:?}"), *field, schema),
        Ast::Regex { field, pattern } => in_field(format!("a word that matches /{pattern}/"), *field, schema),
        Ast::Fuzzy { field, term, distance } => {
            let mistakes = if *distance == 1 { "1 mistake" } else { "2 mistakes" };
            in_field(format!("the word {term:?} with at most {mistakes}"), *field, schema)
        }
        Ast::Range { field, lower, upper } => {
            format!("{} {}", name(*field, schema), range(*lower, *upper, schema.field(*field).kind))
        }
        Ast::Exists { field } => format!("any {}", name(*field, schema)),
        Ast::Within { bounds, .. } => format!(
            "a place between {} and {} east and {} and {} north",
            bounds.west, bounds.east, bounds.south, bounds.north
        ),
        Ast::Near { circle, .. } => {
            format!("a place within {} m of {} east, {} north", circle.meters, circle.lon, circle.lat)
        }
        Ast::All | Ast::None | Ast::And(_) | Ast::Or(_) | Ast::AtLeast { .. } | Ast::Not(_) => String::new(),
    }
}

fn name(field: FieldId, schema: &Schema) -> &str {
    &schema.field(field).name
}

/// Names the field, unless it is the default field.
fn in_field(text: String, field: FieldId, schema: &Schema) -> String {
    if field == schema.default_field() { text } else { format!("{text} in {}", name(field, schema)) }
}
