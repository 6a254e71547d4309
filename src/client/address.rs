//! Addresses of a server, as users write them.

use url::Url;

/// The address of a server as people write it: without a scheme it is one of http.
pub(crate) fn server_url(text: &str) -> Result<Url, String> {
    const EXPECTED: &str = "expected an address such as http://localhost:8888 or https://perch.example.org";
    let text = text.trim();
    let port = text.trim_start_matches(':');
    if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("a port alone is no address; write http://localhost:{port}"));
    }
    let url = if text.contains("://") { Url::parse(text) } else { Url::parse(&format!("http://{text}")) };
    let url = url.map_err(|error| format!("{error}; {EXPECTED}"))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        "ws" | "wss" => Err(format!("write http{} here; perch makes a WebSocket of it", &url.as_str()[2..])),
        _ => Err(EXPECTED.to_owned()),
    }
}

/// The address of an interface of the server.
pub(crate) fn address(server: &Url, path: &str) -> Url {
    let mut url = server.clone();
    let path = format!("{}{path}", server.path().trim_end_matches('/'));
    url.set_path(&path);
    url
}

/// Whether connections to it are encrypted.
pub(crate) fn is_encrypted(url: &Url) -> bool {
    matches!(url.scheme(), "https" | "wss")
}

/// A host without the brackets that an IPv6 address has in a URL.
pub(crate) fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}
