//! The REST interface of an instance: where its streams are, and pages of its timelines.

use std::time::Duration;

use anyhow::{Context as _, bail};
use axum::http::StatusCode;
use axum::http::header::LINK;
use url::Url;

use super::stream_name::StreamName;
use crate::source::http::{HttpClient, host_of, is_web_page, read_body, refused_with};
use crate::source::retry::asked_pause;
use crate::tweet::json::{Json, Value};

/// The most posts that an instance puts on a page.
const PAGE_POSTS: usize = 40;

/// The longest description of an instance.
const MAX_INSTANCE_BYTES: usize = 4 * 1024 * 1024;

/// The longest pause for which a page is waited for while posts come live. Instances count requests
/// over five minutes.
const MAX_PAUSE: Duration = Duration::from_secs(15 * 60);

/// A client of an instance.
#[derive(Clone, Debug)]
pub(super) struct Timelines {
    pub(super) http: HttpClient,
    pub(super) instance: Url,
    /// The longest page.
    pub(super) max_page_bytes: usize,
    pub(super) source: String,
}

/// A page of a timeline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    /// The posts as JSON, oldest first.
    pub(super) posts: Vec<String>,
    /// The id behind which the next page begins.
    pub(super) newest: Option<PostId>,
}

/// The number that an instance gives to a post. Later posts have larger numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PostId(pub(super) String);

impl PartialOrd for PostId {
    fn partial_cmp(&self, other: &PostId) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PostId {
    /// Numbers are compared as numbers, and the texts of other servers by their characters.
    fn cmp(&self, other: &PostId) -> std::cmp::Ordering {
        (self.0.len(), &self.0).cmp(&(other.0.len(), &other.0))
    }
}

/// Bits of an id below its milliseconds.
const SEQUENCE_BITS: u32 = 16;

impl PostId {
    /// The time in the id, in milliseconds since 1970. Ids of other servers have none.
    pub(super) fn time_ms(&self) -> Option<u64> {
        // Before 2016 ids were counted.
        self.0.parse::<u64>().ok().map(|id| id >> SEQUENCE_BITS).filter(|&ms| ms > 1_400_000_000_000)
    }

    /// The id of this much earlier, if ids tell times.
    pub(super) fn earlier(&self, by: Duration) -> PostId {
        let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        match self.time_ms() {
            Some(ms) if by > 0 => PostId((ms.saturating_sub(by) << SEQUENCE_BITS).to_string()),
            _ => self.clone(),
        }
    }
}

impl Timelines {
    /// The address of the instance's streams, which may be on a host of their own.
    pub(super) async fn streaming_url(&self) -> anyhow::Result<Url> {
        for (path, keys) in [
            ("/api/v2/instance", ["configuration", "urls", "streaming"].as_slice()),
            ("/api/v1/instance", &["urls", "streaming_api"]),
        ] {
            let mut url = self.instance.clone();
            url.set_path(path);
            let response = match self.http.get(&url, "its description").await {
                Ok(response) => response,
                Err(error) if refused_with(&error) == Some(StatusCode::NOT_FOUND) => continue,
                Err(error) => return Err(error),
            };
            let body = read_body(response, host_of(&url), MAX_INSTANCE_BYTES).await?;
            let text = String::from_utf8_lossy(&body);
            let address = Json::parse(&text).ok().and_then(|json| Some(json.root().path(keys)?.str()?.into_owned()));
            let Some(address) = address else { continue };
            let address = Url::parse(&address).with_context(|| format!("{address} as the address of streams"))?;
            return self.with_path(address);
        }
        self.with_path(self.instance.clone())
    }

    /// The address of streams on a host.
    fn with_path(&self, mut url: Url) -> anyhow::Result<Url> {
        let scheme = match url.scheme() {
            "https" | "wss" => "wss",
            // The token of an encrypted instance is sent encrypted only.
            "http" | "ws" if self.instance.scheme() == "http" => "ws",
            _ => bail!("{} has its streams at an address without TLS: {url}", host_of(&self.instance)),
        };
        if url.set_scheme(scheme).is_err() {
            bail!("{url} is no address of streams");
        }
        url.set_path("/api/v1/streaming");
        Ok(url)
    }

    /// The id of the newest post of a timeline.
    pub(super) async fn newest(&self, stream: &StreamName) -> anyhow::Result<Option<PostId>> {
        Ok(self.page(stream, 1, None).await?.newest)
    }

    /// The posts that follow an id.
    pub(super) async fn after(&self, stream: &StreamName, id: &PostId) -> anyhow::Result<Page> {
        self.page(stream, PAGE_POSTS, Some(id)).await
    }

    async fn page(&self, stream: &StreamName, limit: usize, after: Option<&PostId>) -> anyhow::Result<Page> {
        let mut url = stream.timeline_url(&self.instance);
        let host = host_of(&self.instance);
        url.query_pairs_mut().append_pair("limit", &limit.to_string());
        if let Some(id) = after {
            url.query_pairs_mut().append_pair("min_id", &id.0);
        }
        let response = loop {
            let error = match self.http.get(&url, "posts").await {
                Ok(response) => break response,
                Err(error) => error,
            };
            let too_many = refused_with(&error) == Some(StatusCode::TOO_MANY_REQUESTS);
            match asked_pause(&error).filter(|pause| too_many && *pause <= MAX_PAUSE) {
                Some(pause) => {
                    let (source, pause_s) = (&self.source, pause.as_secs());
                    tracing::info!(source, pause_s, "older posts come after a pause that the server asks for");
                    tokio::time::sleep(pause).await;
                }
                None => return Err(error),
            }
        };
        if is_web_page(response.headers()) {
            bail!("{host} answers with a web page, not with posts");
        }
        let links = response.headers().get_all(LINK);
        let next = links.iter().find_map(|link| min_id(link.to_str().ok()?)).map(PostId);
        let body = read_body(response, host, self.max_page_bytes).await?;
        let text = std::str::from_utf8(&body).with_context(|| format!("{host} answers with what is no text"))?;
        let json =
            Json::parse(text).map_err(|error| anyhow::anyhow!("{host} answers with what is no JSON: {error}"))?;
        if !json.root().is_array() {
            bail!("{host} answers with something else than a list of posts");
        }
        let id_of = |post: Value<'_>| post.get("id").and_then(Value::str).map(|id| PostId(id.into_owned()));
        let newest = json.root().items().filter_map(id_of).max();
        let mut posts: Vec<String> = json.root().items().map(|post| post.raw().to_owned()).collect();
        posts.reverse();
        Ok(Page { posts, newest: next.filter(|_| after.is_some()).max(newest) })
    }
}

/// The `min_id` of the page of newer posts in a `Link` header.
fn min_id(link: &str) -> Option<String> {
    link.split(',').find_map(|link| {
        let (address, rest) = link.trim().strip_prefix('<')?.split_once('>')?;
        let is_newer = rest.split(';').any(|part| matches!(part.trim(), "rel=\"prev\"" | "rel=prev"));
        let url = Url::parse(address).ok().filter(|_| is_newer)?;
        url.query_pairs().find(|(key, _)| key == "min_id").map(|(_, id)| id.into_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_compared_as_numbers_and_tell_times() {
        let id = |text: &str| PostId(text.to_owned());
        assert!(id("99") < id("100") && id("113283") < id("113284"));
        let newest = id("113283000000000000");
        let time = newest.time_ms().expect("a time");
        assert_eq!(newest.earlier(Duration::from_secs(60)).time_ms(), Some(time - 60_000));
        assert_eq!(newest.earlier(Duration::ZERO), newest);
        for other in ["12", "01HRZ9T7ZJX3ZJX3ZJX3ZJX3ZJ", "AfWlfxHo9HU8FXxPfo"] {
            assert_eq!(id(other).earlier(Duration::from_secs(60)), id(other));
        }
    }

    #[test]
    fn the_link_to_newer_posts_is_found() {
        let link = "<https://a.example/api/v1/timelines/public?limit=2&max_id=3>; rel=\"next\", \
                    <https://a.example/api/v1/timelines/public?limit=2&min_id=7>; rel=\"prev\"";
        assert_eq!(min_id(link).as_deref(), Some("7"));
        assert_eq!(min_id("<https://a.example/?max_id=3>; rel=\"next\""), None);
        assert_eq!(min_id("nothing"), None);
    }
}
