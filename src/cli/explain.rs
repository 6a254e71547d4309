//! `perch explain`: what a query means and costs.

use std::io::Write as _;

use anstyle::Style;
use clap::Args;

use super::{Failure, read_query};
use crate::query::describe;
use crate::schema::Schema;

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The query: text, or its JSON form
    #[arg(allow_hyphen_values = true)]
    query: String,
}

pub(super) fn run(args: &ExplainArgs) -> Result<(), Failure> {
    let query = read_query(&args.query)?;
    let bold = Style::new().bold();
    let mut out = anstream::stdout();
    writeln!(out, "{bold}meaning{bold:#}")?;
    for line in describe(query.ast(), Schema::tweet()).lines() {
        writeln!(out, "  {line}")?;
    }
    writeln!(out, "{bold}canonical form{bold:#}\n  {}", query.canonical())?;
    writeln!(out, "{bold}query id{bold:#}\n  {}", query.id())?;
    Ok(())
}
