//! A query as a client sends it, and what is wrong with it in the protocol's words.

use serde_json::Value;

use crate::query::{Diagnostic, Diagnostics, Query, QueryLimits};
use crate::schema::Schema;

use super::errors::{At, Code, Fault};

/// A query as it was sent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum QueryForm {
    /// In the query language.
    Text(String),
    /// In its JSON form.
    Json(Value),
}

impl QueryForm {
    /// A string is query text, or the JSON form written as text; an object is the JSON form.
    pub(crate) fn read(field: &'static str, value: Value) -> Result<QueryForm, Fault> {
        match value {
            // No query text starts with a brace.
            Value::String(text) if text.trim_start().starts_with('{') => match serde_json::from_str(&text) {
                Ok(json) => Ok(QueryForm::Json(json)),
                Err(error) => {
                    let message = format!("the query's JSON form can't be read: {error}");
                    Err(Fault::new(Code::BadQuery, message))
                }
            },
            Value::String(text) => Ok(QueryForm::Text(text)),
            object @ Value::Object(_) => Ok(QueryForm::Json(object)),
            _ => Err(Fault::field(field, "must be query text or an object, its JSON form")),
        }
    }
    /// Understands it.
    pub(crate) fn parse(self, limits: &QueryLimits) -> Result<Query, Fault> {
        let query = match &self {
            QueryForm::Text(text) => Query::parse(text, Schema::tweet(), limits),
            QueryForm::Json(json) => Query::from_json(json, Schema::tweet(), limits),
        };
        query.map_err(|diagnostics| fault(&diagnostics))
    }
}

/// What is wrong, and where the first mistake is.
fn fault(diagnostics: &Diagnostics) -> Fault {
    let Diagnostic { path, text, span, column, message, expected } = diagnostics.first();
    let message = match expected {
        Some(expected) => format!("{message}; {expected}"),
        None => message.clone(),
    };
    let path = (!path.is_empty()).then(|| path.clone());
    let at = if text.is_empty() {
        path.map(|path| At::Path { path })
    } else {
        let length = text.get(span.clone()).map_or(0, |wrong| wrong.chars().count());
        Some(At::Query { column: *column, length, path })
    };
    Fault { code: Code::BadQuery, message, at }
}

#[cfg(test)]
mod tests;
