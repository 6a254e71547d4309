//! Parses the text form: from query text to [`Ast`] and errors.
//!
//! A recursive descent parser over characters, without a lexer, because the meaning of a character
//! depends on the context (`[` after a field, `/` before a word, `:` in a date). The operators from
//! lowest to highest precedence are `OR`, `AND` (also implied) and `NOT`. Parsing never fails: an
//! invalid part becomes a [`Diagnostic`] and matches nothing, and parsing goes on, so that it
//! reports several errors at once. Only brackets recurse, and their depth is limited.

use std::ops::Range;

use super::build::{self, Builder, Built, LeafError, RangeBound};
use super::diagnostic::Diagnostic;
use super::{Ast, Join, ParseOptions, Phrase, QueryLimits};
use crate::schema::{FieldId, Kind, Schema};

mod value;

/// Errors that are reported at once, at most.
const MAX_DIAGNOSTICS: usize = 5;

/// Parses a query. The [`Ast`] is valid if the list of errors is empty; it is not normalized.
///
/// The builder counts the cost of the query. Several texts of one query share it.
pub(super) fn parse(text: &str, builder: &mut Builder<'_>, options: ParseOptions) -> (Ast, Vec<Diagnostic>) {
    let (schema, limits) = (builder.schema, builder.limits);
    let mut parser = Parser { text, pos: 0, builder, join: options.join, mistakes: Vec::new() };
    if text.len() > limits.max_bytes {
        let (len, limit) = (text.len(), limits.max_bytes);
        let problem = LeafError::new(format!("the query is {len} bytes long, over the limit of {limit} (max_bytes)"));
        parser.report(0..0, problem);
        return (Ast::None, parser.mistakes);
    }
    if text.trim().is_empty() {
        let problem = LeafError::new("the query is empty").expected("expected a word; `*` finds everything");
        parser.report(0..text.len(), problem);
        return (Ast::None, parser.mistakes);
    }
    let field = options.default_field.unwrap_or_else(|| schema.default_field());
    let mut parts = vec![parser.expression(field).into_ast()];
    while !parser.at_end() {
        // Only a closing bracket ends an expression early.
        parser.pos += 1;
        let span = parser.pos - 1..parser.pos;
        parser.report(span, LeafError::new("`)` closes nothing").expected("expected a `(` before it"));
        parser.skip_space();
        if !parser.at_end() && parser.peek() != Some(')') {
            parts.push(parser.expression(field).into_ast());
        }
    }
    (Ast::And(parts), parser.mistakes)
}

/// Parses a canonical text, without checking its patterns again.
pub(super) fn read_back(text: &str, schema: &Schema) -> Option<Ast> {
    let limits = QueryLimits::NONE;
    let (ast, mistakes) = parse(text, &mut Builder::trusting(schema, &limits), ParseOptions::default());
    mistakes.is_empty().then_some(ast)
}

struct Parser<'t, 'b, 's> {
    text: &'t str,
    /// The offset of the next byte.
    pos: usize,
    builder: &'b mut Builder<'s>,
    join: Join,
    mistakes: Vec<Diagnostic>,
}

/// The meaning of `+` and `-` before a part if parts are joined by OR.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sign {
    No,
    Must,
    MustNot,
}

/// Operands that are not joined yet: a bracket may require a number of them.
enum Operands {
    One(Sign, Ast),
    All(Vec<Ast>),
    Any(Vec<Ast>),
}

impl Operands {
    fn into_ast(self) -> Ast {
        match self {
            Operands::One(Sign::MustNot, part) => Ast::Not(Box::new(part)),
            Operands::One(_, part) => part,
            Operands::All(parts) => Ast::And(parts),
            Operands::Any(parts) => Ast::Or(parts),
        }
    }

    fn into_list(self) -> Vec<Ast> {
        match self {
            Operands::All(parts) | Operands::Any(parts) => parts,
            one @ Operands::One(..) => vec![one.into_ast()],
        }
    }
}

/// A run of characters, of which those after a backslash are literal.
struct Word {
    span: Range<usize>,
    chars: Vec<(char, bool)>,
}

impl Word {
    /// The text, without backslashes.
    fn text(&self) -> String {
        self.chars.iter().map(|&(char, _)| char).collect()
    }

    fn has_wildcard(&self) -> bool {
        self.chars.iter().any(|&(char, escaped)| !escaped && matches!(char, '*' | '?'))
    }

    /// The text as a wildcard.
    fn pattern(&self) -> String {
        let mut pattern = String::new();
        for &(char, escaped) in &self.chars {
            if !escaped && matches!(char, '*' | '?') {
                pattern.push(char);
            } else {
                build::push_literal(&mut pattern, char.encode_utf8(&mut [0; 4]));
            }
        }
        pattern
    }

    fn is(&self, text: &str) -> bool {
        self.chars.iter().map(|&(char, _)| char).eq(text.chars())
    }
}

fn is_quote(char: char) -> bool {
    matches!(char, '"' | '“' | '”')
}

fn ends_word(char: char) -> bool {
    char.is_whitespace() || is_quote(char) || matches!(char, '(' | ')' | '[' | ']' | '{' | '}' | '^' | '~')
}

impl<'t> Parser<'t, '_, '_> {
    fn rest(&self) -> &'t str {
        &self.text[self.pos..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
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

    fn skip_space(&mut self) {
        self.pos = self.text.len() - self.rest().trim_start().len();
    }

    fn at_end(&self) -> bool {
        self.pos == self.text.len()
    }

    /// Whether the next character cannot belong to the word before it.
    fn at_boundary(&self) -> bool {
        self.peek().is_none_or(|char| char.is_whitespace() || char == ')')
    }

    fn report(&mut self, span: Range<usize>, problem: LeafError) {
        if self.mistakes.len() < MAX_DIAGNOSTICS {
            self.mistakes.push(Diagnostic::in_text(self.text, span, problem.message, problem.expected));
        }
        if self.mistakes.len() == MAX_DIAGNOSTICS {
            self.pos = self.text.len();
        }
    }

    /// The leaf. Reports an error.
    fn leaf(&mut self, span: Range<usize>, built: Built) -> Ast {
        built.unwrap_or_else(|problem| {
            self.report(span, problem);
            if self.builder.is_full() {
                self.pos = self.text.len();
            }
            Ast::None
        })
    }

    /// Parses an operator if it is next: its sign, or its word if it is a whole word.
    fn operator(&mut self, word: &str, sign: &str) -> Option<Range<usize>> {
        self.skip_space();
        let start = self.pos;
        if !sign.is_empty() && self.eat(sign) {
            return Some(start..self.pos);
        }
        let behind = self.rest().strip_prefix(word)?;
        if behind.chars().next().is_some_and(|char| !ends_word(char)) {
            return None;
        }
        self.pos += word.len();
        Some(start..self.pos)
    }

    fn peeks_operator(&mut self, word: &str, sign: &str) -> bool {
        let before = self.pos;
        let found = self.operator(word, sign).is_some();
        self.pos = before;
        found
    }

    fn peeks_part(&mut self) -> bool {
        self.skip_space();
        !self.at_end()
            && self.peek() != Some(')')
            && !self.peeks_operator("OR", "||")
            && !self.peeks_operator("AND", "&&")
    }

    /// Parses up to the end or a closing bracket.
    fn expression(&mut self, field: FieldId) -> Operands {
        let mut list = vec![self.alternatives(field)];
        while self.join == Join::Or && self.peeks_part() {
            list.push(self.alternatives(field));
        }
        if list.len() == 1 {
            return list.swap_remove(0);
        }
        // Joined by OR, as in Lucene: parts with `+` are required, and the others are then
        // optional.
        let (mut all, mut any, mut must) = (Vec::new(), Vec::new(), false);
        for part in list {
            match part {
                Operands::One(Sign::Must, part) => {
                    must = true;
                    all.push(part);
                }
                not @ Operands::One(Sign::MustNot, _) => all.push(not.into_ast()),
                part => any.push(part.into_ast()),
            }
        }
        if all.is_empty() {
            return Operands::Any(any);
        }
        if !must && !any.is_empty() {
            all.push(Ast::Or(any));
        }
        Operands::All(all)
    }

    /// Parses `a OR b`.
    fn alternatives(&mut self, field: FieldId) -> Operands {
        let mut parts = self.sequence(field);
        let mut any = Vec::new();
        while let Some(span) = self.operator("OR", "||") {
            any.push(parts.into_ast());
            parts = self.operand_behind(&span, |parser| parser.sequence(field));
        }
        if any.is_empty() {
            return parts;
        }
        any.push(parts.into_ast());
        Operands::Any(any)
    }

    /// Parses `a AND b`, and `a b` with an implied AND.
    fn sequence(&mut self, field: FieldId) -> Operands {
        let mut parts = self.part(field);
        let mut all = Vec::new();
        loop {
            let next = if let Some(span) = self.operator("AND", "&&") {
                self.operand_behind(&span, |parser| parser.part(field))
            } else if self.join == Join::And && self.peeks_part() {
                self.part(field)
            } else {
                break;
            };
            all.push(parts.into_ast());
            parts = next;
        }
        if all.is_empty() {
            return parts;
        }
        all.push(parts.into_ast());
        Operands::All(all)
    }

    /// Parses the operand after an operator. Reports a missing one.
    fn operand_behind(&mut self, operator: &Range<usize>, read: impl FnOnce(&mut Self) -> Operands) -> Operands {
        if self.peeks_part() {
            return read(self);
        }
        let operator_text = &self.text[operator.clone()];
        let problem = LeafError::new(format!("nothing stands behind `{operator_text}`"))
            .expected("expected a word, a phrase or a bracket; to search for the word itself, quote it");
        self.report(operator.clone(), problem);
        Operands::One(Sign::No, Ast::None)
    }

    /// Parses a part with the signs before it.
    fn part(&mut self, field: FieldId) -> Operands {
        self.skip_space();
        for (word, sign) in [("AND", "&&"), ("OR", "||")] {
            if let Some(span) = self.operator(word, sign) {
                let operator = &self.text[span.clone()];
                let problem = LeafError::new(format!("nothing stands before `{operator}`"))
                    .expected("expected a word, a phrase or a bracket; to search for the word itself, quote it");
                self.report(span, problem);
                if self.peeks_part() {
                    break;
                }
                return Operands::One(Sign::No, Ast::None);
            }
        }
        let start = self.pos;
        let signs = self.rest().len() - self.rest().trim_start_matches(['+', '-', '!']).len();
        if signs > 0 && self.rest()[signs..].chars().next().is_none_or(|char| char.is_whitespace() || char == ')') {
            self.pos += signs;
            let span = start..self.pos;
            let problem = LeafError::new(format!("`{}` has no searchable term", &self.text[span.clone()]))
                .expected("expected a word right behind the sign");
            self.report(span, problem);
            return Operands::One(Sign::No, Ast::None);
        }
        let (mut negative, mut must) = (false, false);
        loop {
            if let Some(span) = self.operator("NOT", "!").or_else(|| self.operator("-", "-")) {
                negative = !negative;
                self.skip_space();
                if self.at_end() || self.peek() == Some(')') {
                    return self.operand_behind(&span, |_| Operands::One(Sign::No, Ast::None));
                }
            } else if self.eat("+") {
                must = true;
            } else {
                break;
            }
        }
        let ast = self.primary(field);
        let sign = match (negative, must) {
            (true, _) => Sign::MustNot,
            (false, true) => Sign::Must,
            (false, false) => Sign::No,
        };
        Operands::One(sign, ast)
    }

    /// Parses a part without signs.
    fn primary(&mut self, field: FieldId) -> Ast {
        let start = self.pos;
        match self.peek() {
            None | Some(')') => {
                let problem =
                    LeafError::new("something is missing here").expected("expected a word, a phrase or a bracket");
                self.report(start..start, problem);
                Ast::None
            }
            Some('(') => self.group(field),
            Some('[' | '{') => {
                let span = self.skip_brackets();
                let problem = LeafError::new("a range needs a field before it")
                    .expected("expected for example followers:[10 TO 100]; to search for the text, quote it");
                self.report(span, problem);
                Ast::None
            }
            Some(char @ (']' | '}' | '^' | '~')) => {
                self.bump();
                let problem = LeafError::new(format!("`{char}` stands behind nothing it could belong to"))
                    .expected("to search for the text, quote it");
                self.report(start..self.pos, problem);
                Ast::None
            }
            Some('#' | '＃') => self.entity("hashtag", field),
            Some('@' | '＠') => self.entity("mention", field),
            // An amount of money is no cashtag.
            Some('$') if self.rest().chars().nth(1).is_none_or(|char| !char.is_ascii_digit()) => {
                self.entity("cashtag", field)
            }
            Some(char) if is_quote(char) => self.quoted(field),
            Some('/') => self.regex(field),
            Some(_) if self.at_address() => {
                let url = self.builder.schema.iter().find(|(_, field)| field.kind == Kind::Url);
                self.address(url.map_or(field, |(id, _)| id))
            }
            Some(_) => {
                let word = self.word(true);
                if self.peek() == Some(':') {
                    return self.fielded(&word);
                }
                if word.is("*") && self.at_boundary() {
                    return Ast::All;
                }
                self.word_leaf(field, &word)
            }
        }
    }

    /// Parses a bracket, with `~2` or `^2` after it.
    fn group(&mut self, field: FieldId) -> Ast {
        let open = self.pos;
        self.pos += 1;
        if let Err(problem) = self.builder.enter() {
            self.report(open..open + 1, problem);
            self.pos = self.text.len();
            return Ast::None;
        }
        self.skip_space();
        let parts = if self.peek() == Some(')') {
            let problem = LeafError::new("the brackets are empty").expected("expected a word, a phrase or a bracket");
            self.report(open..self.pos + 1, problem);
            Operands::One(Sign::No, Ast::None)
        } else {
            self.expression(field)
        };
        self.builder.leave();
        if !self.eat(")") {
            if self.mistakes.is_empty() {
                self.report(open..open + 1, LeafError::new("the bracket is not closed").expected("expected a `)`"));
            }
            return parts.into_ast();
        }
        let suffix = self.suffix();
        match suffix.tilde {
            _ if suffix.star => {
                self.report(suffix.span, LeafError::new("`*` does not go behind a bracket"));
                Ast::None
            }
            None => parts.into_ast(),
            Some(Tilde::Number(min)) => Ast::AtLeast { min: min as usize, of: parts.into_list() },
            Some(Tilde::Bare) => {
                let problem =
                    LeafError::new("a number is missing behind `~`").expected("expected as in (a OR b OR c)~2");
                self.report(suffix.span, problem);
                Ast::None
            }
        }
    }

    /// Parses `#tag`, `@user` or `$TSLA`: a keyword of the field for the sign, or a word if there
    /// is no such field.
    fn entity(&mut self, name: &str, field: FieldId) -> Ast {
        let start = self.pos;
        let Some(entity) = self.builder.schema.find(name) else {
            let word = self.word(false);
            return self.word_leaf(field, &word);
        };
        let sign = self.bump();
        let mut word = self.word(false);
        if word.chars.is_empty() {
            let sign: String = sign.into_iter().collect();
            let problem = LeafError::new(format!("a word is missing behind `{sign}`"))
                .expected("expected it right behind the sign, without brackets or quotes");
            self.report(start..self.pos, problem);
            return Ast::None;
        }
        // Punctuation after a name, as in `@user:` and `#tag,`, is no part of it.
        while let Some(&(':' | ',' | '.' | ';', false)) = word.chars.last() {
            word.chars.pop();
        }
        self.word_leaf(entity, &word)
    }

    fn at_address(&self) -> bool {
        ["http://", "https://"]
            .iter()
            .any(|scheme| self.rest().get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
    }

    /// Parses an address up to a space. It has no operators.
    fn address(&mut self, field: FieldId) -> Ast {
        let start = self.pos;
        let mut open = 0_usize;
        while let Some(char) = self.peek() {
            match char {
                '(' => open += 1,
                ')' if open == 0 => break,
                ')' => open -= 1,
                char if char.is_whitespace() || is_quote(char) => break,
                _ => {}
            }
            self.bump();
        }
        let built = self.builder.text(field, &self.text[start..self.pos], 0, false);
        self.leaf(start..self.pos, built)
    }

    /// Parses a run of characters up to one that ends a word, or before a `:` that may end the name
    /// of a field.
    fn word(&mut self, may_be_field: bool) -> Word {
        let start = self.pos;
        let mut chars = Vec::new();
        while let Some(char) = self.peek() {
            if ends_word(char) || (may_be_field && char == ':') {
                break;
            }
            self.bump();
            match char {
                '\\' => chars.push((self.bump().unwrap_or('\\'), true)),
                char => chars.push((char, false)),
            }
        }
        Word { span: start..self.pos, chars }
    }

    /// Parses a word and its suffix, as a leaf of a field.
    fn word_leaf(&mut self, field: FieldId, word: &Word) -> Ast {
        let suffix = self.suffix();
        let built = match suffix.tilde {
            Some(_) if word.has_wildcard() => {
                Err(LeafError::new("`~` and wildcards do not go together").expected("expected one of them"))
            }
            Some(tilde) => self.builder.fuzzy(field, &word.text(), tilde.distance()),
            None if word.has_wildcard() => self.builder.wildcard(field, &word.pattern()),
            None => self.builder.text(field, &word.text(), 0, false),
        };
        self.leaf(word.span.clone(), built)
    }

    /// Parses quoted text with `*`, `~2` or `^2` after it.
    fn quoted(&mut self, field: FieldId) -> Ast {
        let start = self.pos;
        let Some(text) = self.quoted_text() else { return Ast::None };
        let quoted = start..self.pos;
        let suffix = self.suffix();
        let slop = match suffix.tilde {
            None => 0,
            Some(Tilde::Number(slop)) => slop,
            Some(Tilde::Bare) => {
                let problem =
                    LeafError::new("a number is missing behind `~`").expected("expected as in \"near words\"~2");
                self.report(suffix.span, problem);
                0
            }
        };
        let built = self.builder.text(field, &text, slop, suffix.star);
        self.leaf(quoted, built)
    }

    /// The text between quotes. None, and an error, if they are not closed.
    fn quoted_text(&mut self) -> Option<String> {
        let start = self.pos;
        let open = self.bump()?;
        let mut text = String::new();
        while let Some(char) = self.bump() {
            match char {
                '\\' => text.push(self.bump().unwrap_or('\\')),
                '"' => return Some(text),
                char if is_quote(char) && open != '"' => return Some(text),
                char => text.push(char),
            }
        }
        self.report(
            start..start + open.len_utf8(),
            LeafError::new("the quote is not closed").expected("expected a `\"`"),
        );
        None
    }

    /// Parses `/expression/`.
    fn regex(&mut self, field: FieldId) -> Ast {
        let start = self.pos;
        self.pos += 1;
        let mut closed = false;
        while let Some(char) = self.bump() {
            match char {
                '\\' => drop(self.bump()),
                '/' => {
                    closed = true;
                    break;
                }
                _ => {}
            }
        }
        if !closed {
            let problem = LeafError::new("the regular expression is not closed")
                .expected("expected a `/`; to search for the text, quote it");
            self.report(start..start + 1, problem);
            return Ast::None;
        }
        let span = start..self.pos;
        let pattern = &self.text[start + 1..self.pos - 1];
        let suffix = self.suffix();
        if suffix.tilde.is_some() || suffix.star {
            let problem = LeafError::new("`~` and `*` do not go behind a regular expression");
            self.report(suffix.span, problem);
            return Ast::None;
        }
        let built = self.builder.regex(field, pattern);
        self.leaf(span, built)
    }

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
                } else if let Ok(number) = digits.parse() {
                    suffix.tilde = Some(Tilde::Number(number));
                } else {
                    let wrong = if build::is_digits(digits) { "too large" } else { "no whole number" };
                    let problem = LeafError::new(format!("`~{digits}` is {wrong}")).expected("expected ~1 or ~2");
                    self.report(at..self.pos, problem);
                }
            } else if self.eat("^") {
                let digits = self.take(|char| char.is_ascii_digit() || char == '.');
                if digits.parse::<f64>().is_err() {
                    let problem = LeafError::new("a number is missing behind `^`")
                        .expected("expected a boost, as in word^2; to search for the text, quote it");
                    self.report(at..self.pos, problem);
                    self.take(|char| !char.is_whitespace() && char != ')');
                }
            } else {
                break;
            }
        }
        suffix.span = start..self.pos;
        if start != self.pos && !self.at_boundary() {
            let at = self.pos;
            let span = at..at + self.peek().map_or(0, char::len_utf8);
            self.report(span, LeafError::new("this hangs on what stands before it").expected("expected a space"));
        }
        suffix
    }

    fn take(&mut self, accept: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let taken = &rest[..rest.len() - rest.trim_start_matches(accept).len()];
        self.pos += taken.len();
        taken
    }

    /// Skips from an opening bracket past the closing one.
    fn skip_brackets(&mut self) -> Range<usize> {
        let start = self.pos;
        let len = self.rest().find([']', '}']).map_or(1, |at| at + 1);
        self.pos += len;
        start..self.pos
    }
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
