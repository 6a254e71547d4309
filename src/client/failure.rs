//! Why a command fails, and its exit code.

use std::io;
use std::process::ExitCode;

use super::terminal::escaped;
use crate::config::ConfigError;
use crate::telemetry;

/// Why a command did not do what it should; each has its exit code.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Wrong usage, or a query that can't be understood.
    Usage(String),
    /// The configuration is wrong.
    Config(Vec<ConfigError>),
    /// Anything else.
    Other(anyhow::Error),
    /// The failure was printed already.
    Reported,
    /// A signal ended the command before it was done. This was printed already.
    Interrupted,
    /// No tweet matches: nothing to be said.
    NoMatch,
}

/// What shells answer for a program that Ctrl-C has ended: 128 and the number of SIGINT.
const INTERRUPTED: u8 = 130;

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure::Other(error.into())
    }
}

impl Failure {
    /// Prints the failure on stderr. A closed stdout is no failure: its reader has seen enough.
    pub(crate) fn report(self) -> ExitCode {
        match self {
            Failure::Usage(message) => {
                anstream::eprintln!("{}", escaped(message.trim_end()));
                ExitCode::from(2)
            }
            Failure::Config(errors) => {
                for error in errors {
                    anstream::eprintln!("config: {error}");
                }
                ExitCode::from(64)
            }
            Failure::Other(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
            Failure::Other(error) => {
                anstream::eprintln!("perch: {}", escaped(&telemetry::message_of(&error)));
                ExitCode::FAILURE
            }
            Failure::Reported | Failure::NoMatch => ExitCode::FAILURE,
            Failure::Interrupted => ExitCode::from(INTERRUPTED),
        }
    }

    /// For commands whose exit code 1 means "no match": every other failure is 2. A closed stdout
    /// is still no failure.
    pub(crate) fn unlike_no_match(self) -> Failure {
        match self {
            Failure::Other(error) if !is_broken_pipe(&error) => Failure::Usage(format!("perch: {error:#}")),
            other => other,
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
