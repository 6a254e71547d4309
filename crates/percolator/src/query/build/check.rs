//! Checks leaves that a program built.

use super::{Ast, Builder, Built, Kind, LeafError, MAX_DISTANCE, MAX_SLOP, no_term};

impl Builder<'_> {
    /// Checks a leaf built by a program: whether its field can answer it, and the limits.
    pub(in crate::query) fn check_leaf(&mut self, leaf: &Ast) -> Built<()> {
        let check_term = |kind: Kind, term: &str| {
            if !kind.has_terms() {
                return Err(LeafError::new("a field without words was asked for a word"));
            }
            if term.is_empty() { Err(no_term("")) } else { Ok(()) }
        };
        self.clause()?;
        let Some(field) = leaf.field() else { return Ok(()) };
        if self.schema.iter().all(|(id, _)| id != field) {
            return Err(LeafError::new(format!("there is no field number {}", field.0)));
        }
        let kind = self.kind(field);
        match leaf {
            Ast::Term { term, .. } => check_term(kind, term),
            Ast::Prefix { prefix, .. } => check_term(kind, prefix),
            Ast::Phrase(phrase) => {
                if !kind.has_positions() || phrase.terms.is_empty() || phrase.slop > MAX_SLOP {
                    return Err(LeafError::new(
                        "a phrase needs words, in a field where words have an order, and less slop",
                    ));
                }
                self.spend(phrase.terms.len())?;
                phrase.terms.iter().try_for_each(|term| check_term(kind, term))
            }
            Ast::Wildcard { pattern, .. } => {
                check_term(kind, pattern)?;
                self.check_automaton(leaf)
            }
            Ast::Regex { pattern, .. } => {
                check_term(kind, pattern)?;
                self.check_automaton(leaf)
            }
            Ast::Fuzzy { term, distance, .. } => {
                check_term(kind, term)?;
                if *distance > MAX_DISTANCE {
                    return Err(LeafError::new(format!("{distance} edits are too many")));
                }
                self.check_automaton(leaf)
            }
            Ast::Range { .. } if !kind.has_values() => {
                Err(LeafError::new("a range was asked of a field without an order"))
            }
            Ast::Within { field, bounds } => {
                self.within(*field, [bounds.west, bounds.south, bounds.east, bounds.north]).map(drop)
            }
            Ast::Near { field, circle } => self.near(*field, circle.lon, circle.lat, circle.meters).map(drop),
            _ => Ok(()),
        }
    }
}
