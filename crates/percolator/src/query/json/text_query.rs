//! `query_string` and `simple_query_string`.

use serde_json::Value;

use super::settings::{Path, Settings, settings};
use super::{Ast, Join, JsonParser, LeafError, ParseOptions, Parsed, simple};

/// Settings of both queries.
const SETTINGS: &[&str] = &[
    "query",
    "default_field",
    "fields",
    "default_operator",
    "minimum_should_match",
    "phrase_slop",
    "fuzziness",
    "time_zone",
    "type",
    "tie_breaker",
];

impl JsonParser<'_> {
    pub(super) fn query_string(&mut self, value: &Value, at: &Path) -> Parsed {
        let of = settings(value, at, SETTINGS)?;
        let text = of.needs_text("query")?;
        let join = of.join("default_operator", Join::And)?;
        let phrase_slop = of.get("phrase_slop").map_or(Ok(0), |(at, value)| at.whole(value))?;
        self.time_zone(&of)?;
        let mut read = Vec::new();
        let warnings = self.warnings.len();
        for field in self.fields(&of)? {
            let options = ParseOptions { default_field: Some(field), join, now: self.builder.now, phrase_slop };
            // The same text gives the same warnings for each field.
            self.warnings.truncate(warnings);
            let ast = self.query_text(&text, options, &at.key("query"))?;
            read.push(with_minimum(ast, &of)?);
        }
        self.builder.time_zone = None;
        Ok(merge(read))
    }

    pub(super) fn simple_query_string(&mut self, value: &Value, at: &Path) -> Parsed {
        let of = settings(value, at, SETTINGS)?;
        let text = of.needs_text("query")?;
        let join = of.join("default_operator", Join::Or)?;
        let fields = self.fields(&of)?;
        let parsed = at.key("query").built(simple::parse(&text, &mut self.builder, &fields, join))?;
        if parsed == Ast::None {
            return at.key("query").fail(super::build::no_term(&text));
        }
        with_minimum(parsed, &of)
    }
}

/// The query of which a number of the alternatives must match, if they are joined by OR.
fn with_minimum(mut ast: Ast, of: &Settings) -> Parsed {
    if of.get("minimum_should_match").is_none() {
        return Ok(ast);
    }
    let alternatives = match &mut ast {
        Ast::And(parts) if parts.len() == 1 => match &mut parts[0] {
            Ast::And(parts) => parts.last_mut(),
            only => Some(only),
        },
        Ast::And(parts) => parts.last_mut(),
        only => Some(only),
    };
    if let Some(Ast::Or(parts) | Ast::AtLeast { min: 0, of: parts }) = alternatives {
        let parts = std::mem::take(parts);
        // Beside words with a `+`, none of the others has to match.
        let least = usize::from(!matches!(alternatives_of(&mut ast), Some(Ast::AtLeast { .. })));
        let min = of.minimum(parts.len())?.unwrap_or(least).max(least);
        if min > parts.len() {
            let message = format!("{min} of {} words can never match", parts.len());
            return of.at.key("minimum_should_match").fail(LeafError::new(message));
        }
        if let Some(place) = alternatives_of(&mut ast) {
            *place = Ast::AtLeast { min, of: parts };
        }
    } else {
        of.minimum(1)?;
    }
    Ok(ast)
}

/// The part of a query that holds its alternatives.
fn alternatives_of(ast: &mut Ast) -> Option<&mut Ast> {
    match ast {
        Ast::And(parts) => alternatives_of(parts.last_mut()?),
        only => Some(only),
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
