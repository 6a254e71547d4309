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

use crate::automaton::TermAutomaton;
use crate::doc::Doc;
use crate::matcher::{self, phrase};
use crate::query::{Ast, Phrase};
use crate::schema::FieldId;

use super::literal;
use super::pattern;
use super::scratch::Scratch;
use super::table::{AtomId, AtomKind, Atoms, MAX_ATOMS, Regex, TRUE};

/// The atom is marked in the document: known for all atoms whose presence is found in advance.
pub(super) const ATOM: u32 = 0;
/// The atom is not marked.
pub(super) const ABSENT: u32 = 1 << 30;
/// The atom is looked for when the first program asks.
pub(super) const LAZY: u32 = 2 << 30;
/// No atom, but an operator.
pub(super) const OPERATOR: u32 = 3 << 30;
const TAG: u32 = 3 << 30;

const AND: u32 = 0;
const OR: u32 = 1;
const NOT: u32 = 2;
const AT_LEAST: u32 = 3;
const PHRASE: u32 = 4;
const OPERATOR_SHIFT: u32 = 26;
const MAX_PARTS: u32 = 1 << OPERATOR_SHIFT;

/// The prefix flag in a phrase's field word.
const LAST_IS_PREFIX: u32 = 1 << 8;

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
    Phrase { field: FieldId, slop: u32, last_is_prefix: bool, terms: &'a [AtomId] },
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
                _ => Node::Phrase {
                    field: FieldId(u8::try_from(code[2] & 0xff).expect("masked to eight bits")),
                    last_is_prefix: code[2] & LAST_IS_PREFIX != 0,
                    slop: code[3],
                    terms: &code[4..],
                },
            }
        }
    }
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
        Node::Phrase { terms, .. } => terms.iter().copied().for_each(visit),
    }
}

/// Whether the program matches the document that `scratch` has marked the atoms of.
pub(super) fn matches(code: &[u32], atoms: &Atoms, scratch: &mut Scratch, doc: &Doc) -> bool {
    match node(code) {
        Node::Atom(atom) => scratch.has(atom),
        Node::Absent(atom) => !scratch.has(atom),
        Node::Lazy(atom) => scratch.known(atom).unwrap_or_else(|| {
            let there = look(atoms, atom, doc);
            scratch.learn(atom, there);
            there
        }),
        Node::And(parts) => {
            // Leaves come first and are all there is in most programs.
            let mut rest = parts.words;
            while let Some((&word, more)) = rest.split_first() {
                let is_there = match word & TAG {
                    ATOM => scratch.has(word & !TAG),
                    ABSENT => !scratch.has(word & !TAG),
                    LAZY => matches(rest, atoms, scratch, doc),
                    _ => return Parts { words: rest, n: 0 }.all(|part| matches(part, atoms, scratch, doc)),
                };
                if !is_there {
                    return false;
                }
                rest = more;
            }
            true
        }
        Node::Or(mut parts) => parts.any(|part| matches(part, atoms, scratch, doc)),
        Node::Not(part) => !matches(part, atoms, scratch, doc),
        Node::AtLeast(min, parts) => {
            let (mut missing, mut left) = (min, parts.n());
            for part in parts {
                if missing == 0 || left < missing {
                    break;
                }
                missing -= u32::from(matches(part, atoms, scratch, doc));
                left -= 1;
            }
            missing == 0
        }
        Node::Phrase { field, slop, last_is_prefix, terms } => {
            let last = terms.len() - 1;
            let full = if last_is_prefix { &terms[..last] } else { terms };
            if !full.iter().all(|&term| scratch.has(term)) {
                return false;
            }
            let prefix = match atoms.kind(terms[last]) {
                AtomKind::Prefix(_, prefix) => &**prefix,
                _ => "",
            };
            let (tokens, numbers) = scratch.field_tokens(doc, field);
            phrase::matches(tokens, terms.len(), slop, |term, at| {
                if last_is_prefix && term == last {
                    doc.term(&tokens[at]).starts_with(prefix)
                } else {
                    numbers[at] == terms[term]
                }
            })
        }
    }
}

/// Whether the document has an atom whose presence is not known in advance, found without any index.
pub(super) fn look(atoms: &Atoms, atom: AtomId, doc: &Doc) -> bool {
    let any_term = |field, is_it: &dyn Fn(&str) -> bool| doc.field_tokens(field).iter().any(|it| is_it(doc.term(it)));
    match atoms.kind(atom) {
        AtomKind::Free | AtomKind::True | AtomKind::Term(_) | AtomKind::Pair(..) | AtomKind::Exists(_) => {
            debug_assert!(false, "this is known in advance");
            false
        }
        kind @ (AtomKind::Prefix(field, _)
        | AtomKind::Wildcard(field, _)
        | AtomKind::Fuzzy(field, ..)
        | AtomKind::Regex(field, _)) => any_term(*field, &|it| pattern::is_match(kind, it)),
        AtomKind::Range(field, min, max) => {
            doc.values().iter().any(|(of, value)| of == field && (min..=max).contains(&value))
        }
        AtomKind::Within(field, bounds) => doc.points().iter().any(|(of, it)| of == field && bounds.contains(*it)),
        AtomKind::Near(field, circle) => doc.points().iter().any(|(of, it)| of == field && circle.contains(*it)),
    }
}

/// A program that is being made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Tree {
    Constant(bool),
    /// A tagged leaf.
    Leaf(u32),
    Phrase {
        terms: Vec<AtomId>,
        field: u32,
        slop: u32,
    },
    Or(Vec<Tree>),
    And(Vec<Tree>),
    AtLeast(u32, Vec<Tree>),
    Not(Box<Tree>),
}

/// Makes the program of a query. Each mention of an atom in it holds a reference.
pub(super) fn compile(ast: &Ast, atoms: &mut Atoms) -> Vec<u32> {
    let mut code = Vec::new();
    let tree = tree(ast, atoms);
    emit(&tree, &mut code);
    code
}

fn tree(ast: &Ast, atoms: &mut Atoms) -> Tree {
    match ast {
        Ast::All => Tree::Constant(true),
        Ast::None => Tree::Constant(false),
        Ast::Term { field, term } => Tree::Leaf(ATOM | atoms.term(*field, term)),
        Ast::Phrase(phrase) => phrase_tree(phrase, atoms),
        Ast::Exists { field } => Tree::Leaf(ATOM | atoms.other(AtomKind::Exists(*field))),
        Ast::Prefix { field, prefix } => lazy(AtomKind::Prefix(*field, prefix.as_str().into()), atoms),
        Ast::Wildcard { field, pattern } => lazy(AtomKind::Wildcard(*field, pattern.as_str().into()), atoms),
        Ast::Fuzzy { field, term, distance } => lazy(AtomKind::Fuzzy(*field, *distance, term.as_str().into()), atoms),
        Ast::Regex { field, pattern } => regex(*field, pattern, atoms),
        Ast::Range { field, lower, upper } => match matcher::closed(*lower, *upper) {
            Some((min, max)) => lazy(AtomKind::Range(*field, min, max), atoms),
            None => Tree::Constant(false),
        },
        Ast::Within { field, bounds } => lazy(AtomKind::Within(*field, Box::new(*bounds)), atoms),
        Ast::Near { field, circle } => lazy(AtomKind::Near(*field, Box::new(*circle)), atoms),
        Ast::And(of) => all(of.iter().map(|part| tree(part, atoms)).collect(), atoms),
        Ast::Or(of) => any(of.iter().map(|part| tree(part, atoms)).collect(), atoms),
        Ast::AtLeast { min, of } => at_least(*min, of.iter().map(|part| tree(part, atoms)).collect(), atoms),
        Ast::Not(part) => not(tree(part, atoms)),
    }
}

fn lazy(kind: AtomKind, atoms: &mut Atoms) -> Tree {
    Tree::Leaf(LAZY | atoms.other(kind))
}

/// An expression that can't be compiled matches nothing; the parser lets none through.
fn regex(field: FieldId, pattern: &str, atoms: &mut Atoms) -> Tree {
    if let Some(atom) = atoms.find_regex(field, pattern) {
        return Tree::Leaf(LAZY | atom);
    }
    match TermAutomaton::regex(pattern, usize::MAX / 8) {
        Ok(automaton) => {
            let is_blind = pattern::has_no_key(literal::of_regex(pattern));
            lazy(AtomKind::Regex(field, Box::new(Regex { source: pattern.into(), automaton, is_blind })), atoms)
        }
        Err(_) => Tree::Constant(false),
    }
}

fn phrase_tree(phrase: &Phrase, atoms: &mut Atoms) -> Tree {
    let Phrase { field, terms, slop, last_is_prefix } = phrase;
    match terms.as_slice() {
        [] => Tree::Constant(false),
        [prefix] if *last_is_prefix => lazy(AtomKind::Prefix(*field, prefix.as_str().into()), atoms),
        [term] => Tree::Leaf(ATOM | atoms.term(*field, term)),
        [full @ .., last] => {
            let mut numbers: Vec<AtomId> = full.iter().map(|term| atoms.term(*field, term)).collect();
            numbers.push(if *last_is_prefix {
                atoms.other(AtomKind::Prefix(*field, last.as_str().into()))
            } else {
                atoms.term(*field, last)
            });
            let n_full = if *last_is_prefix { full.len() } else { full.len() + 1 };
            let mut parts = Vec::new();
            if *slop == 0 {
                // Each term stands right behind the one before: pairs of them are rarer than any of them.
                for at in 1..n_full {
                    parts.push(Tree::Leaf(ATOM | atoms.pair(numbers[at - 1], numbers[at])));
                }
            }
            if *slop == 0 && numbers.len() == 2 && n_full == 2 {
                // The pair is all there is to it, and mentions the terms itself.
                for atom in numbers {
                    atoms.release(atom);
                }
            } else {
                let field = u32::from(field.0) | if *last_is_prefix { LAST_IS_PREFIX } else { 0 };
                parts.push(Tree::Phrase { terms: numbers, field, slop: *slop });
            }
            all(parts, atoms)
        }
    }
}

fn not(part: Tree) -> Tree {
    match part {
        Tree::Constant(value) => Tree::Constant(!value),
        Tree::Leaf(word) if word & TAG == ATOM => Tree::Leaf(ABSENT | word & !TAG),
        Tree::Leaf(word) if word & TAG == ABSENT => Tree::Leaf(ATOM | word & !TAG),
        Tree::Not(part) => *part,
        part => Tree::Not(Box::new(part)),
    }
}

/// The AND of parts: flat, in order of price, each once. References of parts that fall away are given back.
fn all(parts: Vec<Tree>, atoms: &mut Atoms) -> Tree {
    let flat = flatten(parts, |part| match part {
        Tree::And(parts) => Ok(parts),
        part => Err(part),
    });
    gather(flat, false, Tree::And, atoms)
}

/// The OR of parts.
fn any(parts: Vec<Tree>, atoms: &mut Atoms) -> Tree {
    let flat = flatten(parts, |part| match part {
        Tree::Or(parts) => Ok(parts),
        part => Err(part),
    });
    gather(flat, true, Tree::Or, atoms)
}

fn flatten(parts: Vec<Tree>, open: impl Fn(Tree) -> Result<Vec<Tree>, Tree>) -> Vec<Tree> {
    let mut flat = Vec::with_capacity(parts.len());
    for part in parts {
        match open(part) {
            Ok(inner) => flat.extend(inner),
            Err(part) => flat.push(part),
        }
    }
    flat
}

/// Puts flat parts together; `decisive` is the value of a part that decides the whole.
fn gather(mut parts: Vec<Tree>, decisive: bool, join: fn(Vec<Tree>) -> Tree, atoms: &mut Atoms) -> Tree {
    if parts.contains(&Tree::Constant(decisive)) {
        for part in &parts {
            release(part, atoms);
        }
        return Tree::Constant(decisive);
    }
    parts.retain(|part| *part != Tree::Constant(!decisive));
    parts.sort_unstable();
    parts.dedup_by(|part, before| {
        let same = part == before;
        if same {
            release(part, atoms);
        }
        same
    });
    match parts.len() {
        0 => Tree::Constant(!decisive),
        1 => parts.remove(0),
        _ => join(parts),
    }
}

fn at_least(min: usize, mut parts: Vec<Tree>, atoms: &mut Atoms) -> Tree {
    let n_true = parts.iter().filter(|part| **part == Tree::Constant(true)).count();
    parts.retain(|part| !matches!(part, Tree::Constant(_)));
    let min = min.saturating_sub(n_true);
    if min == 0 || min > parts.len() {
        for part in &parts {
            release(part, atoms);
        }
        return Tree::Constant(min == 0);
    }
    if min == 1 {
        return any(parts, atoms);
    }
    if min == parts.len() {
        return all(parts, atoms);
    }
    // Parts that are equal count as often as they are written.
    parts.sort_unstable();
    Tree::AtLeast(u32::try_from(min).expect("fewer parts than 2^32"), parts)
}

fn release(tree: &Tree, atoms: &mut Atoms) {
    match tree {
        Tree::Constant(_) => {}
        Tree::Leaf(word) => {
            atoms.release(word & !TAG);
        }
        Tree::Phrase { terms, .. } => {
            for &term in terms {
                atoms.release(term);
            }
        }
        Tree::And(parts) | Tree::Or(parts) | Tree::AtLeast(_, parts) => {
            for part in parts {
                release(part, atoms);
            }
        }
        Tree::Not(part) => release(part, atoms),
    }
}

fn emit(tree: &Tree, code: &mut Vec<u32>) {
    match tree {
        Tree::Constant(true) => code.push(ATOM | TRUE),
        Tree::Constant(false) => code.push(ABSENT | TRUE),
        Tree::Leaf(word) => code.push(*word),
        Tree::Phrase { terms, field, slop } => {
            operator(PHRASE, terms.len(), code, |code| {
                code.extend([*field, *slop]);
                code.extend(terms);
            });
        }
        Tree::And(parts) => operator(AND, parts.len(), code, |code| parts.iter().for_each(|part| emit(part, code))),
        Tree::Or(parts) => operator(OR, parts.len(), code, |code| parts.iter().for_each(|part| emit(part, code))),
        Tree::AtLeast(min, parts) => operator(AT_LEAST, parts.len(), code, |code| {
            code.push(*min);
            for part in parts {
                emit(part, code);
            }
        }),
        Tree::Not(part) => operator(NOT, 1, code, |code| emit(part, code)),
    }
}

fn operator(kind: u32, n: usize, code: &mut Vec<u32>, body: impl FnOnce(&mut Vec<u32>)) {
    let start = code.len();
    let n = u32::try_from(n).ok().filter(|&n| n < MAX_PARTS).expect("a query has fewer than 2^26 parts");
    code.extend([OPERATOR | kind << OPERATOR_SHIFT | n, 0]);
    body(code);
    code[start + 1] = u32::try_from(code.len() - start).expect("a program has fewer than 2^32 words");
}

const _: () = assert!(MAX_ATOMS <= ABSENT, "the tags stand above the numbers of atoms");
