//! Takes what a format finds in a document.

use super::Item;
use crate::tweet::json::{Json, Nodes, Value};
use crate::tweet::{ReadContext, Reading, Tweet, TweetError};

/// The most items of a page that are read at one time.
const MAX_ITEMS: usize = 5_000;

/// Takes what a format finds in a document.
///
/// Of a long page it takes a portion, so that memory is bounded by the text of the page and not by
/// what stands in it. [`Output::rest`] says where the next portion begins.
#[derive(Debug)]
pub struct Output<'c> {
    /// The values that were dropped, and what reading needs to know.
    pub reading: Reading<'c>,
    /// The items in their order.
    pub items: Vec<Result<Item, TweetError>>,
    /// Whether the document held a list of tweets: then each of them may be as long as a document.
    pub is_page: bool,
    /// The statuses that messages of Mastodon's streams brought: the number on their instance, and
    /// the `id_str`.
    pub statuses: Vec<(String, String)>,
    /// The longest tweet, in bytes.
    max_tweet_bytes: usize,
    pub(super) max_items: usize,
    /// Where the portion begins.
    from: Place,
    /// Items seen so far.
    seen: usize,
    /// The items that are being read, each in the one before.
    depth: usize,
    /// Where the next portion begins.
    rest: Option<Place>,
    parsed: Option<Nodes>,
}

/// A place between two items of a page.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    /// The items before it.
    items: usize,
    /// If it is in a list: the node behind it, and the elements of the list before it.
    in_list: Option<(usize, usize)>,
}

/// What is left of a page.
#[derive(Debug)]
pub struct Rest {
    from: Place,
    parsed: Option<Nodes>,
}

impl<'c> Output<'c> {
    /// An empty output.
    #[must_use]
    pub fn new(context: &'c ReadContext, max_tweet_bytes: usize) -> Output<'c> {
        Output {
            reading: Reading::new(context),
            items: Vec::new(),
            is_page: false,
            statuses: Vec::new(),
            max_tweet_bytes,
            max_items: MAX_ITEMS,
            from: Place::default(),
            seen: 0,
            depth: 0,
            rest: None,
            parsed: None,
        }
    }

    /// An output for the next portion of the same document.
    #[must_use]
    pub fn resume(context: &'c ReadContext, max_tweet_bytes: usize, rest: Rest) -> Output<'c> {
        let Rest { from, parsed } = rest;
        Output { from, parsed, ..Output::new(context, max_tweet_bytes) }
    }

    /// What is left of the document, if it is too long for one portion.
    pub fn rest(&mut self) -> Option<Rest> {
        Some(Rest { from: self.rest?, parsed: self.parsed.take() })
    }

    /// Whether this is the first portion of the document, or all of it.
    pub(super) fn is_first(&self) -> bool {
        self.from.items == 0
    }

    pub(super) fn take_parsed(&mut self) -> Option<Nodes> {
        self.parsed.take()
    }

    /// Keeps a parsed document for the next portion.
    pub(super) fn keep_parsed(&mut self, json: Json<'_>) {
        self.parsed = self.rest.is_some().then(|| json.into_nodes());
    }

    pub(super) fn skip(&mut self, kind: &'static str) {
        self.items.push(Ok(Item::Skipped { kind }));
    }

    pub(super) fn delete(&mut self, id_str: String) {
        self.items.push(Ok(Item::Delete { id_str }));
    }

    pub(super) fn delete_status(&mut self, number: String) {
        self.items.push(Ok(Item::DeleteStatus { number }));
    }

    pub(super) fn name_status(&mut self, number: String, id_str: String) {
        self.statuses.push((number, id_str));
    }

    pub(super) fn push(&mut self, tweet: Result<Tweet, TweetError>) {
        self.items.push(tweet.map(|tweet| Item::Tweet(Box::new(tweet))));
    }

    /// Reads an item of a page, unless another portion has it. An item that is longer than a tweet
    /// may be is refused.
    pub(super) fn read_item(&mut self, item: Value<'_>, read: impl FnOnce(Value<'_>, &mut Output<'c>)) {
        self.is_page = true;
        if self.depth == 0 {
            self.seen += 1;
            let is_full = self.items.len() >= self.max_items;
            if is_full {
                self.rest.get_or_insert(Place { items: self.seen - 1, in_list: None });
            }
            if is_full || self.seen <= self.from.items {
                return;
            }
        }
        if item.raw().len() > self.max_tweet_bytes {
            self.items.push(Err(TweetError::new("", too_long(self.max_tweet_bytes))));
        } else {
            self.depth += 1;
            read(item, self);
            self.depth -= 1;
        }
    }

    /// Reads each element of a list, and names it in errors: `data[3]`.
    pub(super) fn each(&mut self, name: &str, list: Value<'_>, mut read: impl FnMut(Value<'_>, &mut Output<'c>)) {
        self.is_page = true;
        let from = self.from.in_list.filter(|&(node, _)| self.depth == 0 && list.contains(node));
        if from.is_some() {
            self.seen = self.from.items;
        }
        let before = from.map_or(0, |(_, before)| before);
        for (at, (node, item)) in list.items_from(from.map(|(node, _)| node)).enumerate() {
            let at = before + at;
            if self.depth == 0 && self.rest.is_none() && self.items.len() >= self.max_items {
                self.rest = Some(Place { items: self.seen, in_list: Some((node, at)) });
                return;
            }
            let first = self.items.len();
            self.read_item(item, &mut read);
            for item in &mut self.items[first..] {
                if let Err(error) = item {
                    *error = error.clone().inside(&format!("{name}[{at}]"));
                }
            }
        }
    }
}

/// The reason to refuse a tweet longer than this.
pub(super) fn too_long(max_bytes: usize) -> String {
    format!("too long: more than {max_bytes} bytes; limits.max_line_bytes allows more")
}
