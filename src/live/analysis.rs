//! The terms of texts that a client sends: a page counts and marks words as perch searches them.

use std::ops::Range;

use super::{Live, LiveError};
use crate::coop;
use crate::text;

/// Texts of a request, at most.
pub(crate) const MAX_TEXTS: usize = 1_000;

/// Bytes of all texts of a request, at most. An answer takes about ten times as many.
pub(crate) const MAX_TEXT_BYTES: usize = 256 * 1024;

/// A term, as the field `text` of a tweet would have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TextTerm {
    pub(crate) term: String,
    /// The bytes of the text that it comes from.
    pub(crate) range: Range<usize>,
}

impl Live {
    /// The terms of each of some texts, in order.
    pub(crate) async fn analyze(&self, texts: Vec<String>) -> Result<Vec<Vec<TextTerm>>, LiveError> {
        self.read_in_time(move |_| {
            let analyzed = texts.iter().take_while(|_| !coop::stopped_now()).map(|text| terms(text)).collect();
            coop::check()?;
            Ok(analyzed)
        })
        .await
    }
}

fn terms(text: &str) -> Vec<TextTerm> {
    let mut terms = Vec::new();
    text::words(text, &mut |term, _, (start, end)| {
        terms.push(TextTerm { term: term.to_owned(), range: start as usize..end as usize });
    });
    terms
}
