//! Parses the text form: from query text to [`Ast`], errors and warnings.
//!
//! A recursive descent parser over characters, without a lexer, because the meaning of a character
//! depends on the context (`[` after a field, `/` before a word, `:` in a date). The operators from
//! lowest to highest precedence are `OR`, `AND` (also implied) and `NOT`. Parsing never fails: an
//! invalid part becomes a [`Diagnostic`] and matches nothing, and parsing goes on, so that it
//! reports several errors at once. A sign that means nothing is left out with a warning. Only
//! brackets recurse, and their depth is limited.
//!
//! [`clean`] replaces look-alikes and marks that users paste without intent, [`expression`] reads
//! operators and brackets, [`field_or_word`] and [`wildcard`] words, [`quote`] phrases, [`tag`]
//! hashtags, mentions and cashtags, [`address`] links, [`value`] what follows the name of a field,
//! and [`operator`] the operators of X's search that are no field.

use std::ops::Range;

use super::build::{self, Builder, Built, LeafError, MAX_BYTES_WITH_LISTS, RangeBound};
use super::diagnostic::Diagnostic;
use super::{Ast, Join, ParseOptions, Phrase, QueryLimits};
use crate::schema::{FieldId, Kind, Schema};

mod address;
pub(super) mod clean;
mod expression;
mod field_or_word;
mod group;
mod operator;
mod place;
mod quote;
mod tag;
mod value;
mod wildcard;
mod word;

use clean::Source;
use quote::is_quote;
use word::Word;

/// Errors that are reported at once, at most; and warnings.
const MAX_DIAGNOSTICS: usize = 5;

/// Wrong guesses, at most, after which a mistake is reported. Each makes the parser read a part of
/// the text again, and guesses nest.
const MAX_REWINDS: usize = 16;

/// What a text was parsed to.
pub(super) struct ParsedText {
    /// Valid if `mistakes` is empty. Not normalized.
    pub(super) ast: Ast,
    pub(super) mistakes: Vec<Diagnostic>,
    pub(super) warnings: Vec<Diagnostic>,
}

/// Parses a query.
///
/// The builder counts the cost of the query. Several texts of one query share it.
pub(super) fn parse(text: &str, builder: &mut Builder<'_>, options: ParseOptions) -> ParsedText {
    let (schema, limits) = (builder.schema, builder.limits);
    let fail = |span: Range<usize>, problem: LeafError| ParsedText {
        ast: Ast::None,
        mistakes: vec![Diagnostic::in_text(text, span, problem.message, problem.expected)],
        warnings: Vec::new(),
    };
    if text.len() > limits.max_bytes
        && (text.len() > MAX_BYTES_WITH_LISTS || bytes_outside_lists(text) > limits.max_bytes)
    {
        return fail(0..0, build::too_many_bytes(text.len(), limits));
    }
    let source = Source::new(text);
    if source.text.trim().is_empty() {
        let problem = LeafError::new("the query is empty").expected("expected a word; `*` finds everything");
        return fail(0..text.len(), problem);
    }
    let field = options.default_field.unwrap_or_else(|| schema.default_field());
    let mut parser = Parser {
        source: &source,
        text: &source.text,
        pos: 0,
        builder,
        join: options.join,
        phrase_slop: options.phrase_slop,
        has_or: false,
        has_operator: false,
        url: schema.iter().find(|(_, field)| field.kind == Kind::Url).map(|(id, _)| id),
        list_bytes: 0,
        rewinds: 0,
        unclosed: Vec::new(),
        left_out: None,
        mistakes: Vec::new(),
        warnings: Vec::new(),
    };
    let parts = parser.query(field);
    parser.is_too_long();
    if parts.is_empty() && parser.mistakes.is_empty() {
        let (span, problem) = parser.left_out.take().unwrap_or_else(|| (0..text.len(), build::no_term("")));
        parser.report(span, problem);
    }
    let ast = if parts.is_empty() { Ast::None } else { Ast::And(parts) };
    ParsedText { ast, mistakes: parser.mistakes, warnings: parser.warnings }
}

/// The bytes of a text besides what looks like the values of lists, `field:IN [a b]`. The parser
/// counts those that are lists.
fn bytes_outside_lists(text: &str) -> usize {
    let mut bytes = 0;
    let mut rest = text;
    while let Some(at) = rest.find("IN [") {
        let (before, list) = rest.split_at(at);
        bytes += before.len();
        let is_list = before.trim_end().ends_with([':', '：']);
        let end = if is_list { list.find(']').unwrap_or(list.len()) } else { "IN [".len() };
        bytes += if is_list { 0 } else { end };
        rest = &list[end..];
    }
    bytes + rest.len()
}

/// Parses a canonical text, without checking its patterns again.
pub(super) fn read_back(text: &str, schema: &Schema) -> Option<Ast> {
    let limits = QueryLimits::NONE;
    let parsed = parse(text, &mut Builder::trusting(schema, &limits), ParseOptions::default());
    parsed.mistakes.is_empty().then_some(parsed.ast)
}

struct Parser<'t, 'b, 's> {
    source: &'t Source<'t>,
    text: &'t str,
    /// The offset of the next byte.
    pos: usize,
    builder: &'b mut Builder<'s>,
    join: Join,
    /// The slop of phrases without one.
    phrase_slop: u32,
    /// Whether an `OR` was read, so that a bracket too many changes the meaning.
    has_or: bool,
    /// Whether `AND`, `OR` or `NOT` was read, so that a bracket is meant as one.
    has_operator: bool,
    /// The field of addresses.
    url: Option<FieldId>,
    /// The bytes of lists, which do not count for the length.
    list_bytes: usize,
    /// How often a guess was wrong.
    rewinds: usize,
    /// Quotes that nothing closes from here on.
    unclosed: Vec<char>,
    /// The first part that has no term: the error if no other part has one.
    left_out: Option<(Range<usize>, LeafError)>,
    mistakes: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

impl<'t> Parser<'t, '_, '_> {
    fn rest(&self) -> &'t str {
        &self.text[self.pos..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// The character after the next one.
    fn peek_second(&self) -> Option<char> {
        self.rest().chars().nth(1)
    }

    /// The character before the next one.
    fn previous(&self) -> Option<char> {
        self.text[..self.pos].chars().next_back()
    }

    fn bump(&mut self) -> Option<char> {
        let char = self.peek()?;
        self.pos += char.len_utf8();
        Some(char)
    }

    fn eat(&mut self, sign: &str) -> bool {
        let found = self.rest().starts_with(sign);
        if found {
            self.pos += sign.len();
        }
        found
    }

    fn take(&mut self, accept: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let taken = &rest[..rest.len() - rest.trim_start_matches(accept).len()];
        self.pos += taken.len();
        taken
    }

    fn skip_space(&mut self) {
        self.pos = self.text.len() - self.rest().trim_start().len();
    }

    fn at_end(&self) -> bool {
        self.pos == self.text.len()
    }

    /// Whether the next character cannot belong to the word before it.
    fn at_boundary(&self) -> bool {
        self.peek().is_none_or(is_boundary)
    }

    fn report(&mut self, span: Range<usize>, problem: LeafError) {
        if self.mistakes.len() < MAX_DIAGNOSTICS {
            self.mistakes.push(self.diagnostic(span, problem));
        }
        if self.mistakes.len() == MAX_DIAGNOSTICS {
            self.pos = self.text.len();
        }
    }

    /// Warns that perch had to guess.
    fn warn(&mut self, span: Range<usize>, message: impl Into<String>, expected: impl Into<String>) {
        if self.warnings.len() < MAX_DIAGNOSTICS {
            let diagnostic = self.diagnostic(span, LeafError::new(message).expected(expected));
            self.warnings.push(diagnostic);
        }
    }

    /// Warns that a part without a searchable term is left out.
    fn leave_out(&mut self, span: Range<usize>) -> Option<Ast> {
        let text = self.text[span.clone()].trim();
        let problem = build::no_term(text);
        if self.warnings.len() < MAX_DIAGNOSTICS {
            let is_sign = !text.is_empty() && !text.contains(crate::text::is_word_char);
            let mut warning = LeafError::new(format!("`{text}` means nothing here and is left out"));
            if is_sign {
                warning = warning.expected("signs can't be searched for: only letters, digits and emoji are kept");
            }
            let diagnostic = self.diagnostic(span.clone(), warning);
            self.warnings.push(diagnostic);
        }
        self.left_out.get_or_insert((span, problem));
        None
    }

    /// Leaves out a part that asks for what perch does anyway.
    fn leave_out_redundant(&mut self, span: Range<usize>) -> Option<Ast> {
        let text = self.text[span.clone()].trim().to_owned();
        self.warn(span.clone(), format!("`{text}` is left out"), "perch does so anyway");
        self.left_out.get_or_insert((span, build::no_term(&text)));
        None
    }

    /// Whether the text read so far, without lists, is longer than the limit. Reports it.
    fn is_too_long(&mut self) -> bool {
        let limits = self.builder.limits;
        if self.pos - self.list_bytes.min(self.pos) <= limits.max_bytes {
            return false;
        }
        if self.mistakes.is_empty() {
            self.report(0..0, build::too_many_bytes(self.text.len(), limits));
        }
        self.pos = self.text.len();
        true
    }

    fn diagnostic(&self, span: Range<usize>, problem: LeafError) -> Diagnostic {
        let span = self.source.original_range(span);
        Diagnostic::in_text(self.source.original, span, problem.message, problem.expected)
    }

    /// The leaf. Reports an error.
    fn leaf(&mut self, span: Range<usize>, built: Built) -> Option<Ast> {
        match built {
            Ok(ast) => Some(ast),
            Err(problem) if problem.has_no_term => self.leave_out(span),
            Err(problem) => {
                self.report(span, problem);
                if self.builder.is_full() {
                    self.pos = self.text.len();
                }
                Some(Ast::None)
            }
        }
    }

    /// The state to return to if a guess turns out wrong.
    fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            pos: self.pos,
            mistakes: self.mistakes.len(),
            warnings: self.warnings.len(),
            has_or: self.has_or,
            has_operator: self.has_operator,
            list_bytes: self.list_bytes,
            unclosed: self.unclosed.len(),
            has_left_out: self.left_out.is_some(),
            spent: self.builder.spent(),
        }
    }

    fn rewind(&mut self, to: &Checkpoint) {
        self.pos = to.pos;
        self.mistakes.truncate(to.mistakes);
        self.warnings.truncate(to.warnings);
        self.has_or = to.has_or;
        self.has_operator = to.has_operator;
        self.list_bytes = to.list_bytes;
        self.unclosed.truncate(to.unclosed);
        if !to.has_left_out {
            self.left_out = None;
        }
        self.builder.restore(to.spent);
        self.rewinds += 1;
    }
}

struct Checkpoint {
    pos: usize,
    mistakes: usize,
    warnings: usize,
    has_or: bool,
    has_operator: bool,
    list_bytes: usize,
    unclosed: usize,
    has_left_out: bool,
    spent: build::Spent,
}

/// Whether a character ends whatever stands before it.
fn is_boundary(char: char) -> bool {
    char.is_whitespace() || char == ')'
}

/// `~`, alone or with a number.
#[derive(Clone, Copy)]
enum Tilde {
    Bare,
    Number(u32),
}

impl Tilde {
    fn or(self, default: u32) -> u32 {
        if let Tilde::Number(number) = self { number } else { default }
    }

    /// The number of edits.
    fn distance(self) -> u8 {
        u8::try_from(self.or(build::MAX_DISTANCE.into())).unwrap_or(u8::MAX)
    }
}

/// The suffix of a part.
struct Suffix {
    span: Range<usize>,
    tilde: Option<Tilde>,
    star: bool,
}

impl Parser<'_, '_, '_> {
    /// Parses the suffix of a part: `*` (after quotes), `~2`, `^2`. A boost has no effect.
    fn suffix(&mut self) -> Suffix {
        let start = self.pos;
        let mut suffix = Suffix { span: start..start, tilde: None, star: false };
        loop {
            let at = self.pos;
            if self.eat("*") {
                suffix.star = true;
            } else if self.eat("~") {
                let digits = self.take(|char| char.is_ascii_digit() || char == '.');
                if digits.is_empty() {
                    suffix.tilde = Some(Tilde::Bare);
                } else if build::is_digits(digits) {
                    suffix.tilde = Some(Tilde::Number(digits.parse().unwrap_or(u32::MAX)));
                } else if digits.parse::<f64>().is_ok_and(|share| (0.0..1.0).contains(&share)) {
                    // Before Lucene 4, the number was a share of the word that must be equal.
                    suffix.tilde = Some(Tilde::Bare);
                    let message = format!("`~{digits}` is an old form, read as `~2`: the number of edits");
                    self.warn(at..self.pos, message, "expected ~1 or ~2");
                } else {
                    let problem = LeafError::new(format!("`~{digits}` is no whole number"));
                    self.report(at..self.pos, problem.expected("expected ~1 or ~2"));
                }
            } else if self.peek() == Some('^') && self.peek_second().is_some_and(|char| char.is_ascii_digit()) {
                self.pos += 1;
                let digits = self.take(|char| char.is_ascii_digit() || char == '.');
                if digits.parse::<f64>().is_err() {
                    let problem = LeafError::new(format!("`{digits}` is no boost")).expected("expected as in word^2");
                    self.report(at..self.pos, problem);
                }
            } else {
                break;
            }
        }
        suffix.span = start..self.pos;
        if start != self.pos && !self.at_boundary() && !self.eats_punctuation() {
            let at = self.pos;
            let span = at..at + self.peek().map_or(0, char::len_utf8);
            self.report(span, LeafError::new("this hangs on what stands before it").expected("expected a space"));
        }
        suffix
    }

    /// Skips the punctuation after a suffix. Whether the suffix ends at a boundary or an operator.
    fn eats_punctuation(&mut self) -> bool {
        let start = self.pos;
        self.take(|char| {
            !is_boundary(char) && !crate::text::is_word_char(char) && !is_quote(char) && !"([{&|".contains(char)
        });
        if self.at_boundary() || ["&&", "||"].iter().any(|sign| self.rest().starts_with(sign)) {
            return true;
        }
        self.pos = start;
        false
    }
}
