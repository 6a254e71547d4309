//! Fuzziness in the JSON form.

use std::collections::BTreeSet;

use super::settings::Settings;
use super::{LeafError, Parsed};

/// The edits of a fuzzy word.
#[derive(Clone, Copy)]
pub(super) enum Fuzziness {
    Fixed(u8),
    /// By the length of the word: none below the first number of characters, one below the second,
    /// two from there on.
    Auto(usize, usize),
}

impl Fuzziness {
    pub(super) const AUTO: Fuzziness = Fuzziness::Auto(3, 6);

    pub(super) fn distance(self, term: &str) -> u8 {
        match self {
            Fuzziness::Fixed(distance) => distance,
            Fuzziness::Auto(one, two) => {
                let chars = term.chars().count();
                u8::from(chars >= one) + u8::from(chars >= two)
            }
        }
    }
}

/// The setting `fuzziness`: 0, 1, 2, `AUTO` or `AUTO:3,6`.
pub(super) fn fuzziness(of: &Settings, default: Fuzziness) -> Parsed<Fuzziness> {
    let Some((at, value)) = of.get("fuzziness") else { return Ok(default) };
    let text = at.text(value)?.to_ascii_uppercase();
    let auto = |bounds: &str| {
        let (one, two) = bounds.split_once(',')?;
        let (one, two) = (one.trim().parse().ok()?, two.trim().parse().ok()?);
        (one <= two).then_some(Fuzziness::Auto(one, two))
    };
    let found = match text.as_str() {
        "AUTO" => Some(Fuzziness::AUTO),
        "0" | "0.0" => Some(Fuzziness::Fixed(0)),
        "1" | "1.0" => Some(Fuzziness::Fixed(1)),
        "2" | "2.0" => Some(Fuzziness::Fixed(2)),
        other => other.strip_prefix("AUTO:").and_then(auto),
    };
    match found {
        Some(found) => Ok(found),
        None => {
            at.fail(LeafError::new(format!("`{text}` is no fuzziness")).expected("expected 0, 1, 2, AUTO or AUTO:3,6"))
        }
    }
}

/// A regular expression for the words within a number of edits of a word whose first characters
/// are fixed.
pub(super) fn with_prefix(word: &str, prefix_chars: usize, distance: u8) -> String {
    let at = word.char_indices().nth(prefix_chars).map_or(word.len(), |(at, _)| at);
    let (prefix, rest) = word.split_at(at);
    let mut found: BTreeSet<Vec<Option<char>>> = BTreeSet::from([rest.chars().map(Some).collect()]);
    for _ in 0..distance {
        found = found.iter().flat_map(|word| edits(word)).chain(found.iter().cloned()).collect();
    }
    let alternatives: Vec<String> = found.iter().map(|word| word.iter().map(|char| escaped(*char)).collect()).collect();
    let prefix: String = prefix.chars().map(|char| escaped(Some(char))).collect();
    format!("{prefix}({})", alternatives.join("|"))
}

/// A character of a regular expression. None is any.
fn escaped(char: Option<char>) -> String {
    char.map_or_else(|| ".".to_owned(), |char| regex_syntax::escape(char.encode_utf8(&mut [0; 4])))
}

/// The words one edit away. None stands for any character.
fn edits(word: &[Option<char>]) -> Vec<Vec<Option<char>>> {
    let mut found = Vec::new();
    for at in 0..=word.len() {
        let (before, behind) = word.split_at(at);
        found.push([before, &[None], behind].concat());
        if let [_, rest @ ..] = behind {
            found.push([before, rest].concat());
            found.push([before, &[None], rest].concat());
        }
        if let [first, second, rest @ ..] = behind {
            found.push([before, &[*second, *first], rest].concat());
        }
    }
    found
}
