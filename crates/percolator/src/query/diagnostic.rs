//! Errors in a query, for its author: the place, the error, and what was expected.

use std::fmt;
use std::ops::Range;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// The part of a query that is shown around an error, in columns of a terminal.
const SHOWN_COLUMNS: usize = 100;

/// An error in a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The path in the JSON form, as in `bool.must[1].match`. Empty for the text form and for the
    /// JSON form as a whole.
    pub path: String,
    /// The query text that the span refers to. Empty if the error is not in a text.
    pub text: String,
    /// The bytes of the text that are wrong. An empty range if something is missing there.
    pub span: Range<usize>,
    /// The column of the first wrong character, from 1.
    pub column: usize,
    /// The error.
    pub message: String,
    /// What was expected, or how to correct it.
    pub expected: Option<String>,
}

impl Diagnostic {
    /// An error in a query text.
    #[must_use]
    pub fn in_text(text: &str, span: Range<usize>, message: String, expected: Option<String>) -> Diagnostic {
        let column = text.get(..span.start).map_or(0, |before| before.chars().count()) + 1;
        Diagnostic { path: String::new(), text: text.to_owned(), span, column, message, expected }
    }

    /// An error in the JSON form.
    #[must_use]
    pub fn in_json(path: &str, message: String, expected: Option<String>) -> Diagnostic {
        Diagnostic { path: path.to_owned(), text: String::new(), span: 0..0, column: 1, message, expected }
    }

    /// Whether a limit is exceeded. The message then names the key of the limit. Otherwise the
    /// query is invalid.
    #[must_use]
    pub fn is_limit(&self) -> bool {
        ["(max_bytes)", "(max_depth)", "(max_clauses)", "(max_automaton_bytes)", "(max_cost)", "values, the limit"]
            .iter()
            .any(|key| self.message.ends_with(key))
    }

    /// The place as text: the JSON path, the column, or both.
    #[must_use]
    pub fn place(&self) -> String {
        match (self.path.is_empty(), self.text.is_empty()) {
            (true, true) => String::new(),
            (true, false) => format!("column {}", self.column),
            (false, true) => self.path.clone(),
            (false, false) => format!("{}, column {}", self.path, self.column),
        }
    }

    /// The part of the text around the error as one line, and the line with carets below it.
    fn excerpt(&self) -> (String, String) {
        let clean = |part: &str| part.replace(|c: char| c.is_control(), " ");
        let (before, rest) = self.text.split_at(self.span.start);
        let (wrong, after) = rest.split_at(self.span.len());
        let wrong = keep(clean(wrong).chars(), SHOWN_COLUMNS / 2);
        let mut line: String = keep(clean(before).chars().rev(), SHOWN_COLUMNS / 4).chars().rev().collect();
        let indent = line.width();
        line.push_str(&wrong);
        line.push_str(&keep(clean(after).chars(), SHOWN_COLUMNS / 4));
        (line, " ".repeat(indent) + &"^".repeat(wrong.width().max(1)))
    }
}

/// The first characters that fit, and an ellipsis if there are more.
fn keep(mut chars: impl Iterator<Item = char>, columns: usize) -> String {
    let mut kept = String::new();
    let mut width = 0;
    while let Some(char) = chars.next() {
        width += char.width().unwrap_or(0);
        if width > columns && chars.by_ref().nth(2).is_some() {
            kept.push('…');
            break;
        }
        kept.push(char);
    }
    kept
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.place();
        if !place.is_empty() {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.message)?;
        if !self.text.is_empty() {
            let (line, carets) = self.excerpt();
            write!(f, "\n  {line}\n  {carets}")?;
        }
        if let Some(expected) = &self.expected {
            write!(f, "\n  {expected}")?;
        }
        Ok(())
    }
}

/// The errors in a query, at least one, in the order of the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
}

impl Diagnostics {
    /// None if the list is empty.
    #[must_use]
    pub fn new(list: Vec<Diagnostic>) -> Option<Diagnostics> {
        (!list.is_empty()).then_some(Diagnostics { list })
    }

    /// An error in a query.
    #[must_use]
    pub fn one(diagnostic: Diagnostic) -> Diagnostics {
        Diagnostics { list: vec![diagnostic] }
    }

    /// All errors.
    #[must_use]
    pub fn list(&self) -> &[Diagnostic] {
        &self.list
    }

    /// The first error.
    #[must_use]
    pub fn first(&self) -> &Diagnostic {
        self.list.first().expect("diagnostics are never empty")
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, diagnostic) in self.list.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            diagnostic.fmt(f)?;
        }
        Ok(())
    }
}
