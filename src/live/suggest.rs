//! Completes a query at the caret while it is typed: names of fields and operators, their values,
//! and words, hashtags and users that tweets have.
//!
//! ```text
//! query, caret ──> Caret ──> names, fixed values ─────────┐
//!                    └──> Snapshot::complete ──> terms ───┴──> Suggestions
//! ```
//!
//! A suggestion reads the index as a search does, with a bounded number of terms, and never asks
//! the pipeline's loop.

mod caret;
mod languages;
mod names;

use std::cmp::Reverse;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::{Live, LiveError};
use crate::doc::Doc;
use crate::index::{SearchError, Snapshot};
use crate::schema::{FieldId, Kind, Schema, tweet};
use crate::text::{fold, is_word_char};
use caret::Caret;
use names::{NAMES, Values};

/// The default and the largest number of suggestions.
pub(crate) const DEFAULT_SUGGESTIONS: usize = 10;
pub(crate) const MAX_SUGGESTIONS: usize = 50;

/// The most names among the suggestions for a word.
const MAX_NAMES: usize = 4;

/// The fewest bytes of a word that is completed. One letter begins too many words.
const MIN_WORD_BYTES: usize = 2;

/// The most languages that are told apart.
const MAX_LANGUAGES: usize = 512;

/// The factor by which more terms are read of a field that has ids beside each name.
const WITH_IDS: usize = 4;

/// The suggestions for a place in a query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Suggestions {
    /// What a suggestion replaces: from this place up to `end`, in UTF-16 units.
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// The best first.
    pub(crate) items: Vec<Suggestion>,
}

/// A text to put into the query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Suggestion {
    pub(crate) text: String,
    pub(crate) kind: SuggestionKind,
    /// How many tweets have it.
    pub(crate) count: Option<u64>,
    pub(crate) help: Option<&'static str>,
}

/// What a suggestion is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SuggestionKind {
    /// The name of a field or operator, with its colon.
    Name,
    /// A value of a field.
    Value,
    Hashtag,
    Cashtag,
    User,
    Word,
}

impl SuggestionKind {
    /// The name in the protocol.
    pub(crate) fn name(self) -> &'static str {
        match self {
            SuggestionKind::Name => "name",
            SuggestionKind::Value => "value",
            SuggestionKind::Hashtag => "hashtag",
            SuggestionKind::Cashtag => "cashtag",
            SuggestionKind::User => "user",
            SuggestionKind::Word => "word",
        }
    }
}

impl Live {
    /// Completes a query at a place, in UTF-16 units; at its end if there is none. Counts as a
    /// search.
    ///
    /// # Errors
    ///
    /// [`LiveError::Limit`], [`LiveError::Unavailable`].
    pub(crate) async fn suggest(&self, query: String, at: Option<usize>, n: usize) -> Result<Suggestions, LiveError> {
        let inner = Arc::clone(&self.inner);
        let suggestions = self
            .read_in_time(move |snapshot| {
                let at = at.map_or(query.len(), |at| byte_of_utf16(&query, at));
                let caret = Caret::read(&query, at);
                let utf16 = |byte: usize| query[..byte].encode_utf16().count();
                let (start, end) = (utf16(caret.range.start), utf16(caret.range.end));
                let newest = inner.sample.get_for_terms(&snapshot)?;
                let items = Suggester { snapshot: &snapshot, newest: newest.docs(), n }.items(&caret)?;
                Ok(Suggestions { start, end, items })
            })
            .await;
        if self.inner.sample.is_due_for_terms() {
            // The next user does not wait for it either.
            tokio::spawn(self.clone().refresh_sample());
        }
        suggestions
    }

    /// Takes a sample of the newest tweets for the suggestions to come. Where it can't, the next
    /// suggestion does.
    pub(crate) async fn refresh_sample(self) {
        let inner = Arc::clone(&self.inner);
        let _ = self.read(move |snapshot| inner.sample.get_or_refresh(&snapshot).map(drop)).await;
    }
}

/// The byte at a place in UTF-16 units; within a character, the one behind it.
fn byte_of_utf16(text: &str, at: usize) -> usize {
    let mut units = 0;
    for (byte, c) in text.char_indices() {
        if units >= at {
            return byte;
        }
        units += c.len_utf16();
    }
    text.len()
}

/// What suggestions are made of.
struct Suggester<'a> {
    snapshot: &'a Snapshot,
    /// Some of the newest tweets.
    newest: &'a [Doc],
    n: usize,
}

impl Suggester<'_> {
    fn items(&self, caret: &Caret<'_>) -> Result<Vec<Suggestion>, SearchError> {
        let has_pattern = caret.prefix.contains(['*', '?', '/', '~', '\\']);
        let mut items = match (caret.name, caret.sign) {
            _ if has_pattern => Vec::new(),
            (Some(name), _) => match names::values(name) {
                Values::Field(field) => self.values(field, caret)?,
                Values::Filter => {
                    let mut items = self.fixed(tweet::HAS, caret)?;
                    items.extend(self.fixed(tweet::IS, caret)?);
                    items
                }
                Values::None => Vec::new(),
            },
            (None, Some(sign)) => {
                let (field, kind) = match sign {
                    '#' => (tweet::HASHTAG, SuggestionKind::Hashtag),
                    '@' => (tweet::MENTION, SuggestionKind::User),
                    _ => (tweet::CASHTAG, SuggestionKind::Cashtag),
                };
                self.terms(field, caret, |term| (format!("{sign}{term}"), kind))?
            }
            (None, None) => self.words(caret)?,
        };
        items.truncate(self.n);
        Ok(items)
    }

    /// Names, and words of the text.
    fn words(&self, caret: &Caret<'_>) -> Result<Vec<Suggestion>, SearchError> {
        let prefix = caret.prefix.to_ascii_lowercase();
        let mut items: Vec<Suggestion> = Vec::new();
        if !caret.is_quoted {
            let most = if prefix.is_empty() { self.n } else { MAX_NAMES };
            let names = NAMES.iter().filter(|name| name.name.starts_with(&prefix)).take(most);
            items.extend(names.map(|name| Suggestion {
                text: format!("{}:", name.name),
                kind: SuggestionKind::Name,
                count: None,
                help: Some(name.help),
            }));
        }
        if caret.prefix.len() >= MIN_WORD_BYTES {
            items.extend(self.terms(tweet::TEXT, caret, |term| (term.to_owned(), SuggestionKind::Word))?);
        }
        Ok(items)
    }

    fn values(&self, field: FieldId, caret: &Caret<'_>) -> Result<Vec<Suggestion>, SearchError> {
        let described = Schema::tweet().field(field);
        match described.kind {
            Kind::Integer | Kind::Float | Kind::Date | Kind::Point => Ok(Vec::new()),
            _ if !described.values.is_empty() => self.fixed(field, caret),
            _ if field == tweet::LANG => self.languages(caret),
            Kind::Text | Kind::Url => {
                self.terms(field, caret, |term| (quoted(term, caret.is_quoted), SuggestionKind::Word))
            }
            Kind::Keyword => {
                let kind = match field {
                    tweet::HASHTAG => SuggestionKind::Hashtag,
                    tweet::CASHTAG => SuggestionKind::Cashtag,
                    tweet::SCREEN_NAME | tweet::REPLY_TO | tweet::MENTION | tweet::RETWEETS_OF | tweet::QUOTES_OF => {
                        SuggestionKind::User
                    }
                    _ => SuggestionKind::Value,
                };
                self.terms(field, caret, |term| (quoted(term, caret.is_quoted), kind))
            }
        }
    }

    /// The values that a field may have, and how many tweets have each.
    fn fixed(&self, field: FieldId, caret: &Caret<'_>) -> Result<Vec<Suggestion>, SearchError> {
        let values = &Schema::tweet().field(field).values;
        let counts: HashMap<String, u64> = self.snapshot.complete(field, "", [], values.len())?.into_iter().collect();
        let prefix = fold(caret.prefix);
        let begins = |value: &&crate::schema::FieldValue| {
            std::iter::once(&value.name).chain(&value.aliases).any(|name| name.starts_with(&*prefix))
        };
        let found = values.iter().filter(begins).map(|value| Suggestion {
            text: value.name.clone(),
            kind: SuggestionKind::Value,
            count: Some(counts.get(&value.name).copied().unwrap_or(0)),
            help: None,
        });
        Ok(found.collect())
    }

    /// Languages by code or name, the most frequent first.
    fn languages(&self, caret: &Caret<'_>) -> Result<Vec<Suggestion>, SearchError> {
        let mut languages = self.snapshot.complete(tweet::LANG, "", [], MAX_LANGUAGES)?;
        let found: HashSet<String> = languages.iter().map(|(code, _)| code.clone()).collect();
        let others = languages::LANGUAGES.iter().filter(|(code, _)| !found.contains(*code));
        languages.extend(others.map(|&(code, _)| (code.to_owned(), 0)));
        let prefix = fold(caret.prefix).into_owned();
        let begins = |code: &str| {
            let name = languages::name(code).is_some_and(|name| name.to_lowercase().starts_with(&prefix));
            code.starts_with(&prefix) || !prefix.is_empty() && name
        };
        let found = languages.into_iter().filter(|(code, _)| begins(code)).map(|(code, count)| Suggestion {
            help: languages::name(&code),
            text: quoted(&code, caret.is_quoted),
            kind: SuggestionKind::Value,
            count: Some(count),
        });
        Ok(found.collect())
    }

    /// Terms of a field with the prefix, the most frequent first.
    fn terms(
        &self,
        field: FieldId,
        caret: &Caret<'_>,
        suggestion: impl Fn(&str) -> (String, SuggestionKind),
    ) -> Result<Vec<Suggestion>, SearchError> {
        let prefix = fold(caret.prefix);
        let likely = self.frequent(field, &prefix);
        // Fields of names have ids as well.
        let has_ids = matches!(field, tweet::RETWEETS_OF | tweet::QUOTES_OF);
        let n = if has_ids { self.n * WITH_IDS } else { self.n };
        let is_id = |term: &str| has_ids && !term.is_empty() && term.bytes().all(|byte| byte.is_ascii_digit());
        let terms = self.snapshot.complete(field, &prefix, likely.iter().copied(), n)?;
        let suggestions = terms.into_iter().filter(|(term, _)| is_id(&prefix) || !is_id(term)).map(|(term, count)| {
            let (text, kind) = suggestion(&term);
            Suggestion { text, kind, count: Some(count), help: None }
        });
        Ok(suggestions.collect())
    }

    /// The terms of a field of the newest tweets with a prefix, the most frequent first.
    fn frequent(&self, field: FieldId, prefix: &str) -> Vec<&str> {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for doc in self.newest {
            let terms = doc.field_tokens(field).iter().map(|token| doc.term(token));
            terms.filter(|term| term.starts_with(prefix)).for_each(|term| *counts.entry(term).or_default() += 1);
        }
        let mut terms: Vec<(&str, usize)> = counts.into_iter().collect();
        terms.sort_unstable_by_key(|&(term, count)| (Reverse(count), term));
        terms.into_iter().map(|(term, _)| term).collect()
    }
}

/// A value as it is written in a query.
fn quoted(value: &str, is_in_quotes: bool) -> String {
    let is_plain = |c: char| is_word_char(c) || matches!(c, '.' | '-' | '_' | '@');
    if is_in_quotes || value.chars().all(is_plain) {
        value.to_owned()
    } else {
        format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
    }
}

#[cfg(test)]
mod tests;
