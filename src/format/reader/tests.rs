use expect_test::{Expect, expect};
use proptest::prelude::*;
use std::fmt::Write as _;
use tokio::io::AsyncWriteExt as _;

use super::raw_chunk::RawDoc;
use super::splitter::Splitter;
use super::*;
use crate::format::{Item, Output};
use crate::tweet::TweetError;

/// Any JSON object is a tweet here: its text is the object.
#[expect(clippy::unnecessary_wraps, reason = "as `Parse` is")]
fn plain(json: &str, _: Option<&'static FormatKind>, out: &mut Output<'_>) -> Option<&'static str> {
    let tweet = try_plain(json).map(|tweet| Item::Tweet(Box::new(tweet)));
    out.items.push(tweet.map_err(|reason| TweetError::new("", reason)));
    Some("plain")
}

fn try_plain(json: &str) -> Result<Tweet, String> {
    let value: serde_json::Value = serde_json::from_str(json).map_err(|error| format!("no JSON: {error}"))?;
    let object = value.as_object().ok_or("no tweet")?;
    let id = object.get("id").and_then(serde_json::Value::as_u64).unwrap_or(0);
    Ok(Tweet { id, text: value.to_string(), ..Tweet::default() })
}

fn plain_reader(input: impl AsyncRead + Send + Unpin + 'static, options: ReaderOptions) -> BulkReader<Tweet> {
    BulkReader::with_parse(input, options, Offset::default(), (plain, |tweet, _| tweet))
}

const OPTIONS: ReaderOptions = ReaderOptions {
    max_line_bytes: 40,
    max_unpacked_bytes: 0,
    parallel: 2,
    compression: Compression::Detect,
    max_window_log: MAX_WINDOW_LOG,
    format: None,
};

/// The output of the reader, as text.
async fn outcome(reader: &mut BulkReader<Tweet>) -> String {
    let mut out = String::new();
    let mut refused = Vec::new();
    let error = loop {
        match reader.next_chunk().await {
            Ok(Some(chunk)) => {
                assert!(!chunk.tweets.is_empty() || !chunk.refused.is_empty(), "a chunk is never empty");
                out.extend(chunk.tweets.iter().map(|tweet| format!("{}\n", tweet.text)));
                refused.extend(chunk.refused);
            }
            Ok(None) => break String::new(),
            Err(error) => break format!("error: {error}\n"),
        }
    };
    assert!(matches!(reader.next_chunk().await, Ok(None)), "the end stays the end");
    out.extend(refused.iter().map(|refused| format!("line {}: {}\n", refused.line, refused.reason)));
    out + &error
}

async fn read_all(input: impl Into<Vec<u8>>, options: ReaderOptions) -> String {
    outcome(&mut plain_reader(io::Cursor::new(input.into()), options)).await
}

async fn check(input: impl Into<Vec<u8>>, expected: &Expect) {
    expected.assert_eq(&read_all(input, OPTIONS).await);
}

#[tokio::test]
async fn lines() {
    check(
        "\u{FEFF}{\"id\":1}\r\n\n  \n{\"id\":2}\nnonsense\n{\"id\":\n[1]\n{\"id\":3}",
        &expect![[r#"
            {"id":1}
            {"id":2}
            {"id":3}
            line 5: no JSON: expected ident at line 1 column 2
            line 6: no JSON: EOF while parsing a value at line 1 column 6
            line 7: no tweet
        "#]],
    )
    .await;
}

#[tokio::test]
async fn a_line_that_is_too_long_or_not_utf8_is_refused_alone() {
    let mut input = b"{\"id\":1}\n{\"text\":\"".to_vec();
    input.extend(vec![b'x'; 300_000]);
    input.extend(b"\"}\n{\"id\":2}\n{\"text\":\"\xFF\"}\n{\"id\":3}\n");
    check(
        input,
        &expect![[r#"
            {"id":1}
            {"id":2}
            {"id":3}
            line 2: too long: more than 40 bytes; limits.max_line_bytes allows more
            line 4: not UTF-8
        "#]],
    )
    .await;
}

#[tokio::test]
async fn a_broken_first_line_does_not_make_it_a_document() {
    for first in ["{\"id\": 1, \"text\": \"cut", "{\"id\": 1, ", "{\"id\": 1", "{\"id\": ", "{"] {
        let out = read_all(format!("{first}\n{{\"id\":2}}\n{{\"id\":3}}\n"), OPTIONS).await;
        let expected = if first.ends_with(": ") { "error" } else { "{\"id\":2}\n{\"id\":3}\nline 1: " };
        assert!(out.starts_with(expected) || first.ends_with(": "), "{first}: {out}");
    }
}

#[tokio::test]
async fn an_array() {
    let long = format!("{{\"text\":\"{}]}}[\\\"\"}}", "x".repeat(50));
    check(
        format!(" [\n {{\"id\":1,\n \"a\":[{{}}, \"}}\\\"]\"]}},{long}, 5,\"x\" ,{{\"id\":2}}\n]\n"),
        &expect![[r#"
            {"a":[{},"}\"]"],"id":1}
            {"id":2}
            line 2: element 2: too long: more than 40 bytes; limits.max_line_bytes allows more
            line 3: element 3: no tweet
            line 4: element 4: no tweet
        "#]],
    )
    .await;
}

#[tokio::test]
async fn a_search_answer() {
    let expected = expect![[r#"
        {"id":1}
        {"id":2,"statuses":[{"id":3}]}
    "#]];
    let statuses = "\"statuses\": [{\"id\":1}, {\"id\":2, \"statuses\": [{\"id\":3}]}]";
    let meta = "\"meta\": {\"a\": [\"]\"]}";
    for input in [
        format!("{{{statuses}}}"),
        format!("{{{statuses}, {meta}}}\n"),
        format!("{{{meta},\n{statuses}}}"),
        format!("{{\n  {statuses},\n  {meta},\n \"long\": \"{}\"\n}}\n", "x".repeat(100)),
        format!("{{{statuses}}}").replace(", ", ",\n"),
    ] {
        check(input, &expected).await;
    }
    check("{\"statuses\": []}", &expect![""]).await;
    check(
        "{\"statuses\": [{\"id\":1}]}\n{\"statuses\": [{\"id\":2}]}",
        &expect![[r#"
        {"id":1}
        {"id":2}
    "#]],
    )
    .await;
}

#[tokio::test]
async fn documents_over_several_lines() {
    check(
        "{\n  \"id\": 1\n}\n{\n  \"id\": 2\n}\n",
        &expect![[r#"
            {"id":1}
            {"id":2}
        "#]],
    )
    .await;
}

#[tokio::test]
async fn nothing_at_all() {
    for input in ["", "\n\r\n  ", "\u{FEFF}", "[]", "[\n]\n"] {
        assert_eq!(read_all(input, OPTIONS).await, "", "{input:?}");
    }
}

#[tokio::test]
async fn what_is_cut_says_so_and_keeps_the_rest() {
    check(
        "[{\"id\":1}, {\"id\"",
        &expect![[r#"
        {"id":1}
        error: the input is truncated: it ends inside element 2
    "#]],
    )
    .await;
    check(
        "[{\"id\":1}, ",
        &expect![[r#"
        {"id":1}
        error: the input is truncated: it ends inside its array, after element 1
    "#]],
    )
    .await;
    check(
        "{\"statuses\":[{\"id\":1}], ",
        &expect![[r#"
        {"id":1}
        error: the input is truncated: it ends inside the page, behind its list of tweets
    "#]],
    )
    .await;
}

/// Compresses with one of async-compression's encoders.
macro_rules! pack {
    ($encoder:ident, $bytes:expr) => {{
        let mut encoder = async_compression::tokio::write::$encoder::new(Vec::new());
        encoder.write_all($bytes).await.unwrap();
        encoder.shutdown().await.unwrap();
        encoder.into_inner()
    }};
}

mod archives;
mod files;
mod odd_files;

/// Lines that compress badly, so that truncation loses only the last of them.
fn many_lines() -> String {
    let mut state = 1_u64;
    let mut line = |id| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("{{\"id\":{id},\"r\":{state}}}\n")
    };
    (1..20_000).map(&mut line).collect()
}

#[tokio::test]
async fn packed_input_is_unpacked_and_a_cut_is_found() {
    let lines = many_lines();
    let expected = read_all(lines.clone(), OPTIONS).await;
    for (packed, compression) in [
        (pack!(GzipEncoder, lines.as_bytes()), Compression::Detect),
        (pack!(ZstdEncoder, lines.as_bytes()), Compression::Detect),
        (pack!(BrotliEncoder, lines.as_bytes()), Compression::Brotli),
        (pack!(ZlibEncoder, lines.as_bytes()), Compression::Deflate),
        (pack!(DeflateEncoder, lines.as_bytes()), Compression::Deflate),
    ] {
        let options = ReaderOptions { compression, ..OPTIONS };
        assert_eq!(read_all(packed.clone(), options).await, expected);
        // Several members, and trailing bytes.
        assert_eq!(read_all([&packed[..], &packed[..]].concat(), options).await, expected.repeat(2));
        let out = read_all([&packed[..], b"nonsense"].concat(), options).await;
        assert!(out.starts_with(&expected) && out.contains("error: "), "{}", &out[out.len() - 200..]);

        let out = read_all(&packed[..packed.len() - 10_000], options).await;
        let (tweets, error) = out.split_once("error: ").unwrap();
        assert!(tweets.len() > 1_000 && expected.starts_with(tweets), "what was complete is kept");
        assert!(error.starts_with("the input is truncated: it ends "), "{error}");

        let mut damaged = packed.clone();
        damaged[packed.len() / 2..packed.len() / 2 + 100].fill(0);
        let out = read_all(damaged, options).await;
        // Brotli and bare deflate have no checksum: some damage becomes other text.
        let is_seen = out.contains("error: ") || out.contains("too long");
        assert!(is_seen, "{}", &out[out.len() - 200..]);
    }
}

#[tokio::test]
async fn frames_of_zstd_that_decoders_skip_are_skipped() {
    let skippable = |magic: u8, content: &[u8]| {
        let len = u32::try_from(content.len()).unwrap().to_le_bytes();
        [&[magic, 0x2A, 0x4D, 0x18], &len[..], content].concat()
    };
    let (first, second) = ("{\"id\": 1}\n", "{\"id\": 2}\n");
    let expected = read_all([first, second].concat(), OPTIONS).await;
    let (first, second) = (pack!(ZstdEncoder, first.as_bytes()), pack!(ZstdEncoder, second.as_bytes()));
    // As pzstd writes it: the length of each frame stands before it.
    let sized = |frame: &[u8]| skippable(0x50, &u32::try_from(frame.len()).unwrap().to_le_bytes());
    let pzstd = [sized(&first), first.clone(), sized(&second), second.clone()].concat();
    assert_eq!(read_all(pzstd, OPTIONS).await, expected);
    let scattered =
        [skippable(0x5F, b""), first, skippable(0x53, "{".repeat(100_000).as_bytes()), second, skippable(0x50, b"x")];
    assert_eq!(read_all(scattered.concat(), OPTIONS).await, expected);
    assert_eq!(read_all(skippable(0x50, b"nothing"), OPTIONS).await, "");
}

#[tokio::test]
async fn a_zstd_window_has_its_limit() {
    use async_compression::Level;
    use async_compression::zstd::CParameter;
    let window = [CParameter::window_log(24)];
    let mut encoder =
        async_compression::tokio::write::ZstdEncoder::with_quality_and_params(Vec::new(), Level::Fastest, &window);
    encoder.write_all(many_lines().as_bytes()).await.unwrap();
    encoder.shutdown().await.unwrap();
    let packed = encoder.into_inner();
    assert!(!read_all(packed.clone(), OPTIONS).await.contains("error"));
    let out = read_all(packed, ReaderOptions { max_window_log: 23, ..OPTIONS }).await;
    assert!(out.starts_with("error: the input can't be decompressed: "), "{out}");
}

#[tokio::test]
async fn a_bomb_is_stopped() {
    let bomb = pack!(GzipEncoder, &vec![b' '; 4 << 20]);
    let options = ReaderOptions { max_unpacked_bytes: 1 << 20, ..OPTIONS };
    assert!(read_all(bomb, options).await.ends_with("error: the input is longer than 1048576 bytes\n"));
}

#[tokio::test]
async fn what_is_complete_is_not_held_back() {
    let (mut client, server) = tokio::io::duplex(1024);
    let mut reader = plain_reader(server, OPTIONS);
    for id in 1..4 {
        client.write_all(format!("{{\"id\":{id}}}\n{{").as_bytes()).await.unwrap();
        let chunk = reader.next_chunk().await.unwrap().unwrap();
        assert_eq!(chunk.tweets.iter().map(|tweet| tweet.id).collect::<Vec<_>>(), [id]);
        client.write_all(b"}\n").await.unwrap();
        assert_eq!(reader.next_chunk().await.unwrap().unwrap().tweets[0].id, 0);
    }
    drop(client);
    assert!(reader.next_chunk().await.unwrap().is_none());
}

#[tokio::test]
async fn the_order_is_kept_over_many_chunks() {
    let lines = many_lines();
    let mut reader = plain_reader(io::Cursor::new(lines), OPTIONS);
    let mut next = 1;
    while let Some(chunk) = reader.next_chunk().await.unwrap() {
        for tweet in chunk.tweets {
            assert_eq!(tweet.id, next);
            next += 1;
        }
    }
    assert_eq!(next, 20_000);
}

#[test]
fn memory_is_bounded_by_the_longest_line() {
    let mut splitter = Splitter::new(40, 40, Offset::default());
    for start in ["", "[", "{\"statuses\":["] {
        splitter.push(start.as_bytes());
        for filler in [b' ', b'x', b'\n', b'[', b'"'] {
            for _ in 0..100 {
                splitter.push(&[filler; 10_000]);
                while splitter.next_chunk().is_some() {}
                assert!(splitter.held_bytes() < 400_000, "{} bytes are held", splitter.held_bytes());
            }
        }
    }
}

/// The output of the splitter for an input in these portions.
fn split(input: &[u8], cuts: &[usize], max_bytes: usize) -> String {
    let mut splitter = Splitter::new(max_bytes, max_bytes, Offset::default());
    let mut out = String::new();
    let mut refused = String::new();
    let mut take = |splitter: &mut Splitter| {
        while let Some(chunk) = splitter.next_chunk() {
            for doc in &chunk.docs {
                let bytes = String::from_utf8_lossy(&chunk.bytes[doc.range.clone()]).into_owned();
                let _ = writeln!(out, "{:?} {bytes:?}", doc.location);
            }
            refused.extend(chunk.refused.iter().map(|refused| format!("{refused:?}\n")));
        }
    };
    let mut rest = input;
    for &cut in cuts {
        let (portion, after) = rest.split_at(cut.min(rest.len()));
        splitter.push(portion);
        if cut % 3 == 0 {
            splitter.flush();
        }
        take(&mut splitter);
        rest = after;
    }
    splitter.push(rest);
    let end = splitter.finish(false);
    take(&mut splitter);
    out + &refused + &format!("{end:?}")
}

/// The documents of the input behind an offset, and the ends of the chunks with the number of
/// documents up to each.
fn docs_behind(input: &[u8], from: Offset, cuts: &[usize], max_bytes: usize) -> (Vec<String>, Vec<(usize, Offset)>) {
    let mut splitter = Splitter::new(max_bytes, max_bytes, from);
    let (mut docs, mut ends) = (Vec::new(), Vec::new());
    let mut take = |splitter: &mut Splitter| {
        while let Some(chunk) = splitter.next_chunk() {
            let text = |doc: &RawDoc| String::from_utf8_lossy(&chunk.bytes[doc.range.clone()]).into_owned();
            docs.extend(chunk.docs.iter().map(|doc| format!("{:?} {:?}", doc.location, text(doc))));
            ends.push((docs.len(), chunk.end));
        }
    };
    let mut rest = &input[usize::try_from(from.bytes.unwrap_or(0)).unwrap()..];
    for &cut in cuts {
        let (portion, after) = rest.split_at(cut.min(rest.len()));
        splitter.push(portion);
        splitter.flush();
        take(&mut splitter);
        rest = after;
    }
    splitter.push(rest);
    let _ = splitter.finish(false);
    take(&mut splitter);
    (docs, ends)
}

#[test]
fn what_is_missing_of_a_cut_input_comes_when_it_is_whole() {
    for whole in [
        "{\"id\":1}\n{\"id\":2}\n\n{\"id\":3}\n{\"id\":4}\n",
        "[{\"id\":1},{\"id\":2},\n{\"id\":3}]",
        "{\"statuses\": [{\"id\":1}, {\"id\":2}], \"more\": 1}",
        "{\n\"id\":1\n}\n{\n\"id\":2\n}\n",
    ] {
        let (all, _) = docs_behind(whole.as_bytes(), Offset::default(), &[], 1_000);
        for len in 0..whole.len() {
            let mut splitter = Splitter::new(1_000, 1_000, Offset::default());
            splitter.push(&whole.as_bytes()[..len]);
            splitter.finish(true).expect_err("it was cut");
            let (mut n, mut end) = (0, Offset::default());
            while let Some(chunk) = splitter.next_chunk() {
                (n, end) = (n + chunk.docs.len(), chunk.end);
            }
            // As for compressed inputs: documents are counted from the start.
            let (rest, _) = docs_behind(whole.as_bytes(), Offset { bytes: None, ..end }, &[], 1_000);
            assert_eq!(rest, all[n..], "{len} bytes of {whole}");
        }
    }
}

fn input() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        Just(&b"{"[..]),
        Just(&b"}"[..]),
        Just(&b"["[..]),
        Just(&b"]"[..]),
        Just(&b","[..]),
        Just(&b":"[..]),
        Just(&b"\n"[..]),
        Just(&b"\r\n"[..]),
        Just(&b" "[..]),
        Just(&b"\""[..]),
        Just(&b"\\"[..]),
        Just(&b"12"[..]),
        Just(&b"\xEF\xBB\xBF"[..]),
        Just(&b"\"statuses\""[..]),
        Just(&b"\"statuses\": ["[..]),
        Just(&b"{\"statuses\": ["[..]),
        Just(&b"{\"id\":1}"[..]),
        Just(&b"{\"id\":1}\n"[..]),
        Just(&b"{\"id\":1},\n"[..]),
        Just(&b"{\"text\":\"0123456789 0123456789 0123456789\"}"[..]),
    ];
    proptest::collection::vec(part, 0..24).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn how_the_input_comes_changes_nothing(
        input in input(),
        cuts in proptest::collection::vec(0_usize..12, 0..60),
        max_bytes in prop_oneof![Just(4_usize), Just(20), Just(1000)],
    ) {
        let whole = split(&input, &[], max_bytes);
        prop_assert_eq!(&whole, &split(&input, &cuts, max_bytes));
        prop_assert_eq!(&whole, &split(&input, &vec![1; input.len()], max_bytes));
    }

    #[test]
    fn reading_goes_on_from_the_end_of_every_chunk(
        input in input(),
        cuts in proptest::collection::vec(0_usize..40, 0..20),
        max_bytes in prop_oneof![Just(4_usize), Just(20), Just(1000)],
    ) {
        let (whole, ends) = docs_behind(&input, Offset::default(), &cuts, max_bytes);
        for (before, end) in ends {
            let (rest, _) = docs_behind(&input, end, &[], max_bytes);
            prop_assert_eq!(&whole[before..], &rest[..], "{:?}", end);
            // As for compressed inputs: documents are counted from the start.
            let counted = Offset { bytes: None, ..end };
            let (rest, _) = docs_behind(&input, counted, &[], max_bytes);
            prop_assert_eq!(&whole[before..], &rest[..], "{:?}", counted);
        }
    }

    #[test]
    fn the_same_tweets_come_out_of_every_form(ids in proptest::collection::vec(0_u64..100, 0..30), pretty: bool, newline: bool) {
        let tweets: Vec<_> = ids.iter().map(|id| serde_json::json!({"id": id, "a": {"b": ["]", "}\""]}})).collect();
        let text = |value: &serde_json::Value| {
            let text = if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
            text.unwrap() + if newline { "\n" } else { "" }
        };
        let lines: String = tweets.iter().map(|tweet| format!("{tweet}\n")).collect();
        let array = text(&serde_json::Value::from(tweets.clone()));
        let answer = text(&serde_json::json!({"search_metadata": {"n": 1}, "statuses": tweets}));
        let several: String = tweets.iter().map(|tweet| text(tweet) + "\n").collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let options = ReaderOptions { max_line_bytes: 1000, ..OPTIONS };
        let expected = runtime.block_on(read_all(lines, options));
        for form in [array, answer, several] {
            prop_assert_eq!(&expected, &runtime.block_on(read_all(form, options)));
        }
    }
}
