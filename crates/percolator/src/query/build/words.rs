//! Leaves of terms: words, phrases, keywords, wildcards, regular expressions and fuzzy terms.

use std::ops::Bound;

use super::wildcard::{
    WildcardPart, collapsed_parts, fold_pattern, fold_regex, literal_prefix, without_escaped_slashes,
};
use super::{
    Ast, Builder, Built, Field, FieldId, Kind, LeafError, MAX_DISTANCE, MAX_FUZZY_CHARS, MAX_SLOP, MAX_TERM_BYTES,
    Phrase, analyze, no_term, too_long,
};
use crate::automaton::{AutomatonError, TermAutomaton};
use crate::query::{AUTOMATON_BYTES_A_COST, PATTERN_COST};
use crate::text;

impl Builder<'_> {
    /// A leaf for a word or quoted words without operators, by the kind of the field.
    pub(in crate::query) fn text(&mut self, field: FieldId, text: &str, slop: u32, last_is_prefix: bool) -> Built {
        self.clause()?;
        match self.kind(field) {
            kind @ (Kind::Text | Kind::Url) => {
                let mut terms = analyze(kind, text);
                if slop > MAX_SLOP {
                    return Err(LeafError::new(format!("the slop is too large: the most is {MAX_SLOP}")));
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
                        let label = hyphenated_label(kind, text);
                        let phrase = Ast::Phrase(Phrase { field, terms, slop, last_is_prefix });
                        Ok(match label {
                            // The words of a path, or a label of a host.
                            Some(prefix) if last_is_prefix => Ast::Or(vec![phrase, Ast::Prefix { field, prefix }]),
                            Some(term) => Ast::Or(vec![phrase, Ast::Term { field, term }]),
                            None => phrase,
                        })
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
                match self.schema.field(field).numbers {
                    Some(numbers) if term.bytes().all(|byte| byte.is_ascii_digit()) => {
                        self.clause()?;
                        let id = Ast::Term { field: numbers, term: term.clone() };
                        Ok(Ast::Or(vec![Ast::Term { field, term }, id]))
                    }
                    _ => Ok(Ast::Term { field, term }),
                }
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
    pub(in crate::query) fn wildcard(&mut self, field: FieldId, pattern: &str) -> Built {
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
    pub(in crate::query) fn regex(&mut self, field: FieldId, pattern: &str) -> Built {
        self.clause()?;
        if !self.kind(field).has_terms() {
            return Err(self.not_terms(field));
        }
        if pattern.is_empty() {
            return Err(LeafError::new("an empty regular expression matches nothing"));
        }
        let ast = Ast::Regex { field, pattern: fold_regex(&without_escaped_slashes(pattern)).into() };
        self.check_automaton(&ast)?;
        Ok(ast)
    }

    /// A fuzzy term.
    pub(in crate::query) fn fuzzy(&mut self, field: FieldId, text: &str, distance: u8) -> Built {
        if distance == 0 {
            return self.text(field, text, 0, false);
        }
        self.clause()?;
        if distance > MAX_DISTANCE {
            return Err(LeafError::new("more than 2 edits are too many").expected("expected ~1 or ~2"));
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
    pub(in crate::query) fn check_automaton(&mut self, leaf: &Ast) -> Built<()> {
        if self.trusting {
            return Ok(());
        }
        let left = self.limits.max_automaton_bytes.saturating_sub(self.spent.automaton_bytes);
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
                self.spent.automaton_bytes += size;
                if self.spent.automaton_bytes > limit {
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
}

/// A text for the field of addresses that may be one label of a host: `rust-lang`.
fn hyphenated_label(kind: Kind, text: &str) -> Option<String> {
    let text = text.trim();
    let is_label = |char: char| char.is_alphanumeric() || char == '-';
    let is_one = kind == Kind::Url && text.contains('-') && text.chars().all(is_label);
    is_one.then(|| text::fold(text).into_owned())
}
