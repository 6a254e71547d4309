//! Compiles a query to its [program](super): operators flattened, equal parts merged, leaves first.

use crate::matcher;
use crate::query::{Ast, Phrase};

use super::{
    ABSENT, AND, AT_LEAST, ATOM, LAST_IS_PREFIX, LAZY, MAX_PARTS, NOT, OPERATOR, OPERATOR_SHIFT, OR, PHRASE, TAG,
};
use crate::percolator::atoms::atom_table::{AtomKind, AtomTable};
use crate::percolator::atoms::{AtomId, TRUE};

/// A program as a tree. The order of the variants is the order of evaluation: cheap parts first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Tree {
    Constant(bool),
    /// An atom with its tag.
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

/// Compiles a query. The program holds a reference for each occurrence of an atom.
pub(crate) fn compile(ast: &Ast, atoms: &mut AtomTable) -> Vec<u32> {
    let mut code = Vec::new();
    let tree = tree(ast, atoms);
    emit(&tree, &mut code);
    code
}

fn tree(ast: &Ast, atoms: &mut AtomTable) -> Tree {
    match ast {
        Ast::All => Tree::Constant(true),
        Ast::None => Tree::Constant(false),
        Ast::Term { field, term } => Tree::Leaf(ATOM | atoms.intern_term(*field, term)),
        Ast::Phrase(phrase) => phrase_tree(phrase, atoms),
        Ast::Exists { field } => Tree::Leaf(ATOM | atoms.intern(AtomKind::Exists(*field))),
        Ast::Prefix { field, prefix } => lazy(AtomKind::Prefix(*field, prefix.as_str().into()), atoms),
        Ast::Wildcard { field, pattern } => lazy(AtomKind::Wildcard(*field, pattern.as_str().into()), atoms),
        Ast::Fuzzy { field, term, distance } => lazy(AtomKind::Fuzzy(*field, *distance, term.as_str().into()), atoms),
        // The parser refuses invalid expressions. In an `Ast` built by hand, one matches nothing.
        Ast::Regex { field, pattern } => lazy(AtomKind::Regex(*field, pattern.clone()), atoms),
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

fn lazy(kind: AtomKind, atoms: &mut AtomTable) -> Tree {
    Tree::Leaf(LAZY | atoms.intern(kind))
}

fn phrase_tree(phrase: &Phrase, atoms: &mut AtomTable) -> Tree {
    let Phrase { field, terms, slop, last_is_prefix } = phrase;
    match terms.as_slice() {
        [] => Tree::Constant(false),
        [prefix] if *last_is_prefix => lazy(AtomKind::Prefix(*field, prefix.as_str().into()), atoms),
        [term] => Tree::Leaf(ATOM | atoms.intern_term(*field, term)),
        [whole @ .., last] => {
            let mut numbers: Vec<AtomId> = whole.iter().map(|term| atoms.intern_term(*field, term)).collect();
            numbers.push(if *last_is_prefix {
                atoms.intern(AtomKind::Prefix(*field, last.as_str().into()))
            } else {
                atoms.intern_term(*field, last)
            });
            let n_whole = if *last_is_prefix { whole.len() } else { whole.len() + 1 };
            let mut parts = Vec::new();
            if *slop == 0 && n_whole > 1 {
                // The sequence of all terms is at least as selective as any of them.
                for &term in &numbers[..n_whole] {
                    atoms.retain(term);
                }
                let extend = |sequence, &term: &AtomId| {
                    let longer = atoms.intern_sequence(sequence, term);
                    // The longer sequence holds references to both.
                    atoms.release(sequence);
                    atoms.release(term);
                    longer
                };
                parts.push(Tree::Leaf(ATOM | numbers[1..n_whole].iter().fold(numbers[0], extend)));
            }
            if *slop == 0 && !*last_is_prefix {
                // The sequence is the whole phrase.
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

/// The conjunction of parts: flat, sorted, without repetitions. Releases the parts that it drops.
fn all(parts: Vec<Tree>, atoms: &mut AtomTable) -> Tree {
    let flat = flatten(parts, |part| match part {
        Tree::And(parts) => Ok(parts),
        part => Err(part),
    });
    join(flat, false, Tree::And, atoms)
}

/// The disjunction of parts.
fn any(parts: Vec<Tree>, atoms: &mut AtomTable) -> Tree {
    let flat = flatten(parts, |part| match part {
        Tree::Or(parts) => Ok(parts),
        part => Err(part),
    });
    join(flat, true, Tree::Or, atoms)
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

/// Joins flat parts. A part with the constant value `decisive` decides the whole.
fn join(mut parts: Vec<Tree>, decisive: bool, operator: fn(Vec<Tree>) -> Tree, atoms: &mut AtomTable) -> Tree {
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
        _ => operator(parts),
    }
}

fn at_least(min: usize, mut parts: Vec<Tree>, atoms: &mut AtomTable) -> Tree {
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
    // Equal parts are not merged: each counts.
    parts.sort_unstable();
    Tree::AtLeast(u32::try_from(min).expect("fewer parts than 2^32"), parts)
}

fn release(tree: &Tree, atoms: &mut AtomTable) {
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
