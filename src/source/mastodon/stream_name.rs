//! The streams of an instance, and the timelines that hold what they have sent.

use std::fmt;

use serde_json::{Value as JsonValue, json};
use url::Url;

/// What a stream holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Topic {
    /// All public posts that the instance knows.
    Public,
    /// Those with a hashtag, in lower case, without `#`.
    Hashtag(String),
}

/// Of which accounts a stream holds posts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Origin {
    All,
    Local,
    Remote,
}

/// A stream, as the configuration names it: `public`, `public:local`, `public:remote`, `#tag`,
/// `#tag:local`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct StreamName {
    topic: Topic,
    origin: Origin,
}

impl StreamName {
    /// Reads a name of the configuration.
    pub(super) fn parse(text: &str) -> Option<StreamName> {
        let (topic, origin) = text.trim().split_once(':').unwrap_or((text.trim(), ""));
        let topic = match topic.strip_prefix('#') {
            Some(tag) => Topic::Hashtag(tag.to_lowercase()),
            None if topic == "public" => Topic::Public,
            None => return None,
        };
        let is_tag =
            |tag: &str| !tag.is_empty() && tag.chars().all(|char| char.is_alphanumeric() || "_·".contains(char));
        if matches!(&topic, Topic::Hashtag(tag) if !is_tag(tag)) {
            return None;
        }
        let origin = match origin {
            "" if !text.contains(':') => Origin::All,
            "local" => Origin::Local,
            // Instances have no such stream of a hashtag.
            "remote" if topic == Topic::Public => Origin::Remote,
            _ => return None,
        };
        Some(StreamName { topic, origin })
    }

    /// The stream as its events name it: `["hashtag", "birds"]`.
    pub(super) fn names(&self) -> Vec<String> {
        match &self.topic {
            Topic::Public => vec![self.api_name()],
            Topic::Hashtag(tag) => vec![self.api_name(), tag.clone()],
        }
    }

    /// The name in the protocol.
    fn api_name(&self) -> String {
        let topic = if self.topic == Topic::Public { "public" } else { "hashtag" };
        format!("{topic}{}", self.suffix())
    }

    fn suffix(&self) -> &'static str {
        match self.origin {
            Origin::All => "",
            Origin::Local => ":local",
            Origin::Remote => ":remote",
        }
    }

    /// The message that subscribes a WebSocket to the stream.
    pub(super) fn subscription(&self) -> String {
        let mut message = json!({"type": "subscribe", "stream": self.api_name()});
        if let Topic::Hashtag(tag) = &self.topic {
            message["tag"] = JsonValue::from(tag.as_str());
        }
        message.to_string()
    }

    /// The address of the stream as server-sent events. `base` is the one of all streams.
    pub(super) fn events_url(&self, base: &Url) -> Url {
        let mut url = base.clone();
        url.set_path(&format!("{}/{}", base.path().trim_end_matches('/'), self.api_name().replace(':', "/")));
        if let Topic::Hashtag(tag) = &self.topic {
            url.query_pairs_mut().append_pair("tag", tag);
        }
        url
    }

    /// The address of the timeline.
    pub(super) fn timeline_url(&self, instance: &Url) -> Url {
        let mut url = instance.clone();
        url.set_path("/api/v1/timelines");
        if let Ok(mut path) = url.path_segments_mut() {
            match &self.topic {
                Topic::Public => path.push("public"),
                Topic::Hashtag(tag) => path.extend(["tag", tag]),
            };
        }
        match self.origin {
            Origin::All => {}
            Origin::Local => drop(url.query_pairs_mut().append_pair("local", "true")),
            Origin::Remote => drop(url.query_pairs_mut().append_pair("remote", "true")),
        }
        url
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.topic {
            Topic::Public => f.write_str("public")?,
            Topic::Hashtag(tag) => write!(f, "#{tag}")?,
        }
        f.write_str(self.suffix())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(text: &str) -> StreamName {
        StreamName::parse(text).expect("a stream")
    }

    #[test]
    fn streams_are_named_as_the_protocol_does() {
        let instance = Url::parse("https://social.example").expect("an address");
        let base = Url::parse("wss://streaming.example/api/v1/streaming").expect("an address");
        let shown = |text: &str| {
            let stream = stream(text);
            assert_eq!(stream.to_string(), text.to_lowercase());
            format!("{} {} {}", stream.subscription(), stream.events_url(&base).path(), stream.timeline_url(&instance))
        };
        expect_test::expect![[r#"
            {"stream":"public","type":"subscribe"} /api/v1/streaming/public https://social.example/api/v1/timelines/public
            {"stream":"public:local","type":"subscribe"} /api/v1/streaming/public/local https://social.example/api/v1/timelines/public?local=true
            {"stream":"hashtag","tag":"vögel","type":"subscribe"} /api/v1/streaming/hashtag https://social.example/api/v1/timelines/tag/v%C3%B6gel
            {"stream":"hashtag:local","tag":"cats","type":"subscribe"} /api/v1/streaming/hashtag/local https://social.example/api/v1/timelines/tag/cats?local=true"#]]
        .assert_eq(&["public", "public:local", "#Vögel", "#cats:local"].map(shown).join("\n"));
        assert_eq!(stream("#Birds:local").names(), ["hashtag:local", "birds"]);
        assert_eq!(stream("public:local").names(), ["public:local"]);
    }

    #[test]
    fn other_names_are_refused() {
        for text in ["", "user", "#", "#a b", "#a/b", "public:", "public:media", "#birds:remote", "birds"] {
            assert_eq!(StreamName::parse(text), None, "{text}");
        }
    }
}
