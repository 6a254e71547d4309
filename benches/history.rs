//! How long do searches of a million tweets take, and how long does it take to open their index?
//!
//! Corpus: synthetic tweets with ascending ids and about 600 bytes of JSON. Their 12 words are
//! drawn from 50,000 by Zipf's law, seed 1; `w0` is in two thirds of the tweets. Batches of 500
//! tweets and the default commit interval give the segments of a live index.
//!
//! `cargo bench --bench history` takes a million tweets, `-- --short` 50,000, `-- --tweets N` any
//! number; `-- --only phrase` runs the searches with this in their name. Times are medians of 20
//! runs, warm, in processor time of the thread. The ratio is to the first page of the rare word in
//! the same run, for phrases to tantivy's own query over the same segments.

use std::sync::Arc;
use std::time::{Duration, Instant};

use perch::doc::{DocBuilder, Point};
use perch::ids::Seq;
use perch::index::feed_page::{FeedOrder, FeedPageRequest};
use perch::index::{CompiledSearch, Index, IndexOptions, PageRequest, Snapshot};
use perch::lower::Fields;
use perch::query::{Ast, Phrase};
use perch::schema::{Schema, tweet};
use perch::tweet::{AnalyzedTweet, SequencedTweet, TweetKey};
use tantivy::Term;
use tantivy::collector::Count;
use tantivy::query::{PhraseQuery, Query};

#[path = "support/busy.rs"]
mod busy;

use busy::Busy;

/// That of the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const WORDS: usize = 50_000;
const BATCH: usize = 500;
const PAGE: usize = 250;
const RUNS: usize = 20;

/// `SplitMix64`: enough randomness for words, and the same on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).expect("64 bits")).expect("below end")
    }
}

/// Word numbers, the first the most frequent.
struct Zipf(Vec<f64>);

impl Zipf {
    fn new(words: usize) -> Zipf {
        let mut sum = 0.0;
        let weights = (1..=u32::try_from(words).expect("few words")).map(|rank| {
            sum += 1.0 / f64::from(rank);
            sum
        });
        Zipf(weights.collect())
    }

    #[allow(clippy::cast_precision_loss)]
    fn word(&self, random: &mut Random) -> usize {
        let at = (random.next() >> 11) as f64 / (1_u64 << 53) as f64 * self.0.last().expect("there are words");
        self.0.partition_point(|&sum| sum < at)
    }
}

fn analyzed(number: u64, zipf: &Zipf, random: &mut Random, builder: &mut DocBuilder<'_>) -> AnalyzedTweet {
    let words: Vec<String> = (0..12).map(|_| format!("w{}", zipf.word(random))).collect();
    let text = words.join(" ");
    // As many a millisecond as Twitter's ids leave room for.
    let id = 1_000_000_000_000_000_000 + (number << 12) + u64::from(number.is_multiple_of(3));
    let lang = ["en", "en", "en", "de", "ja", "es"][random.below(6)];
    let name = format!("user{}", random.below(100_000));
    let followers = i64::try_from(random.below(100_000)).expect("small");
    let created = 1_700_000_000_000 + i64::try_from(number * 10).expect("small");
    builder.clear();
    builder.text(tweet::TEXT, &text);
    builder.text(tweet::USER_NAME, &name);
    builder.text(tweet::SCREEN_NAME, &name);
    builder.text(tweet::LANG, lang);
    builder.integer(tweet::ID, i64::try_from(id).expect("below 2^63"));
    builder.integer(tweet::FOLLOWERS, followers);
    builder.integer(tweet::RETWEETS, i64::try_from(random.below(50)).expect("small"));
    builder.integer(tweet::FAVORITES, i64::try_from(random.below(50)).expect("small"));
    builder.integer(tweet::CREATED, created);
    if number.is_multiple_of(4) {
        builder.text(tweet::HASHTAG, &words[0]);
        builder.text(tweet::HAS, "hashtags");
    }
    if number.is_multiple_of(50) {
        builder.point(tweet::COORDINATES, Point { lon: 13.4, lat: 52.5 });
    }
    let json = format!(
        r#"{{"id":{id},"id_str":"{id}","text":"{text}","created_at":"Tue Nov 14 22:13:20 +0000 2023","lang":"{lang}","retweet_count":0,"favorite_count":0,"entities":{{"hashtags":[],"urls":[],"user_mentions":[],"media":[{{"type":"photo","media_url_https":"https://pbs.example/media/{id:x}.jpg"}}]}},"user":{{"name":"{name}","screen_name":"{name}","profile_image_url":"https://pbs.example/profile_images/{id:x}/normal.jpg","followers_count":{followers}}}}}"#
    );
    AnalyzedTweet { id, key: TweetKey::of_number(id), json: json.into(), doc: builder.finish(), is_deleted: false }
}

fn fill(index: &Index, tweets: usize) -> Duration {
    let zipf = Zipf::new(WORDS);
    let mut random = Random(1);
    let mut builder = DocBuilder::new(Schema::tweet());
    let mut number = 0;
    let mut time = Duration::ZERO;
    while number < tweets {
        let batch = BATCH.min(tweets - number);
        let analyzed: Vec<AnalyzedTweet> = (number..number + batch)
            .map(|number| analyzed(u64::try_from(number).expect("64 bits"), &zipf, &mut random, &mut builder))
            .collect();
        number += batch;
        let start = Instant::now();
        let first = index.take_seqs(batch).expect("the disk has room");
        let tweets = analyzed.into_iter().map(Arc::new);
        let items: Arc<[SequencedTweet]> =
            (first.0..).map(Seq).zip(tweets).map(|(seq, tweet)| SequencedTweet { seq, tweet }).collect();
        index.append(items, None);
        time += start.elapsed();
    }
    let start = Instant::now();
    index.commit_now().expect("the disk has room");
    time + start.elapsed()
}

fn median(mut run: impl FnMut()) -> f64 {
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let start = Busy::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[RUNS / 2].as_secs_f64() * 1e3
}

/// A line of `/proc/self/status`, in MiB.
fn memory(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.trim_matches(|c: char| !c.is_ascii_digit()).parse::<f64>().unwrap_or(f64::NAN) / 1024.0
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = arguments.iter().position(|it| it == "--tweets").and_then(|at| arguments.get(at + 1)?.parse().ok());
    let short = arguments.iter().any(|it| it == "--short");
    let tweets: usize = number.unwrap_or(if short { 50_000 } else { 1_000_000 });

    let dir = tempfile::TempDir::new().expect("there is a temporary directory");
    let options = IndexOptions { dir: dir.path().to_owned(), ..IndexOptions::default() };
    let index = Index::open(&options).expect("it is new");
    let time = fill(&index, tweets);
    let stats = index.stats();
    #[allow(clippy::cast_precision_loss)]
    let (rate, size) = (tweets as f64 / time.as_secs_f64(), stats.size_bytes as f64 / tweets as f64);
    println!("{tweets} tweets in {time:.1?} of appending: {rate:.0} a second, {} commits", stats.commits);
    println!("{} segments, {size:.0} bytes on disk a tweet", stats.segments);
    println!("memory: {:.0} MiB without the page cache, {:.0} with", memory("RssAnon:"), memory("VmRSS:"));

    let snapshot = index.snapshot();
    let word = |number: usize| Ast::Term { field: tweet::TEXT, term: format!("w{number}") };
    let phrase = |terms: &str, slop, last_is_prefix| {
        let terms = terms.split(' ').map(str::to_owned).collect();
        Ast::Phrase(Phrase { field: tweet::TEXT, terms, slop, last_is_prefix })
    };
    let page = PageRequest { n: PAGE, ..PageRequest::default() };
    let middle = 1_000_000_000_000_000_000 + (u64::try_from(tweets / 2).expect("64 bits") << 12);
    let deep = PageRequest { before_id: Some(middle.into()), ..page };
    let watermark = PageRequest { until_seq: Some(Seq(snapshot.last_seq().0 - 100)), ..page };
    let cases = [
        ("rare word (rank 1000), first page", word(1_000), page),
        ("rare word, deep page by before_id", word(1_000), deep),
        ("common word (rank 20), first page", word(20), page),
        ("common word, deep page by before_id", word(20), deep),
        ("common word, first page at a watermark", word(20), watermark),
        ("most common word (rank 0), first page", word(0), page),
        ("most common word, deep page by before_id", word(0), deep),
        ("*, first page", Ast::All, page),
        ("*, deep page by before_id", Ast::All, deep),
        ("phrase \"w1 w2\", first page", phrase("w1 w2", 0, false), page),
        ("phrase \"w0 w1\", first page", phrase("w0 w1", 0, false), page),
        ("phrase \"w1 w2\"~2, first page", phrase("w1 w2", 2, false), page),
        ("phrase \"w900 w2\"*, first page", phrase("w900 w2", 0, true), page),
        ("phrase \"w3 w4\"*, first page", phrase("w3 w4", 0, true), page),
        ("phrase \"w1 w2\"*, first page", phrase("w1 w2", 0, true), page),
        ("phrase \"w0 w1\"*, first page", phrase("w0 w1", 0, true), page),
        ("phrase \"w0 w1 w2\"*, first page", phrase("w0 w1 w2", 0, true), page),
        ("phrase \"w3 w4\"*~2, first page", phrase("w3 w4", 2, true), page),
        ("prefix w10*, first page", Ast::Prefix { field: tweet::TEXT, prefix: "w10".into() }, page),
        ("two words, first page", Ast::And(vec![word(3), word(40)]), page),
    ];
    let mut unit = None;
    let only = arguments.iter().position(|it| it == "--only").and_then(|at| arguments.get(at + 1));
    for (name, ast, request) in cases {
        if only.is_some_and(|only| !name.contains(only)) {
            continue;
        }
        let search = CompiledSearch::new(&ast);
        let mut total = 0;
        let ms = median(|| {
            let page = snapshot.page(&search, &request).expect("it can be read");
            assert!(page.hits.len() <= PAGE);
            total = page.total;
        });
        let unit = *unit.get_or_insert(ms);
        println!("{name:44} {ms:8.3} ms {:6.2} x  of {total}", ms / unit);
    }

    if only.is_some() {
        return;
    }
    feeds(&snapshot);
    complete(&snapshot);
    compare_phrases(&snapshot, dir.path());
    println!("memory: {:.0} MiB without the page cache, {:.0} with", memory("RssAnon:"), memory("VmRSS:"));

    drop(snapshot);
    let start = Instant::now();
    drop(index);
    println!("{:44} {:8.3} ms", "close", start.elapsed().as_secs_f64() * 1e3);
    let start = Instant::now();
    let index = Index::open(&options).expect("it was closed");
    println!("{:44} {:8.3} ms", "open", start.elapsed().as_secs_f64() * 1e3);
    assert_eq!(index.snapshot().count().expect("it counts"), u64::try_from(tweets).expect("64 bits"));
}

/// Turns the pages of feeds: of a page without a total.
fn feeds(snapshot: &Snapshot) {
    const N: usize = 50;
    let word = |number: usize| Ast::Term { field: tweet::TEXT, term: format!("w{number}") };
    // The newest tenth of the tweets.
    let last = snapshot.newest(1).expect("it can be read")[0].id;
    let above = last - (last - 1_000_000_000_000_000_000) / 10;
    for (name, ast, order) in [
        ("rare word", word(1_000), FeedOrder::Newest),
        ("two common words", Ast::Or(vec![word(20), word(40)]), FeedOrder::Newest),
        ("most common word", word(0), FeedOrder::Newest),
        ("everything", Ast::All, FeedOrder::Newest),
        ("two common words, most liked", Ast::Or(vec![word(20), word(40)]), FeedOrder::MostLiked { above }),
        ("most common word, most liked", word(0), FeedOrder::MostLiked { above }),
    ] {
        let search = CompiledSearch::new(&ast);
        let mut behind = None;
        let mut times: Vec<Duration> = (0..200)
            .map(|_| {
                let start = Instant::now();
                let page = snapshot.feed_page(&search, &FeedPageRequest { n: N, order, behind });
                behind = page.expect("it can be read").next;
                start.elapsed()
            })
            .collect();
        times.sort_unstable();
        let ms = |of_100: usize| times[times.len() * of_100 / 100].as_secs_f64() * 1e3;
        println!("{:44} p50 {:8.3} ms, p99 {:8.3} ms", format!("page of a feed, {name}"), ms(50), ms(99));
    }
}

/// Completes prefixes of one letter and more, as a user types them.
fn complete(snapshot: &Snapshot) {
    let likely: Vec<String> = (0..1_000).map(|number| format!("w{number}")).collect();
    for (name, field, prefixes) in [
        ("words, one letter: of all 50,000", tweet::TEXT, vec!["w".to_owned()]),
        ("words, two letters", tweet::TEXT, (1..10).map(|number| format!("w{number}")).collect()),
        ("words, three letters", tweet::TEXT, (10..100).map(|number| format!("w{number}")).collect()),
        ("users, two letters: of all 100,000", tweet::SCREEN_NAME, vec!["us".to_owned()]),
        ("users, six letters", tweet::SCREEN_NAME, (10..100).map(|number| format!("user{number}")).collect()),
        ("hashtags, two letters", tweet::HASHTAG, (1..10).map(|number| format!("w{number}")).collect()),
        ("all languages", tweet::LANG, vec![String::new()]),
    ] {
        let mut times: Vec<Duration> = prefixes
            .iter()
            .cycle()
            .take(200)
            .map(|prefix| {
                let start = Instant::now();
                let likely = likely.iter().map(String::as_str);
                let found = snapshot.complete(field, prefix, likely, 10).expect("it can be read");
                assert!(!found.is_empty(), "{prefix}");
                start.elapsed()
            })
            .collect();
        times.sort_unstable();
        let ms = |of_100: usize| times[times.len() * of_100 / 100].as_secs_f64() * 1e3;
        println!("{:44} p50 {:8.3} ms, p99 {:8.3} ms", format!("completion, {name}"), ms(50), ms(99));
    }
}

/// Counts the matches of phrases by perch's query and by tantivy's own.
fn compare_phrases(snapshot: &Snapshot, dir: &std::path::Path) {
    let index = tantivy::Index::open_in_dir(dir.join("tantivy")).expect("it is there");
    Fields::register(&index);
    let searcher = index.reader().expect("it can be read").searcher();
    let text = index.schema().get_field("text").expect("it has one");
    let count = PageRequest { n: 0, ..PageRequest::default() };
    let compare = |name: &str, words: &[&str], slop: u32, theirs: &dyn Query| {
        let terms = words.iter().map(|&word| word.to_owned()).collect();
        let search =
            CompiledSearch::new(&Ast::Phrase(Phrase { field: tweet::TEXT, terms, slop, last_is_prefix: false }));
        let (mut total, mut other) = (0, 0);
        let ours = median(|| total = snapshot.page(&search, &count).expect("it can be read").total);
        let theirs = median(|| other = searcher.search(theirs, &Count).expect("it can be read"));
        let name = format!("{name}: {}", words.join(" "));
        println!("{name:44} {ours:8.3} ms {:6.2} x tantivy's {theirs:.3} ms, of {total} and {other}", ours / theirs);
    };
    let term = |word: &str| Term::from_field_text(text, word);
    for words in [["w0", "w1"], ["w1", "w2"], ["w1", "w900"], ["w900", "w2"], ["w20", "w30"]] {
        let mut query = PhraseQuery::new(words.iter().map(|word| term(word)).collect());
        compare("count of a phrase", &words, 0, &query);
        query.set_slop(2);
        compare("with slop 2", &words, 2, &query);
    }
    let words = ["w0", "w1", "w2"];
    compare("three words", &words, 0, &PhraseQuery::new(words.iter().map(|word| term(word)).collect()));
    // A prefix at the end is not compared: tantivy's query stops at a number of terms, and takes
    // minutes when that number is high enough for the same result.
}
