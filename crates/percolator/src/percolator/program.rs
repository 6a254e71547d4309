//! The program of a query: its expression tree over atoms, encoded in 32-bit words.
//!
//! A program is a tree in prefix order. A leaf is one word: an atom, and in the two high bits how
//! to evaluate it ([`ATOM`], [`ABSENT`], [`LAZY`]). An operator ([`OPERATOR`]) is a word with its
//! kind and number of parts, a word with the length of the subtree in words, its own words if any,
//! and its parts.
//!
//! ```text
//! AND n     | length | part … part
//! OR  n     | length | part … part
//! NOT 1     | length | part
//! ATLEAST n | length | min | part … part
//! PHRASE n  | length | field and whether the last term is a prefix | slop | atom … atom
//! ```

pub(crate) mod compile;

use super::atoms::{AtomId, MAX_ATOMS};
use crate::schema::FieldId;

/// The document contains the atom, of a kind that the presearcher finds in every document.
pub(crate) const ATOM: u32 = 0;
/// The document does not contain the atom, of such a kind.
pub(crate) const ABSENT: u32 = 1 << 30;
/// The document contains the atom: a pattern, range or shape. The presearcher finds it only if a
/// query is posted under it. Otherwise the first program that reads it evaluates it.
pub(crate) const LAZY: u32 = 2 << 30;
/// An operator, not an atom.
pub(crate) const OPERATOR: u32 = 3 << 30;
/// The bits of the tag.
pub(crate) const TAG: u32 = 3 << 30;

pub(crate) const AND: u32 = 0;
pub(crate) const OR: u32 = 1;
pub(crate) const NOT: u32 = 2;
pub(crate) const AT_LEAST: u32 = 3;
pub(crate) const PHRASE: u32 = 4;
pub(crate) const OPERATOR_SHIFT: u32 = 26;
pub(crate) const MAX_PARTS: u32 = 1 << OPERATOR_SHIFT;

/// Set in the field word of a phrase whose last term is a prefix.
pub(crate) const LAST_IS_PREFIX: u32 = 1 << 8;

/// One node of a program.
#[derive(Clone, Debug)]
pub(crate) enum Node<'a> {
    Atom(AtomId),
    Absent(AtomId),
    Lazy(AtomId),
    And(Parts<'a>),
    Or(Parts<'a>),
    Not(&'a [u32]),
    AtLeast(u32, Parts<'a>),
    Phrase(Phrase<'a>),
}

/// A phrase in a program.
#[derive(Clone, Debug)]
pub(crate) struct Phrase<'a> {
    pub(crate) field: FieldId,
    pub(crate) slop: u32,
    /// The last atom is a prefix, not a term.
    pub(crate) last_is_prefix: bool,
    pub(crate) terms: &'a [AtomId],
}

impl<'a> Phrase<'a> {
    /// The atoms that are whole terms.
    pub(crate) fn whole_terms(&self) -> &'a [AtomId] {
        if self.last_is_prefix { &self.terms[..self.terms.len() - 1] } else { self.terms }
    }
}

/// The parts of an operator, each a program.
#[derive(Clone, Debug)]
pub(crate) struct Parts<'a> {
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

impl<'a> Parts<'a> {
    /// How many parts are left.
    pub(crate) fn n(&self) -> u32 {
        self.n
    }

    /// The words of the parts that are left, one behind the other.
    #[inline]
    pub(crate) fn words(&self) -> &'a [u32] {
        self.words
    }

    /// The parts in these words, whose number is not known.
    #[inline]
    pub(crate) fn from_words(words: &'a [u32]) -> Parts<'a> {
        Parts { words, n: 0 }
    }
}

/// Decodes the node at the start of `code`.
#[inline]
pub(crate) fn node(code: &[u32]) -> Node<'_> {
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
                _ => Node::Phrase(Phrase {
                    field: FieldId(u8::try_from(code[2] & 0xff).expect("masked to eight bits")),
                    last_is_prefix: code[2] & LAST_IS_PREFIX != 0,
                    slop: code[3],
                    terms: &code[4..],
                }),
            }
        }
    }
}

/// The leaves of a program that is a conjunction of atoms the presearcher finds in every document,
/// present or absent. A lazy atom counts if it is `key`, under which the query is posted.
pub(crate) fn conjunction_leaves(code: &[u32], key: AtomId) -> Option<&[u32]> {
    let Node::And(parts) = node(code) else { return None };
    let is_leaf = |&word: &u32| matches!(word & TAG, ATOM | ABSENT) || word == LAZY | key;
    parts.words.iter().all(is_leaf).then_some(parts.words)
}

/// Calls `visit` for each occurrence of an atom.
pub(crate) fn for_each_atom(code: &[u32], visit: &mut impl FnMut(AtomId)) {
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

const _: () = assert!(MAX_ATOMS <= ABSENT, "the tag bits are above the atom number");
