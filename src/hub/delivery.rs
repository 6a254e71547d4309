//! A tweet on its way to the sessions that subscribed to what it matches.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::ids::Seq;
use crate::index::Hit;
use crate::tweet::AnalyzedTweet;

/// The bytes of a frame that says that a tweet is gone, about.
const GONE_BYTES: usize = 200;

/// The client's name of a subscription; `None` is the unnamed one.
pub type SubscriptionName = Option<Arc<str>>;

/// The reason of a `tweet/gone`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GoneReason {
    /// The tweet was deleted.
    Deleted,
    /// Its newest version does not match.
    Changed,
}

impl GoneReason {
    /// The reason, given the newest version of the tweet.
    pub(crate) fn of(newest: &AnalyzedTweet) -> GoneReason {
        if newest.is_deleted { GoneReason::Deleted } else { GoneReason::Changed }
    }

    /// The name in the protocol.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            GoneReason::Deleted => "deleted",
            GoneReason::Changed => "changed",
        }
    }
}

/// What a delivery says about its tweet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeliveryKind {
    /// It matches the subscriptions.
    Matches,
    /// It has matched the subscriptions, and does no longer.
    Gone {
        /// Why.
        reason: GoneReason,
        /// Whether the tweet matches other subscriptions of the session: a delivery with the same
        /// seq follows.
        is_followed: bool,
    },
}

/// A tweet for one session, or that a tweet is gone. Sessions that get it under the same names
/// share it.
#[derive(Debug)]
pub struct Delivery {
    /// The newest version of the tweet, which may be a deletion.
    pub hit: Hit,
    /// Whether the tweet matches or is gone.
    pub kind: DeliveryKind,
    /// The names of the subscriptions, sorted.
    pub names: Arc<[SubscriptionName]>,
    /// The tweet in the encodings of the transports.
    pub encodings: Encodings,
}

impl Delivery {
    /// The delivery of a tweet that matches, without encodings.
    #[must_use]
    pub fn new(hit: Hit, names: Arc<[SubscriptionName]>) -> Delivery {
        Delivery::of_kind(DeliveryKind::Matches, hit, names)
    }

    /// A delivery without encodings.
    #[must_use]
    pub fn of_kind(kind: DeliveryKind, hit: Hit, names: Arc<[SubscriptionName]>) -> Delivery {
        Delivery { hit, kind, names, encodings: Encodings::default() }
    }

    /// Whether it says that the tweet is gone.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.kind != DeliveryKind::Matches
    }

    /// The position to resume from for a client that has got this delivery and no later one.
    #[must_use]
    pub fn position(&self) -> Seq {
        match self.kind {
            DeliveryKind::Gone { is_followed: true, .. } => self.hit.seq.before(),
            _ => self.hit.seq,
        }
    }

    /// Its share of [`super::QueueLimits::max_bytes`], about the bytes of a frame.
    pub(crate) fn size_bytes(&self) -> usize {
        if self.is_gone() { GONE_BYTES } else { self.hit.json.len() }
    }
}

/// An encoded delivery: shared UTF-8 text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EncodedText(Bytes);

impl EncodedText {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).expect("it was made of a String")
    }
}

impl From<String> for EncodedText {
    fn from(text: String) -> EncodedText {
        EncodedText(text.into())
    }
}

impl From<EncodedText> for Bytes {
    fn from(text: EncodedText) -> Bytes {
        text.0
    }
}

/// The key of an encoder. Two encoders have different names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncoderKey(pub &'static str);

/// The encodings of a delivery. The first session that needs an encoding makes it, the others share
/// it.
///
/// A list: a delivery has few encodings, and mostly one. The list only grows, so readers take no
/// lock.
#[derive(Debug, Default)]
pub struct Encodings {
    first: OnceLock<Box<Encoding>>,
}

#[derive(Debug)]
struct Encoding {
    encoder: EncoderKey,
    text: OnceLock<EncodedText>,
    next: OnceLock<Box<Encoding>>,
}

impl Encodings {
    /// The encoding of this encoder, which `encode` makes if no session needed it before. `encode`
    /// may ask for the encoding of another encoder.
    pub fn get_or_encode(&self, encoder: EncoderKey, encode: impl FnOnce() -> String) -> EncodedText {
        let mut slot = &self.first;
        loop {
            let encoding =
                slot.get_or_init(|| Box::new(Encoding { encoder, text: OnceLock::new(), next: OnceLock::new() }));
            if encoding.encoder == encoder {
                return encoding.text.get_or_init(|| encode().into()).clone();
            }
            slot = &encoding.next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_encoder_encodes_once() {
        let encodings = Encodings::default();
        let encode = |name, text: &str| encodings.get_or_encode(EncoderKey(name), || text.to_owned());
        assert_eq!(encode("a", "first").as_str(), "first");
        assert_eq!(encode("b", "second").as_str(), "second");
        assert_eq!(encode("c", "third").as_str(), "third");
        let again = ["a", "b", "c"].map(|name| encodings.get_or_encode(EncoderKey(name), || panic!("encoded twice")));
        assert_eq!(again.each_ref().map(EncodedText::as_str), ["first", "second", "third"]);
    }

    #[test]
    fn an_encoder_may_use_another() {
        let encodings = Encodings::default();
        let inner = || encodings.get_or_encode(EncoderKey("inner"), || "text".to_owned());
        let outer = || encodings.get_or_encode(EncoderKey("outer"), || format!("[{}]", inner().as_str()));
        assert_eq!((outer().as_str(), inner().as_str(), outer().as_str()), ("[text]", "text", "[text]"));
    }

    #[test]
    fn encoders_on_several_threads_share_what_they_make() {
        let encodings = Encodings::default();
        let encoders = [EncoderKey("a"), EncoderKey("b"), EncoderKey("c"), EncoderKey("d")];
        let encode = || encoders.map(|encoder| encodings.get_or_encode(encoder, || encoder.0.repeat(3)));
        let threads = std::thread::scope(|scope| {
            let threads = [(); 4].map(|()| scope.spawn(encode));
            threads.map(|thread| thread.join().expect("it does not panic"))
        });
        for texts in &threads {
            assert_eq!(texts.each_ref().map(EncodedText::as_str), ["aaa", "bbb", "ccc", "ddd"]);
            assert!(
                std::iter::zip(texts, &threads[0])
                    .all(|(text, other)| text.as_str().as_ptr() == other.as_str().as_ptr())
            );
        }
    }
}
