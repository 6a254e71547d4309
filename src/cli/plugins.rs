//! `perch plugins`: the tables of plugins.

use std::io::{self, Write};

use anstyle::Style;

use crate::client::Failure;
use crate::format::FORMATS;
use crate::percolator::ENGINES;
use crate::saved::{RECEIVERS, TEMPLATES};
use crate::source::SOURCES;
use crate::transport::TRANSPORTS;

pub(super) fn run() -> Result<(), Failure> {
    let mut out = anstream::stdout();
    writeln!(out, "sources ([[source]])\n")?;
    for row in SOURCES {
        write_row(&mut out, row.name, row.about, row.example)?;
    }
    writeln!(out, "percolator engines ([percolator])\n")?;
    for row in ENGINES {
        write_row(&mut out, row.name, row.about, &format!("engine = \"{}\"", row.name))?;
    }
    writeln!(out, "transports ([[transport]])\n")?;
    for row in TRANSPORTS {
        write_row(&mut out, row.name, row.about, row.example)?;
    }
    writeln!(out, "formats (perch ingest --format)\n")?;
    for kind in FORMATS {
        write_row(&mut out, kind.name, kind.about, "")?;
    }
    writeln!(out, "receivers of saved searches (deliver)\n")?;
    for kind in RECEIVERS {
        write_row(&mut out, kind.name, kind.about, kind.example)?;
    }
    writeln!(out, "templates of webhooks (template)\n")?;
    for kind in TEMPLATES {
        write_row(&mut out, kind.name, kind.about, "")?;
    }
    Ok(())
}

fn write_row(out: &mut impl Write, name: &str, about: &str, example: &str) -> io::Result<()> {
    let bold = Style::new().bold();
    writeln!(out, "  {bold}{name}{bold:#}: {about}")?;
    for line in example.trim().lines() {
        writeln!(out, "      {line}")?;
    }
    writeln!(out)
}
