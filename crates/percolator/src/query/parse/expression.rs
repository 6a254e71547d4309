//! Parses operators: `OR`, `AND`, `NOT` and the signs before a part.

use std::iter::once;

use super::{Ast, FieldId, Join, LeafError, Parser, Range, is_boundary, is_quote};

/// What may stand behind an operator, for error messages.
const EXPECTED_PART: &str = "expected a word, a phrase or a bracket; to search for the word itself, quote it";

/// The meaning of `+` and `-` before a part if parts are joined by OR.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    No,
    Must,
    MustNot,
}

/// Operands that are not joined yet: a bracket may require a number of them.
pub(super) enum Operands {
    /// No searchable term.
    Nothing,
    One(Sign, Ast),
    All(Vec<Ast>),
    Any(Vec<Ast>),
}

impl Operands {
    fn one(part: Option<Ast>) -> Operands {
        part.map_or(Operands::Nothing, |part| Operands::One(Sign::No, part))
    }

    /// An invalid part, which was reported.
    fn invalid() -> Operands {
        Operands::One(Sign::No, Ast::None)
    }

    pub(super) fn into_ast(self) -> Option<Ast> {
        match self {
            Operands::Nothing => None,
            Operands::One(Sign::MustNot, part) => Some(Ast::Not(Box::new(part))),
            Operands::One(_, part) => Some(part),
            Operands::All(parts) => Some(Ast::And(parts)),
            Operands::Any(parts) => Some(Ast::Or(parts)),
        }
    }

    pub(super) fn into_list(self) -> Vec<Ast> {
        match self {
            Operands::All(parts) | Operands::Any(parts) => parts,
            one => one.into_ast().into_iter().collect(),
        }
    }

    /// The list that has a part, or nothing.
    fn list(parts: Vec<Ast>, join: fn(Vec<Ast>) -> Operands) -> Operands {
        if parts.is_empty() { Operands::Nothing } else { join(parts) }
    }
}

/// Signs that exclude the word behind them, besides `-`: those that keyboards and editors make of
/// it.
fn is_minus(char: char) -> bool {
    matches!(char, '‐' | '‑' | '‒' | '–' | '—' | '―' | '−' | '－' | '﹣')
}

impl Parser<'_, '_, '_> {
    /// Parses the whole text to the parts that must match.
    pub(super) fn query(&mut self, field: FieldId) -> Vec<Ast> {
        let mut parts: Vec<Ast> = self.expression(field).into_ast().into_iter().collect();
        while !self.at_end() {
            // Only a closing bracket ends an expression early.
            self.pos += 1;
            let span = self.pos - 1..self.pos;
            if self.has_or {
                self.report(span, LeafError::new("`)` closes nothing").expected("expected a `(` before it"));
            } else {
                self.leave_out(span);
            }
            self.skip_space();
            if !self.at_end() && self.peek() != Some(')') {
                parts.extend(self.expression(field).into_ast());
            }
        }
        parts
    }

    /// Parses an operator if it is next: its sign, or its word if it is a whole word.
    pub(super) fn operator(&mut self, word: &str, sign: &str) -> Option<Range<usize>> {
        self.skip_space();
        let start = self.pos;
        if !sign.is_empty() && self.eat(sign) {
            return Some(start..self.pos);
        }
        let wide = |char: char| char::from_u32(u32::from(char) + 0xfee0).unwrap_or(char);
        let rest = self.rest();
        let behind =
            rest.strip_prefix(word).or_else(|| rest.strip_prefix(&*word.chars().map(wide).collect::<String>()))?;
        if behind.chars().next().is_some_and(|char| !is_boundary(char) && !is_quote(char) && !"([{]}^~".contains(char))
        {
            return None;
        }
        self.pos = self.text.len() - behind.len();
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
    pub(super) fn expression(&mut self, field: FieldId) -> Operands {
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
                not @ Operands::One(Sign::MustNot, _) => all.extend(not.into_ast()),
                part => any.extend(part.into_ast()),
            }
        }
        if all.is_empty() {
            return Operands::list(any, Operands::Any);
        }
        // None of the optional ones has to match, unless `minimum_should_match` says so.
        if must {
            all.push(Ast::AtLeast { min: 0, of: any });
        } else if !any.is_empty() {
            all.push(Ast::Or(any));
        }
        Operands::All(all)
    }

    /// Parses `a OR b`.
    fn alternatives(&mut self, field: FieldId) -> Operands {
        let mut parts = self.sequence(field);
        let mut any = Vec::new();
        let mut is_one = true;
        while let Some(span) = self.operator("OR", "||") {
            is_one = false;
            self.has_or = true;
            self.has_operator = true;
            any.extend(parts.into_ast());
            parts = self.operand_behind(&span, |parser| parser.sequence(field));
        }
        if is_one {
            return parts;
        }
        any.extend(parts.into_ast());
        Operands::list(any, Operands::Any)
    }

    /// Parses `a AND b`, and `a b` with an implied AND.
    fn sequence(&mut self, field: FieldId) -> Operands {
        let first = self.part(field);
        let mut others = Vec::new();
        loop {
            others.push(if let Some(span) = self.operator("AND", "&&") {
                self.has_operator = true;
                self.operand_behind(&span, |parser| parser.part(field))
            } else if self.join == Join::And && self.peeks_part() {
                self.part(field)
            } else {
                break;
            });
        }
        if others.is_empty() {
            return first;
        }
        Operands::list(once(first).chain(others).filter_map(Operands::into_ast).collect(), Operands::All)
    }

    /// Parses the operand after an operator. Reports a missing one.
    fn operand_behind(&mut self, operator: &Range<usize>, read: impl FnOnce(&mut Self) -> Operands) -> Operands {
        if self.peeks_part() {
            return read(self);
        }
        let operator_text = &self.text[operator.clone()];
        if matches!(operator_text, "&&" | "||") {
            return Operands::one(self.leave_out(operator.clone()));
        }
        let problem = LeafError::new(format!("nothing stands behind `{operator_text}`")).expected(EXPECTED_PART);
        self.report(operator.clone(), problem);
        Operands::invalid()
    }

    /// Parses a part with the signs before it.
    fn part(&mut self, field: FieldId) -> Operands {
        self.skip_space();
        if self.is_too_long() {
            return Operands::invalid();
        }
        for (word, sign) in [("AND", "&&"), ("OR", "||")] {
            if let Some(span) = self.operator(word, sign) {
                let operator = &self.text[span.clone()];
                if operator == sign {
                    return Operands::one(self.leave_out(span));
                }
                let problem = LeafError::new(format!("nothing stands before `{operator}`")).expected(EXPECTED_PART);
                self.report(span, problem);
                if self.peeks_part() {
                    break;
                }
                return Operands::invalid();
            }
        }
        let start = self.pos;
        let signs = self.take(|char| "+-!&|".contains(char) || is_minus(char));
        if !signs.is_empty() && self.at_boundary() {
            return Operands::one(self.leave_out(start..self.pos));
        }
        self.pos = start;
        let (mut negative, mut must) = (false, false);
        loop {
            if let Some(span) = self.negation() {
                negative = !negative;
                self.has_operator |= self.text[span.clone()].starts_with('N');
                self.skip_space();
                if self.at_end() || self.peek() == Some(')') {
                    return self.operand_behind(&span, |_| Operands::Nothing);
                }
            } else if self.eat("+") {
                must = true;
            } else {
                break;
            }
        }
        let sign = match (negative, must) {
            (true, _) => Sign::MustNot,
            (false, true) => Sign::Must,
            (false, false) => Sign::No,
        };
        self.primary(field).map_or(Operands::Nothing, |ast| Operands::One(sign, ast))
    }

    /// Parses `NOT`, `!`, `-` or a sign that looks like it.
    fn negation(&mut self) -> Option<Range<usize>> {
        if let Some(span) = self.operator("NOT", "!").or_else(|| self.operator("-", "-")) {
            return Some(span);
        }
        let start = self.pos;
        let stands_apart =
            self.previous().is_none_or(|char| char.is_whitespace() || "(-+!".contains(char) || is_minus(char));
        if stands_apart && self.peek().is_some_and(is_minus) {
            self.bump();
            return Some(start..self.pos);
        }
        None
    }
}
