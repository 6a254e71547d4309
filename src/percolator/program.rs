//! A query as a program over atoms: a few words of 32 bits, read without a look at any text.
//!
//! A program is a tree in prefix order. A leaf is one word: the number of an atom, and in the two high bits how to look at it
//! ([`ATOM`], [`ABSENT`], [`LAZY`]). An operator ([`OPERATOR`]) is a word with its kind and number of parts, a word with the
//! length of the whole in words, its own words if any, and its parts.
//!
//! ```text
//! AND n | length | part … part         ATLEAST n | length | min | part … part
//! OR  n | length | part … part         PHRASE  n | length | field, last is prefix | slop | atom … atom
//! NOT 1 | length | part
//! ```

use crate::doc::Doc;
use crate::schema::FieldId;

use super::facts::{Facts, Mask, Phrase as PhraseNode};
use super::pattern;
use super::table::{AtomId, AtomKind, Atoms, MAX_ATOMS};
use super::work::{self, Work};

/// The atom is marked in the document: known for all atoms whose presence is found in advance.
pub(super) const ATOM: u32 = 0;
/// The atom is not marked.
pub(super) const ABSENT: u32 = 1 << 30;
/// The atom is looked for when the first program asks.
pub(super) const LAZY: u32 = 2 << 30;
/// No atom, but an operator.
pub(super) const OPERATOR: u32 = 3 << 30;
pub(super) const TAG: u32 = 3 << 30;

pub(super) const AND: u32 = 0;
pub(super) const OR: u32 = 1;
pub(super) const NOT: u32 = 2;
pub(super) const AT_LEAST: u32 = 3;
pub(super) const PHRASE: u32 = 4;
pub(super) const OPERATOR_SHIFT: u32 = 26;
pub(super) const MAX_PARTS: u32 = 1 << OPERATOR_SHIFT;

/// The prefix flag in a phrase's field word.
pub(super) const LAST_IS_PREFIX: u32 = 1 << 8;

/// One node of a program.
#[derive(Clone, Debug)]
pub(super) enum Node<'a> {
    Atom(AtomId),
    Absent(AtomId),
    Lazy(AtomId),
    And(Parts<'a>),
    Or(Parts<'a>),
    Not(&'a [u32]),
    AtLeast(u32, Parts<'a>),
    Phrase(PhraseNode<'a>),
}

/// The parts of an operator, each as the program from there on.
#[derive(Clone, Debug)]
pub(super) struct Parts<'a> {
    words: &'a [u32],
    n: u32,
}

impl<'a> Iterator for Parts<'a> {
    type Item = &'a [u32];

    #[inline]
    fn next(&mut self) -> Option<&'a [u32]> {
        let (&first, _) = self.words.split_first()?;
        let len = if first & TAG == OPERATOR { self.words[1] as usize } else { 1 };
        let (part, rest) = self.words.split_at(len);
        self.words = rest;
        self.n = self.n.saturating_sub(1);
        Some(part)
    }
}

impl Parts<'_> {
    pub(super) fn n(&self) -> u32 {
        self.n
    }
}

/// Reads the node at the start of `code`.
#[inline]
pub(super) fn node(code: &[u32]) -> Node<'_> {
    let word = code[0];
    let atom = word & !TAG;
    match word & TAG {
        ATOM => Node::Atom(atom),
        ABSENT => Node::Absent(atom),
        LAZY => Node::Lazy(atom),
        _ => {
            let n = atom & (MAX_PARTS - 1);
            let code = &code[..code[1] as usize];
            let parts = |from: usize| Parts { words: &code[from..], n };
            match atom >> OPERATOR_SHIFT {
                AND => Node::And(parts(2)),
                OR => Node::Or(parts(2)),
                NOT => Node::Not(&code[2..]),
                AT_LEAST => Node::AtLeast(code[2], parts(3)),
                _ => Node::Phrase(PhraseNode {
                    field: FieldId(u8::try_from(code[2] & 0xff).expect("masked to eight bits")),
                    last_is_prefix: code[2] & LAST_IS_PREFIX != 0,
                    slop: code[3],
                    terms: &code[4..],
                }),
            }
        }
    }
}

/// The words of an AND of nothing but atoms that are known in advance, to be there or not. That the query waits for one of them makes it known.
pub(super) fn leaves(code: &[u32], key: AtomId) -> Option<&[u32]> {
    let Node::And(parts) = node(code) else { return None };
    let is_leaf = |&word: &u32| matches!(word & TAG, ATOM | ABSENT) || word == LAZY | key;
    parts.words.iter().all(is_leaf).then_some(parts.words)
}

/// Calls `visit` for each mention of an atom.
pub(super) fn for_each_atom(code: &[u32], visit: &mut impl FnMut(AtomId)) {
    match node(code) {
        Node::Atom(atom) | Node::Absent(atom) | Node::Lazy(atom) => visit(atom),
        Node::And(parts) | Node::Or(parts) | Node::AtLeast(_, parts) => {
            for part in parts {
                for_each_atom(part, visit);
            }
        }
        Node::Not(part) => for_each_atom(part, visit),
        Node::Phrase(phrase) => phrase.terms.iter().copied().for_each(visit),
    }
}

/// Those of the documents `want` that the program matches.
pub(super) fn matches(code: &[u32], atoms: &Atoms, facts: &mut impl Facts, want: Mask) -> Mask {
    match node(code) {
        Node::Atom(atom) => want & facts.has(atom),
        Node::Absent(atom) => want & !facts.has(atom),
        Node::Lazy(atom) => facts.look(atoms, atom, want) & want,
        Node::And(parts) => {
            // Leaves come first and are all there is in most programs.
            let (mut rest, mut left) = (parts.words, want);
            while let Some((&word, more)) = rest.split_first() {
                match word & TAG {
                    ATOM => left &= facts.has(word & !TAG),
                    ABSENT => left &= !facts.has(word & !TAG),
                    LAZY => left &= facts.look(atoms, word & !TAG, left),
                    _ => {
                        for part in (Parts { words: rest, n: 0 }) {
                            left = matches(part, atoms, facts, left);
                            if left == 0 {
                                break;
                            }
                        }
                        return left;
                    }
                }
                if left == 0 {
                    return 0;
                }
                rest = more;
            }
            left
        }
        Node::Or(parts) => {
            let mut found = 0;
            for part in parts {
                found |= matches(part, atoms, facts, want & !found);
                if found == want {
                    break;
                }
            }
            found
        }
        Node::Not(part) => want & !matches(part, atoms, facts, want),
        Node::AtLeast(min, parts) => of_parts(min, parts, atoms, facts, want),
        Node::Phrase(phrase) => {
            let left = phrase.full().iter().fold(want, |left, &term| left & facts.has(term));
            if left == 0 { 0 } else { facts.each(left, &phrase, |doc, tokens| tokens.have_phrase(atoms, doc, &phrase)) }
        }
    }
}

/// Those of the documents that at least `min` of the parts match.
fn of_parts(min: u32, parts: Parts<'_>, atoms: &Atoms, facts: &mut impl Facts, want: Mask) -> Mask {
    // A counter for each document, its bits in as many masks: each part that matches adds one.
    let mut counters = [0_u64; 32];
    let mut found = 0;
    for part in parts {
        let mut carry = matches(part, atoms, facts, want & !found);
        for bits in &mut counters {
            (*bits, carry) = (*bits ^ carry, *bits & carry);
            if carry == 0 {
                break;
            }
        }
        found |= reached(&counters, min, want & !found);
        if found == want {
            break;
        }
    }
    found
}

/// Those of the documents whose counter is at least `min`.
fn reached(counters: &[u64; 32], min: u32, want: Mask) -> Mask {
    // From the highest bit down: larger as soon as it has a bit that `min` lacks, smaller the other way round.
    let (mut larger, mut equal) = (0, want);
    for (bit, &counter) in counters.iter().enumerate().rev() {
        if min >> bit & 1 == 1 {
            equal &= counter;
        } else {
            larger |= equal & counter;
            equal &= !counter;
        }
    }
    larger | equal
}

/// Whether the document has an atom whose presence is not known in advance, found without any index.
///
/// A pattern is tried on one term after the other, and counted as work. Once that is exhausted, the answer is false,
/// right or wrong.
pub(super) fn look(atoms: &Atoms, atom: AtomId, doc: &Doc, work: &mut Work) -> bool {
    match atoms.kind(atom) {
        AtomKind::Free
        | AtomKind::True
        | AtomKind::Term(_)
        | AtomKind::Pair(..)
        | AtomKind::Both(..)
        | AtomKind::Exists(_) => {
            debug_assert!(false, "this is known in advance");
            false
        }
        kind @ (AtomKind::Prefix(field, _)
        | AtomKind::Wildcard(field, _)
        | AtomKind::Fuzzy(field, ..)
        | AtomKind::Regex(field, _)) => {
            for term in doc.field_tokens(*field).iter().map(|it| doc.term(it)) {
                work.charge(work::of_pattern(kind, term));
                if work.is_exhausted() {
                    return false;
                }
                if pattern::is_match(kind, term) {
                    return true;
                }
            }
            false
        }
        AtomKind::Range(field, min, max) => {
            doc.values().iter().any(|(of, value)| of == field && (min..=max).contains(&value))
        }
        AtomKind::Within(field, bounds) => doc.points().iter().any(|(of, it)| of == field && bounds.contains(*it)),
        AtomKind::Near(field, circle) => doc.points().iter().any(|(of, it)| of == field && circle.contains(*it)),
    }
}

const _: () = assert!(MAX_ATOMS <= ABSENT, "the tags stand above the numbers of atoms");
