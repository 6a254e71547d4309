//! `perch check`: is the configuration right, and what does it open to whom?

use std::io::Write as _;

use comfy_table::{ContentArrangement, Table, presets};

use super::{ConfigArgs, Loaded, load_with_keys, warn};
use crate::client::Failure;
use crate::transport::{Exposure, exposure};

pub(super) fn run(args: &ConfigArgs) -> Result<(), Failure> {
    let Loaded { config, plugins, keys, warnings } = load_with_keys(args)?;
    warn(&warnings);
    let (sources, transports) = (config.sources.len(), config.transports.len());
    let mut out = anstream::stdout();
    writeln!(out, "ok: listens on {}, {sources} source(s), {transports} transport(s)", config.server.listen)?;
    for (transport, address) in plugins.listeners() {
        writeln!(out, "    {transport} listens on {address}")?;
    }
    let Exposure { rows, warnings } = exposure(&config, keys.has_ingest_token());
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["what", "open to"]);
    table.add_rows(rows.into_iter().map(|(what, whom)| [what.to_owned(), whom]));
    writeln!(out, "\n{table}")?;
    for warning in warnings {
        writeln!(out, "\nwarning: {warning}")?;
    }
    Ok(())
}
