//! Feeds one target with broken input for a while: `perch-fuzz TARGET SECONDS [SEED]`.
//!
//! It knows nothing of the code that it reaches, as libFuzzer does; it makes up for some of that
//! with good examples to begin with and the words of the languages. It needs no nightly toolchain
//! and no instrumented build.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const QUERIES: &[&str] = &[
    "java (job OR jobs OR hiring) -unpaid",
    "\"exact words\" \"near words\"~2 \"first wor\"*",
    "rust* colo?r /joh?n(ath[oa]n)/ color~1",
    "#rust @user $TSLA from:user to:user url:example.com",
    "lang:en has:media is:retweet NOT is:reply",
    "followers:>=1000 retweets:[10 TO 100} favorites:>5 created:[2024-01-01 TO *]",
    "since:2024-01-01 until:2024-12-31 within:[-0.5 51.3 0.3 51.7] near:[13.4 52.5 5km]",
    "text:word user.name:ann lang:IN [en de] geo:* *",
    "word^2 +must -not \\\"escaped\\: 日本語 اردو 😀",
];

const JSON: &[&str] = &[
    r#"{"query_string": {"query": "rust OR go", "default_field": "text", "default_operator": "AND"}}"#,
    r#"{"bool": {"must": [{"match": {"text": "rust"}}], "must_not": {"term": {"lang": "en"}}, "should": [{"prefix": {"text": "ru"}}], "minimum_should_match": 1}}"#,
    r#"{"range": {"created": {"gte": "2024-01-01", "lt": "now"}}}"#,
    r#"{"match_phrase": {"text": {"query": "two words", "slop": 2}}}"#,
    r#"{"terms": {"lang": ["en", "de"]}}"#,
    r#"{"fuzzy": {"text": {"value": "color", "fuzziness": 1}}}"#,
    r#"{"regexp": {"text": "joh?n(ath[oa]n)"}}"#,
    r#"{"exists": {"field": "lang"}}"#,
    r#"{"match_all": {}}"#,
    r#"{"simple_query_string": {"query": "a +b -c \"d e\"~2 (f|g*)", "fields": ["text"]}}"#,
];

const TWEETS: &[&str] = &[
    r#"{"id_str": "20", "text": "just setting up my twttr #hi @a $B https://t.co/x", "created_at": "Tue Mar 21 20:50:14 +0000 2006", "lang": "en", "user": {"name": "j", "screen_name": "jack", "followers_count": 5}, "retweet_count": 1, "favorite_count": 2}"#,
    r#"{"id": 9007199254740993, "full_text": "a &amp; b 😀", "entities": {"hashtags": [{"text": "x", "indices": [0, 2]}], "urls": [{"url": "https://t.co/x", "expanded_url": "https://e.com/p", "display_url": "e.com/p", "indices": [3, 9]}], "user_mentions": [{"screen_name": "u", "name": "U", "indices": [0, 1]}], "media": [{"type": "photo", "url": "https://t.co/y", "media_url_https": "https://p", "indices": [1, 2]}]}}"#,
    r#"{"id_str": "7", "text": "RT @a: cut off…", "retweeted_status": {"id_str": "6", "full_text": "cut off no more", "user": {"screen_name": "a"}}, "coordinates": {"type": "Point", "coordinates": [13.4, 52.5]}}"#,
    r#"{"id_str": "8", "text": "日本語のつぶやき", "in_reply_to_status_id_str": "7", "in_reply_to_screen_name": "b", "is_quote_status": true, "quoted_status_id_str": "5"}"#,
    r#"{"statuses": [{"id_str": "1", "text": "a"}, {"id_str": "2", "text": "b"}]}"#,
];

const FRAMES: &[&str] = &[
    r##"["cmd/percolate", {"query": "rust", "name": "a", "since": 17, "epoch": "00000000-0000-4000-8000-000000000000"}, 1]"##,
    r##"["cmd/query", {"query": {"match": {"text": "rust"}}, "n": 10, "from": 0, "before_id": "9", "until_seq": 5, "sort": "oldest"}, "r"]"##,
    r##"["cmd/unpercolate", {"name": "a"}]"##,
    r##"["cmd/missing", {"id_str": "20"}, 2]"##,
    r##"["cmd/ping", {}, 3]"##,
    r##"["cmd/users-count"]"##,
];

const TRANSIT: &[&str] = &[
    r##"["^ ","~:query","~$symbol","~:n",["~#set",[1,2,"~i9223372036854775807"]],"^0","~u00000000-0000-4000-8000-000000000000"]"##,
    r##"[["~:cmd/percolate",["^ ","~:query","rust","~:uid","~d1.5"]],"~~tilde","~^hat","~?t","~_","~cx","~n123","~zNaN"]"##,
    r##"["~#cmap",[["~:a"],1,["^ "],"^1"]]"##,
];

const EDN: &[&str] = &[
    r##"[:cmd/percolate {:query "rust \"x\" \u00e9" :n 5 :f -1.5e3 :big 12345678901234567890N :exact 1.0M}]"##,
    r##"#{1 2 nil true} ; comment"##,
    r##"[#uuid "00000000-0000-4000-8000-000000000000" #inst "2024-01-01" \a \newline \u0041 #_ (discarded) 'sym]"##,
    r##"+[[:chsk/ws-ping] :ajax-cb]"##,
];

const WORDS: &[&str] = &[
    "\"",
    "\\",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "/",
    "*",
    "?",
    "~",
    "^",
    ":",
    ",",
    "-",
    "+",
    " OR ",
    " AND ",
    " NOT ",
    " TO ",
    "\n",
    "\r\n",
    "\0",
    "null",
    "true",
    "0",
    "-1",
    "1e999",
    "9223372036854775808",
    "18446744073709551615",
    "\\u0000",
    "\\ud800",
    "\u{feff}",
    "\u{200d}",
    "é",
    "İ",
    "ß",
    "😀",
    "日本",
    "#",
    "@",
    "$",
    "&amp;",
    "&#x",
    "https://",
    "…",
    "text:",
    "id_str",
    "now",
    "[*",
    "~2",
    "\"~",
    "IN [",
    "\u{1f}\u{8b}\u{8}",
    "(b",
];

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let own: Vec<&str> = match target {
        "query" => QUERIES.to_vec(),
        "json" => JSON.to_vec(),
        "tweet" => TWEETS.to_vec(),
        "frame" => FRAMES.to_vec(),
        "transit" => [TRANSIT, FRAMES, TWEETS].concat(),
        "edn" => EDN.to_vec(),
        _ => {
            let lines = TWEETS.join("\n");
            let array = format!("\u{3}[{}]", TWEETS[..3].join(",\n"));
            return vec![
                format!("\u{1}{lines}").into_bytes(),
                array.into_bytes(),
                format!("\u{7}{}", TWEETS[4]).into_bytes(),
            ];
        }
    };
    own.into_iter().map(|seed| seed.as_bytes().to_vec()).collect()
}

fn query_seeds() -> Vec<Vec<u8>> {
    QUERIES.iter().map(|query| query.as_bytes().to_vec()).collect()
}

/// xorshift64*: enough for this.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() >> 11) as usize % n.max(1)
    }
}

/// Changes a document so that it stays JSON: bytes that are no JSON reach little of what reads it.
fn mutate_json(random: &mut Random, seeds: &[Vec<u8>]) -> Option<Vec<u8>> {
    let parse = |seed: &Vec<u8>| serde_json::from_slice::<Value>(seed).ok();
    let mut value = parse(&seeds[random.below(seeds.len())])?;
    let other = parse(&seeds[random.below(seeds.len())])?;
    for _ in 0..=random.below(4) {
        let put = match random.below(10) {
            0 => Value::Null,
            1 => Value::Bool(true),
            2 => json!(random.next() as i64),
            3 => json!(f64::from_bits(random.next())),
            4 => json!(WORDS[random.below(WORDS.len())]),
            5 => json!(String::from_utf8_lossy(&mutate(random, &query_seeds()))),
            6 => json!([pick(random, &other), pick(random, &other)]),
            7 => json!({WORDS[random.below(WORDS.len())]: pick(random, &other)}),
            _ => pick(random, &other),
        };
        let n = count(&value);
        replace(&mut value, &mut random.below(n), put, random.below(5) == 0);
    }
    serde_json::to_vec(&value).ok()
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(values) => values.iter().map(count).sum(),
        Value::Object(fields) => fields.values().map(count).sum(),
        _ => 0,
    }
}

fn pick(random: &mut Random, value: &Value) -> Value {
    let mut value = value.clone();
    let mut at = random.below(count(&value));
    replace(&mut value, &mut at, Value::Null, false).unwrap_or(value)
}

/// Puts a value in the place of number `at`, or beside it, and answers with what was there.
fn replace(value: &mut Value, at: &mut usize, put: Value, beside: bool) -> Option<Value> {
    if *at == 0 {
        return Some(match value {
            Value::Array(values) if beside => {
                values.push(put);
                Value::Null
            }
            Value::Object(fields) if beside => {
                let name = fields.keys().next().cloned().unwrap_or_default();
                fields.remove(&name).unwrap_or(Value::Null)
            }
            _ => std::mem::replace(value, put),
        });
    }
    *at -= 1;
    let inside: Vec<&mut Value> = match value {
        Value::Array(values) => values.iter_mut().collect(),
        Value::Object(fields) => fields.values_mut().collect(),
        _ => Vec::new(),
    };
    for value in inside {
        let n = count(value);
        if *at < n {
            return replace(value, at, put, beside);
        }
        *at -= n;
    }
    None
}

fn mutate(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut input = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(6) {
        let at = random.below(input.len() + 1);
        let end = at + random.below((input.len() - at).min(24) + 1);
        match random.below(8) {
            0 => drop(input.drain(at..end)),
            1 => input.truncate(at),
            2 => {
                let copy = input[at..end].to_vec();
                let most = if random.below(20) == 0 { 200 } else { 3 };
                let times = 1 + random.below(most);
                input.splice(at..at, copy.repeat(times));
            }
            3 => {
                let other = &seeds[random.below(seeds.len())];
                let from = random.below(other.len());
                let to = from + random.below(other.len() - from + 1);
                input.splice(at..end, other[from..to].iter().copied());
            }
            4 if at < input.len() => input[at] ^= 1 << random.below(8),
            5 if at < input.len() => input[at] = random.next() as u8,
            _ => drop(input.splice(at..at, WORDS[random.below(WORDS.len())].bytes())),
        }
    }
    input
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| arguments.get(at).and_then(|number| number.parse::<u64>().ok());
    let target = perch_fuzz::TARGETS.iter().find(|(name, _)| arguments.first().is_some_and(|wanted| wanted == name));
    let (Some((name, target)), Some(seconds)) = (target, number(1)) else {
        eprintln!("usage: perch-fuzz query|json|tweet|frame|bulk|transit|edn SECONDS [SEED]");
        return ExitCode::from(2);
    };
    let mut random = Random(number(2).unwrap_or(1).max(1));
    let seeds = seeds(name);
    let started = Instant::now();
    let (mut inputs, mut slowest) = (0_u64, (Duration::ZERO, Vec::new()));
    while started.elapsed() < Duration::from_secs(seconds) {
        let structured = if random.below(3) > 0 { mutate_json(&mut random, &seeds) } else { None };
        let input = structured.unwrap_or_else(|| mutate(&mut random, &seeds));
        let begun = Instant::now();
        if catch_unwind(AssertUnwindSafe(|| target(&input))).is_err() {
            eprintln!("{name}: failed on input {inputs}:\n{}\n{input:?}", String::from_utf8_lossy(&input));
            return ExitCode::FAILURE;
        }
        if begun.elapsed() > slowest.0 {
            slowest = (begun.elapsed(), input);
        }
        inputs += 1;
    }
    println!(
        "{name}: {inputs} inputs in {seconds} s, the slowest took {:?}: {:.300}",
        slowest.0,
        String::from_utf8_lossy(&slowest.1)
    );
    ExitCode::SUCCESS
}
