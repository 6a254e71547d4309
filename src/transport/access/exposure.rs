//! What is open to whom, as text for `perch check` and for the log at the start.

use crate::config::{Config, ProxyHeader, ServerSection};

/// What a configuration opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposure {
    /// What it is, and to whom it is open. The first [`Exposure::CLIENT_ROWS`] are what clients can
    /// do.
    pub rows: Vec<(&'static str, String)>,
    /// What the operator should know about it.
    pub warnings: Vec<String>,
}

impl Exposure {
    /// The number of rows about what clients can do. The others say how perch tells clients apart.
    pub const CLIENT_ROWS: usize = 6;
}

/// What this configuration opens. The token of ingestion is known once its file is read.
#[must_use]
pub fn exposure(config: &Config, has_ingest_token: bool) -> Exposure {
    let (server, limits) = (&config.server, &config.limits);
    let needs_token = config.auth.has_key();
    let reach = reach(server);
    let searching = if needs_token { "clients with a token".to_owned() } else { reach.clone() };
    let ingestion = match (has_ingest_token, needs_token) {
        (true, true) => "clients with the ingestion token, or a token with the right to publish",
        (true, false) => "clients with the ingestion token",
        (false, true) => "clients with a token with the right to publish; direct local connections without any",
        (false, false) if server.trusted_proxies.is_empty() => {
            "direct local connections, without a token; a proxy or tunnel that adds no header looks like one"
        }
        (false, false) => "direct local connections that come from no trusted proxy, without a token",
    };
    let publishing = match limits.publish_per_second {
        0 => "no client (limits.publish_per_second is 0)",
        _ if needs_token => "clients with a token with the right to publish",
        _ => ingestion,
    };
    let saving = match (has_ingest_token, needs_token) {
        (true, true) => "clients with the ingestion token, or a token with the claim searches",
        (false, true) => "clients with a token with the claim searches; direct local connections without any",
        (_, false) => ingestion,
    };
    // A public feed needs no token, and a private one has its token in its URL.
    let feeds = if config.transports.iter().any(|transport| transport.kind == "feeds") {
        format!("{reach}: public ones, and others with the token in their URL")
    } else {
        "no client (there is no transport feeds)".to_owned()
    };
    let metrics = match server.admin_listen {
        Some(address) => format!("clients that reach {address}"),
        None => reach,
    };
    let rows = vec![
        ("search, streams, sessions", searching),
        ("POST /api/tweets, /api/percolate; GET /api/queries", ingestion.to_owned()),
        ("cmd/publish", publishing.to_owned()),
        ("saved searches", saving.to_owned()),
        ("feeds", feeds),
        ("/metrics", metrics),
        ("web pages", pages(server)),
        ("names in Host", names(server)),
        ("a client's address", addresses(server)),
        (
            "one address",
            format!(
                "{} of {} sessions, {} of {} connections, {} requests a second",
                amount(limits.max_sessions_per_address),
                limits.max_sessions,
                amount(limits.max_connections_per_address),
                limits.max_connections,
                amount(limits.requests_per_second as usize),
            ),
        ),
    ];
    Exposure { rows, warnings: warnings(config, has_ingest_token) }
}

fn warnings(config: &Config, has_ingest_token: bool) -> Vec<String> {
    let (server, limits) = (&config.server, &config.limits);
    let mut warnings = Vec::new();
    let is_public = !server.listen.ip().is_loopback() || !server.allowed_hosts.is_empty();
    if !has_ingest_token && is_public {
        warnings.push(
            "ingestion needs no token from direct local connections, and a proxy or tunnel on this machine that \
             adds no header looks like one: set ingest.token_file (docs/SECURITY.md)"
                .to_owned(),
        );
    }
    if !server.allowed_hosts.is_empty() && server.trusted_proxies.is_empty() && !server.is_encrypted() {
        warnings.push(
            "if a proxy stands before perch, all of its clients share the limits of one address: name it in \
             server.trusted_proxies (docs/PROXIES.md)"
                .to_owned(),
        );
    }
    let is_any = |network: &&String| network.ends_with("/0");
    if let Some(network) = server.trusted_proxies.iter().find(is_any) {
        warnings.push(format!(
            "server.trusted_proxies holds {network}: every client may claim any address, and no limit of one address holds"
        ));
    }
    for (key, of_one, of_all) in [
        ("max_sessions", limits.max_sessions_per_address, limits.max_sessions),
        ("max_connections", limits.max_connections_per_address, limits.max_connections),
    ] {
        if of_one == 0 || of_one > of_all.div_ceil(2) {
            warnings.push(format!(
                "one address may take {} of the {of_all} that limits.{key} allows: lower limits.{key}_per_address",
                if of_one == 0 || of_one >= of_all { "all".to_owned() } else { of_one.to_string() },
            ));
        }
    }
    warnings
}

/// Who can open a connection.
fn reach(server: &ServerSection) -> String {
    let (address, port) = (server.listen.ip(), server.listen.port());
    if address.is_loopback() {
        "clients on this machine".to_owned()
    } else if address.is_unspecified() {
        format!("clients that reach port {port} of this machine")
    } else {
        format!("clients that reach {}", server.listen)
    }
}

fn pages(server: &ServerSection) -> String {
    match &server.allowed_origins[..] {
        [] => "perch's own".to_owned(),
        origins if origins.iter().any(|origin| origin == "*") => "of every site".to_owned(),
        origins => format!("perch's own, and those of {}", origins.join(", ")),
    }
}

fn names(server: &ServerSection) -> String {
    match &server.allowed_hosts[..] {
        _ if server.is_encrypted() => "any (with TLS the certificate decides)".to_owned(),
        hosts if hosts.iter().any(|host| host == "*") => "any".to_owned(),
        [] => "addresses and private names".to_owned(),
        hosts => format!("addresses, private names, and {}", hosts.join(", ")),
    }
}

fn addresses(server: &ServerSection) -> String {
    if server.trusted_proxies.is_empty() {
        return "the other end of its connection; forwarding headers are ignored".to_owned();
    }
    let source = match server.proxy_header {
        ProxyHeader::XForwardedFor => "X-Forwarded-For",
        ProxyHeader::Forwarded => "Forwarded",
        ProxyHeader::ProxyProtocol => "the PROXY protocol",
    };
    format!("from {source}, on connections from {}", server.trusted_proxies.join(", "))
}

fn amount(max: usize) -> String {
    if max == 0 { "any number".to_owned() } else { max.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(settings: &str, has_ingest_token: bool) -> Exposure {
        exposure(&Config::from_toml(settings).unwrap(), has_ingest_token)
    }

    #[test]
    fn the_defaults_are_for_this_machine() {
        let Exposure { rows, warnings } = of("", false);
        assert_eq!(rows[0].1, "clients on this machine");
        assert!(rows[1].1.starts_with("direct local connections, without a token; a proxy or tunnel"), "{}", rows[1].1);
        assert_eq!(rows[2].1, "no client (limits.publish_per_second is 0)");
        assert_eq!(warnings, Vec::<String>::new());
    }

    #[test]
    fn what_is_open_to_many_is_said() {
        let public = "[server]\nlisten = \"0.0.0.0:80\"\nallowed_hosts = [\"perch.example\"]\n";
        let exposure = of(public, false);
        assert_eq!(exposure.rows[0].1, "clients that reach port 80 of this machine");
        assert_eq!(exposure.warnings.len(), 2, "{:?}", exposure.warnings);
        assert!(exposure.warnings[0].contains("ingest.token_file"));
        assert!(exposure.warnings[1].contains("server.trusted_proxies"));
        let behind_proxy = "[server]\nallowed_hosts = [\"perch.example\"]\ntrusted_proxies = [\"127.0.0.1\"]\n";
        assert_eq!(of(behind_proxy, true).warnings, Vec::<String>::new());
        let any_proxy = of("[server]\ntrusted_proxies = [\"0.0.0.0/0\"]\n", true);
        assert!(any_proxy.warnings[0].contains("any address"));
        let unlimited = of("[limits]\nmax_sessions_per_address = 0\nmax_connections = 1000\n", true);
        assert_eq!(unlimited.warnings.len(), 2, "{:?}", unlimited.warnings);
    }
}
