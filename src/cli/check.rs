//! `perch check`: is the configuration right?

use std::io::Write as _;

use super::{ConfigArgs, Failure, load_with_keys};

pub(super) fn run(args: &ConfigArgs) -> Result<(), Failure> {
    let (config, ..) = load_with_keys(args)?;
    let (sources, transports) = (config.sources.len(), config.transports.len());
    let mut out = anstream::stdout();
    writeln!(out, "ok: listens on {}, {sources} source(s), {transports} transport(s)", config.server.listen)?;
    Ok(())
}
