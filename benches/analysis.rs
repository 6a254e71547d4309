//! Question: what does the analysis of a tweet cost, beside tantivy's plainest analyzer on the same
//! texts? (It may be 2.5 times as much.)
//!
//! Corpus: `PERCH_CORPUS`, a file with the text of one tweet on each line; else texts made with
//! seed 7, their words drawn by Zipf's law from 50,000. Both analyzers take turns in one run, and
//! the best round of each counts. With `PERCH_SEARCH_ANSWER`, an answer of Twitter's search
//! (`{"statuses": […]}`), reading and preparing whole tweets is measured, too. `--short` takes a
//! moment only.

#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small numbers"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use perch::doc::DocBuilder;
use perch::schema::{Schema, tweet as field};
use perch::{text, tweet};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, Zipf};
use tantivy::tokenizer::{LowerCaser, SimpleTokenizer, TextAnalyzer, TokenStream};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    // Without `--bench` it is a test of whether it runs.
    let is_short = args.iter().any(|arg| arg == "--short") || !args.iter().any(|arg| arg == "--bench");
    let (count, rounds) = if is_short { (2_000, 2) } else { (100_000, 12) };
    let (source, texts) = corpus(count);
    let bytes: usize = texts.iter().map(String::len).sum();
    let ascii = texts.iter().filter(|text| text.is_ascii()).count();
    println!(
        "corpus: {source}, {} texts, {} bytes each, {} % ASCII",
        texts.len(),
        bytes / texts.len(),
        ascii * 100 / texts.len()
    );

    let mut plain = TextAnalyzer::builder(SimpleTokenizer::default()).filter(LowerCaser).build();
    let mut builder = DocBuilder::new(Schema::tweet());
    let [plain, words, docs] = best(
        rounds,
        [
            &mut || {
                let mut terms = 0;
                for text in &texts {
                    let mut stream = plain.token_stream(text);
                    stream.process(&mut |token| terms += black_box(&token.text).len().min(1));
                }
                black_box(terms);
            },
            &mut || {
                let mut terms = 0;
                for text in &texts {
                    text::words(text, &mut |term: &str, _, _| terms += black_box(term).len().min(1));
                }
                black_box(terms);
            },
            &mut || {
                for text in &texts {
                    builder.clear();
                    builder.text(field::TEXT, text);
                    black_box(builder.doc());
                }
            },
        ],
    );
    report("tantivy: SimpleTokenizer, LowerCaser", texts.len(), plain, plain);
    report("perch: text::words", texts.len(), words, plain);
    report("perch: DocBuilder", texts.len(), docs, plain);

    let bare: Vec<String> = texts
        .iter()
        .map(|text| serde_json::json!({"id_str": "1234567890123456789", "text": text}).to_string())
        .collect();
    measure_tweets("bare tweets, entities looked for", &bare, rounds, plain, texts.len());
    if let Some(statuses) = statuses() {
        let times = if is_short { 1 } else { 100 };
        let statuses: Vec<String> = statuses.iter().cycle().take(statuses.len() * times).cloned().collect();
        measure_tweets("tweets of the search answer", &statuses, rounds, plain, texts.len());
    }
}

fn measure_tweets(name: &str, json: &[String], rounds: usize, plain: Duration, plain_count: usize) {
    let parsed: Vec<_> = json.iter().map(|json| tweet::read(json.as_bytes()).expect("a tweet")).collect();
    let [read, analyze] = best(
        rounds,
        [
            &mut || {
                for json in json {
                    black_box(tweet::read(json.as_bytes()).is_ok());
                }
            },
            &mut || {
                for tweet in &parsed {
                    black_box(tweet::analyze(tweet));
                }
            },
        ],
    );
    let bytes: usize = json.iter().map(String::len).sum();
    println!("{name}: {} bytes of JSON each", bytes / json.len());
    let share = plain.mul_f64(json.len() as f64 / plain_count as f64);
    report("  perch: tweet::read", json.len(), read, share);
    report("  perch: tweet::analyze", json.len(), analyze, share);
    report("  perch: both", json.len(), read + analyze, share);
}

/// The best time of each, taking turns.
fn best<const N: usize>(rounds: usize, mut runs: [&mut dyn FnMut(); N]) -> [Duration; N] {
    let mut best = [Duration::MAX; N];
    for _ in 0..rounds {
        for (run, best) in runs.iter_mut().zip(&mut best) {
            let start = Instant::now();
            run();
            *best = start.elapsed().min(*best);
        }
    }
    best
}

fn report(name: &str, count: usize, time: Duration, plain: Duration) {
    let seconds = time.as_secs_f64();
    println!(
        "{name:<40} {:>10.0} a second {:>6.2} times the cost of tantivy's",
        count as f64 / seconds,
        seconds / plain.as_secs_f64()
    );
}

fn corpus(count: usize) -> (String, Vec<String>) {
    if let Some(path) = std::env::var_os("PERCH_CORPUS") {
        let text = std::fs::read_to_string(&path).expect("PERCH_CORPUS names a file of UTF-8 text");
        return (path.to_string_lossy().into_owned(), text.lines().take(count).map(str::to_owned).collect());
    }
    let mut rng = StdRng::seed_from_u64(7);
    let syllables = ["ka", "mo", "ri", "ten", "sol", "ba", "ne", "tu", "er", "ing", "ph", "a"];
    let mut word =
        || -> String { (0..rng.random_range(1..5)).map(|_| syllables[rng.random_range(0..syllables.len())]).collect() };
    let words: Vec<String> = (0..50_000).map(|_| word()).collect();
    let zipf = Zipf::new(words.len() as f64, 1.05).expect("the parameters are positive");
    let texts = (0..count).map(|_| {
        let mut text = String::new();
        while text.len() < 85 {
            let rank = zipf.sample(&mut rng) as usize;
            match rng.random_range(0..60) {
                0 => text.push_str("https://t.co/Ab12 "),
                1 => text.push('#'),
                2 => text.push('@'),
                3 => text.push_str("😂 "),
                4 => text.push_str("Ünd "),
                5 => text.push_str("The, "),
                _ => {}
            }
            text.push_str(&words[rank.clamp(1, words.len()) - 1]);
            text.push(' ');
        }
        text
    });
    ("made with seed 7".to_owned(), texts.collect())
}

fn statuses() -> Option<Vec<String>> {
    let text =
        std::fs::read_to_string(std::env::var_os("PERCH_SEARCH_ANSWER")?).expect("PERCH_SEARCH_ANSWER names a file");
    let answer: serde_json::Value = serde_json::from_str(&text).expect("PERCH_SEARCH_ANSWER is JSON");
    Some(answer["statuses"].as_array()?.iter().map(ToString::to_string).collect())
}
