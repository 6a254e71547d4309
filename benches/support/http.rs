//! The HTTP client of the benchmarks.

use perch::outbound::{self, Trust};

/// A client for servers without TLS.
pub(crate) fn builder() -> reqwest::ClientBuilder {
    outbound::http(outbound::tls(Trust::None).expect("no certificate is needed"))
}

/// The same with its defaults.
pub(crate) fn client() -> reqwest::Client {
    builder().build().expect("a client")
}
