//! Parses what may follow `field:`.

use super::{
    Ast, Built, FieldId, Kind, LeafError, Parser, Phrase, Range, RangeBound, Word, build, ends_word, is_quote,
};

impl Parser<'_, '_, '_> {
    /// Parses the condition after the name of a field.
    pub(super) fn fielded(&mut self, name: &Word) -> Ast {
        self.pos += 1;
        let text = name.text();
        if text.is_empty() {
            let problem = LeafError::new("the name of a field is missing before `:`")
                .expected("expected as in lang:en; to search for the text, quote it");
            self.report(name.span.start..self.pos, problem);
            self.skip_value();
            return Ast::None;
        }
        if text == "*" && self.eat("*") && self.at_boundary() {
            return Ast::All;
        }
        let known = self.builder.schema.find(&text).is_some();
        match text.to_ascii_lowercase().as_str() {
            "since" if !known => self.bound(name, true),
            "until" if !known => self.bound(name, false),
            "within" if !known => self.within(name, None),
            "near" if !known => self.near(name, None),
            _ => match self.builder.field(&text) {
                Ok(field) => self.value(field),
                Err(mut problem) => {
                    if text.bytes().all(|byte| byte.is_ascii_digit()) {
                        problem =
                            LeafError::new(format!("`{text}` is no field")).expected("to search for a time, quote it");
                    }
                    self.report(name.span.clone(), problem);
                    self.skip_value();
                    Ast::None
                }
            },
        }
    }

    /// Skips the value of an unknown field, so that it does not cause more errors.
    fn skip_value(&mut self) {
        match self.peek() {
            Some('[' | '{') => drop(self.skip_brackets()),
            Some(char) if is_quote(char) => drop(self.quoted_text()),
            _ => drop(self.word(false)),
        }
    }

    fn value(&mut self, field: FieldId) -> Ast {
        let colon = self.pos;
        self.skip_space();
        let start = self.pos;
        let kind = self.builder.schema.field(field).kind;
        match self.peek() {
            None | Some(')') => {
                let name = &self.builder.schema.field(field).name;
                let problem = LeafError::new(format!("a value is missing behind `{name}:`"));
                self.report(colon..colon, problem.expected(format!("expected a value, or {name}:* for any")));
                Ast::None
            }
            Some('(') => self.group(field),
            Some('[' | '{') => self.range(field),
            Some('<' | '>') => self.comparison(field),
            Some('=') => self.exact(field),
            Some('/') if kind.has_terms() => self.regex(field),
            Some(char) if is_quote(char) => self.quoted(field),
            Some('-') if kind.has_terms() => {
                let word = self.word(false);
                let name = &self.builder.schema.field(field).name;
                let problem = LeafError::new("the `-` stands behind the field");
                let text = word.text();
                self.report(word.span, problem.expected(format!("expected -{name}:{}", &text[1..])));
                Ast::None
            }
            Some(_) if kind == Kind::Url && self.at_address() => self.address(field),
            Some(_) => {
                let word = self.word(false);
                let behind = self.pos;
                self.skip_space();
                if self.peek() == Some('[') {
                    match word.text().to_ascii_uppercase().as_str() {
                        "IN" => return self.one_of(field),
                        "WITHIN" if kind == Kind::Point => return self.within(&word, Some(field)),
                        "NEAR" if kind == Kind::Point => return self.near(&word, Some(field)),
                        _ => {}
                    }
                }
                self.pos = behind;
                if word.chars.is_empty() {
                    self.bump();
                    self.report(
                        start..self.pos,
                        LeafError::new("this is no value").expected("to search for it, quote it"),
                    );
                    return Ast::None;
                }
                self.word_leaf(field, &word)
            }
        }
    }

    /// Parses a number or date, without spaces or quoted.
    fn literal(&mut self) -> (Range<usize>, String) {
        self.skip_space();
        let start = self.pos;
        if self.peek().is_some_and(is_quote) {
            let text = self.quoted_text().unwrap_or_default();
            return (start..self.pos, text);
        }
        let word = self.word(false);
        (start..self.pos, word.text())
    }

    /// Parses `>=5`, `>5`, `<=5`, `<5`.
    fn comparison(&mut self, field: FieldId) -> Ast {
        let start = self.pos;
        let above = self.bump() == Some('>');
        let included = self.eat("=");
        let (literal, text) = self.literal();
        let end = Some(RangeBound { text: &text, included });
        let built = if above { self.builder.range(field, end, None) } else { self.builder.range(field, None, end) };
        self.suffix();
        self.leaf(start..literal.end, built)
    }

    /// Parses `since:2024-01-01` and `until:2024-02-01`.
    fn bound(&mut self, name: &Word, since: bool) -> Ast {
        let (span, text) = self.literal();
        let schema = self.builder.schema;
        let created = ["created_at", "created"].iter().find_map(|name| schema.find(name));
        let field = created
            .filter(|&id| schema.field(id).kind == Kind::Date)
            .or_else(|| schema.iter().find(|(_, field)| field.kind == Kind::Date).map(|(id, _)| id));
        let Some(field) = field else {
            self.report(name.span.clone(), LeafError::new("there is no field with dates"));
            return Ast::None;
        };
        // `since` includes the day and `until` excludes it, as in Twitter's search.
        let end = Some(RangeBound { text: &text, included: since });
        let built = if since { self.builder.range(field, end, None) } else { self.builder.range(field, None, end) };
        self.leaf(span, built)
    }

    /// Parses `[10 TO 100}`, with `*` for an open bound.
    fn range(&mut self, field: FieldId) -> Ast {
        let start = self.pos;
        let lower_included = self.bump() == Some('[');
        let (_, lower) = self.literal();
        let to = self.operator("TO", "").is_some();
        let (_, upper) = if to { self.literal() } else { Default::default() };
        self.skip_space();
        let upper_included = match self.peek() {
            Some(']') if to && !lower.is_empty() && !upper.is_empty() => true,
            Some('}') if to && !lower.is_empty() && !upper.is_empty() => false,
            _ => {
                self.pos = start;
                let span = self.skip_brackets();
                self.report(
                    span,
                    LeafError::new("this is no range").expected("expected as in [10 TO 100], {10 TO 100} or [10 TO *]"),
                );
                return Ast::None;
            }
        };
        self.pos += 1;
        let span = start..self.pos;
        self.suffix();
        let end = |text, included| if text == "*" { None } else { Some(RangeBound { text, included }) };
        let built = self.builder.range(field, end(&lower, lower_included), end(&upper, upper_included));
        self.leaf(span, built)
    }

    /// Parses `[en de]` after `IN`.
    fn one_of(&mut self, field: FieldId) -> Ast {
        let open = self.pos;
        self.pos += 1;
        let mut any = Vec::new();
        loop {
            self.skip_space();
            while self.eat(",") {
                self.skip_space();
            }
            let start = self.pos;
            match self.peek() {
                Some(']') => break,
                Some(char) if is_quote(char) => {
                    let Some(text) = self.quoted_text() else { return Ast::None };
                    let built = self.builder.text(field, &text, 0, false);
                    any.push(self.leaf(start..self.pos, built));
                }
                Some(char) if !ends_word(char) => {
                    let mut text = String::new();
                    while let Some(char) = self.peek().filter(|&char| !ends_word(char) && char != ',') {
                        self.bump();
                        text.push(if char == '\\' { self.bump().unwrap_or('\\') } else { char });
                    }
                    let built = self.builder.text(field, &text, 0, false);
                    any.push(self.leaf(start..self.pos, built));
                }
                _ => {
                    if self.mistakes.is_empty() || !self.at_end() {
                        let problem =
                            LeafError::new("the list is not closed").expected("expected as in lang:IN [en de]");
                        self.report(open..open + 1, problem);
                    }
                    return Ast::None;
                }
            }
        }
        self.pos += 1;
        if any.is_empty() {
            self.report(open..self.pos, LeafError::new("the list is empty").expected("expected as in lang:IN [en de]"));
        }
        Ast::Or(any)
    }

    /// The values in `[…]`, split at spaces and commas.
    fn list(&mut self) -> Option<Vec<String>> {
        self.skip_space();
        let inner = self.rest().strip_prefix('[')?;
        let inner = &inner[..inner.find(']')?];
        self.pos += inner.len() + 2;
        let items = inner.split(|char: char| char.is_whitespace() || char == ',');
        Some(items.filter(|item| !item.is_empty()).map(str::to_owned).collect())
    }

    /// Parses `within:[west south east north]`.
    fn within(&mut self, name: &Word, field: Option<FieldId>) -> Ast {
        let edges: Option<Vec<f64>> = self.list().and_then(|list| list.iter().map(|it| it.parse().ok()).collect());
        let edges: Option<[f64; 4]> = edges.and_then(|edges| edges.try_into().ok());
        let span = name.span.start..self.pos;
        let built = match edges {
            None => Err(LeafError::new("a box is missing")
                .expected("expected west, south, east and north in degrees: within:[-0.5 51.3 0.3 51.7]")),
            Some(edges) => match field.map_or_else(|| self.builder.place_field(), Ok) {
                Ok(field) => self.builder.within(field, edges),
                Err(problem) => Err(problem),
            },
        };
        self.leaf(span, built)
    }

    /// Parses `near:[lon lat 5km]`.
    fn near(&mut self, name: &Word, field: Option<FieldId>) -> Ast {
        let list = self.list().unwrap_or_default();
        let span = name.span.start..self.pos;
        let built = self.near_leaf(&list, field);
        self.leaf(span, built)
    }

    fn near_leaf(&mut self, list: &[String], field: Option<FieldId>) -> Built {
        let missing = || {
            LeafError::new("a place and a distance are missing")
                .expected("expected longitude, latitude and distance: near:[13.4 52.5 5km]")
        };
        let [lon, lat, distance @ ..] = list else { return Err(missing()) };
        let (Ok(lon), Ok(lat)) = (lon.parse(), lat.parse()) else { return Err(missing()) };
        if distance.is_empty() {
            return Err(missing());
        }
        let meters = build::distance(&distance.concat())?;
        let field = field.map_or_else(|| self.builder.place_field(), Ok)?;
        self.builder.near(field, lon, lat, meters)
    }

    /// Parses `=word`, `="a term"`, `=("a" "phrase")`: terms as documents have them, without
    /// analysis. A number or date is parsed as after `field:`.
    fn exact(&mut self, field: FieldId) -> Ast {
        let start = self.pos;
        self.pos += 1;
        if !self.builder.schema.field(field).kind.has_terms() {
            let (span, text) = self.literal();
            self.suffix();
            let built = self.builder.text(field, &text, 0, false);
            return self.leaf(span, built);
        }
        let leaf = match self.peek() {
            Some('(') => self.exact_phrase(field),
            Some(char) if is_quote(char) => self.quoted_text().map(|term| {
                let suffix = self.suffix();
                match suffix.tilde {
                    Some(tilde) => Ast::Fuzzy { field, term, distance: tilde.distance() },
                    None if suffix.star => Ast::Prefix { field, prefix: term },
                    None => Ast::Term { field, term },
                }
            }),
            _ => {
                let word = self.word(false);
                Some(if word.has_wildcard() {
                    Ast::Wildcard { field, pattern: word.pattern() }
                } else {
                    Ast::Term { field, term: word.text() }
                })
            }
        };
        let Some(leaf) = leaf else {
            if self.mistakes.is_empty() {
                self.take(|char| char != ')');
                self.eat(")");
                let problem = LeafError::new("this is no list of terms").expected(r#"expected as in text:=("a" "b")"#);
                self.report(start..self.pos, problem);
            }
            return Ast::None;
        };
        let built = self.builder.check_leaf(&leaf).map(|()| leaf);
        self.leaf(start..self.pos, built)
    }

    fn exact_phrase(&mut self, field: FieldId) -> Option<Ast> {
        self.pos += 1;
        let (mut terms, mut last_is_prefix) = (Vec::new(), false);
        loop {
            self.skip_space();
            if self.eat(")") {
                break;
            }
            if last_is_prefix || !self.peek().is_some_and(is_quote) {
                return None;
            }
            terms.push(self.quoted_text()?);
            last_is_prefix = self.eat("*");
        }
        let slop = self.suffix().tilde.map_or(0, |tilde| tilde.or(1));
        Some(Ast::Phrase(Phrase { field, terms, slop, last_is_prefix }))
    }
}
