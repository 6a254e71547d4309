//! Packings, tables, pages, and files without tweets.

use super::archives::zip_of;
use super::*;

#[tokio::test]
async fn bzip2_xz_and_utf16_are_read() {
    let lines = many_lines();
    let expected = read_all(lines.clone(), OPTIONS).await;
    for packed in [pack!(BzEncoder, lines.as_bytes()), pack!(XzEncoder, lines.as_bytes())] {
        assert_eq!(read_all(packed.clone(), OPTIONS).await, expected);
        assert_eq!(read_all([&packed[..], &packed[..]].concat(), OPTIONS).await, expected.repeat(2));
        let out = read_all(&packed[..packed.len() - 10_000], OPTIONS).await;
        assert!(out.contains("error: "), "{}", &out[out.len() - 200..]);
    }
    let text = "\u{FEFF}{\"id\":1,\"t\":\"ü\"}\r\n{\"id\":2}\r\n";
    let expected = read_all(text, OPTIONS).await;
    for unit in [u16::to_le_bytes, u16::to_be_bytes] {
        let bytes: Vec<u8> = text.encode_utf16().flat_map(unit).collect();
        assert_eq!(read_all(bytes, OPTIONS).await, expected);
    }
}

#[tokio::test]
async fn an_xz_dictionary_has_its_limit() {
    let quality = async_compression::Level::Precise(9);
    let mut encoder = async_compression::tokio::write::XzEncoder::with_quality(Vec::new(), quality);
    encoder.write_all(b"{\"id\":1}\n").await.unwrap();
    encoder.shutdown().await.unwrap();
    let packed = encoder.into_inner();
    assert_eq!(read_all(packed.clone(), OPTIONS).await, "{\"id\":1}\n");
    let out = read_all(packed, ReaderOptions { max_window_log: 23, ..OPTIONS }).await;
    assert!(out.starts_with("error: the input can't be decompressed: "), "{out}");
}

#[tokio::test]
async fn what_is_no_file_of_tweets_is_one_mistake() {
    for (input, expected) in [
        (b"%PDF-1.7 and so on\nmore\n".to_vec(), "a PDF document"),
        (b"\x3A\xA2eroots\x81\xD8\x2A\nmore\n".to_vec(), "perch reads the answers of listRecords instead"),
        (b"hello\nworld\n".repeat(2_000), "plain text"),
        (b"{\"a\":1}\n{\"b\":2}\n".to_vec(), "the keys a"),
        (b"<!DOCTYPE html><p>".to_vec(), "a web page"),
        (zip_of(&[("a.txt", b"hello")]), "an archive whose files (1) hold no tweets"),
    ] {
        let mut reader = BulkReader::new(io::Cursor::new(input), ReaderOptions::default());
        let error = reader.next_chunk().await.expect_err("it is none").to_string();
        assert!(error.starts_with("this is no file of tweets") && error.contains(expected), "{error}");
        assert!(reader.next_chunk().await.unwrap().is_none());
    }
}

#[tokio::test]
async fn tables_are_read_row_by_row() {
    let table = "id\ttext\r\n1\t\"two\nlines\"\r\n2\t5\" wide\r\n\r\n3\tlast";
    let mut reader = BulkReader::with(table.as_bytes(), ReaderOptions::default(), Offset::default(), |tweet, _| tweet);
    let chunk = reader.next_chunk().await.unwrap().unwrap();
    let texts: Vec<&str> = chunk.tweets.iter().map(|tweet| tweet.text.as_str()).collect();
    assert_eq!(texts, ["two\nlines", "5\" wide", "last"]);
    let map = vec![("id".to_owned(), "Nr".to_owned()), ("text".to_owned(), "Inhalt".to_owned())];
    let mut reader =
        BulkReader::with(&b"Nr;Inhalt\n7;x\n"[..], ReaderOptions::default(), Offset::default(), |tweet, _| tweet)
            .with_columns(map);
    assert_eq!(reader.next_chunk().await.unwrap().unwrap().tweets[0].id, 7);
}

#[tokio::test]
async fn a_page_may_be_longer_than_a_tweet() {
    let long = "x".repeat(400);
    let tweet = |id: u32, text: &str| format!("{{\"id\":\"{id}\",\"text\":\"{text}\",\"author_id\":\"7\"}}");
    let page = format!(
        "{{\"data\":[{},{},{}],\"includes\":{{\"users\":[{{\"id\":\"7\",\"username\":\"ann\"}}]}}}}\n",
        tweet(1, "a"),
        tweet(2, &long),
        tweet(3, &"y".repeat(100))
    );
    let options = ReaderOptions { max_line_bytes: 200, ..OPTIONS };
    let mut reader = BulkReader::with(io::Cursor::new(page), options, Offset::default(), |tweet, _| tweet);
    let chunk = reader.next_chunk().await.unwrap().unwrap();
    assert_eq!(chunk.tweets.iter().map(|tweet| tweet.id).collect::<Vec<_>>(), [1, 3]);
    assert!(chunk.tweets.iter().all(|tweet| tweet.user.screen_name == "ann"));
    assert!(chunk.refused[0].reason.starts_with("data[1]: too long: more than 200 bytes"), "{:?}", chunk.refused);
}

#[tokio::test]
async fn the_raw_reader_gives_the_bytes_as_they_are() {
    let packed = pack!(GzipEncoder, b"[{\"id\": 1},\n {\"id\":\n2}]");
    let mut reader = RawReader::resume(io::Cursor::new(packed), OPTIONS, Offset::default());
    let chunk = reader.next_chunk().await.unwrap().unwrap();
    let docs: Vec<_> = chunk.docs.iter().map(|doc| (doc.location, &chunk.bytes[doc.range.clone()])).collect();
    assert_eq!(docs, [(Location::Element(1), &b"{\"id\": 1}"[..]), (Location::Element(2), &b"{\"id\":\n2}"[..])]);
    assert!(reader.next_chunk().await.unwrap().is_none());
}

fn tweet_reader(input: String) -> BulkReader<Tweet> {
    BulkReader::with(io::Cursor::new(input), ReaderOptions::default(), Offset::default(), |tweet, _| tweet)
}

#[tokio::test]
async fn the_tweets_of_a_long_page_come_in_several_chunks() {
    let tweet = |id: u32| format!(r#"{{"id":"{id}","text":"a","author_id":"7"}}"#);
    let tweets: Vec<String> = (1..=12_000).map(tweet).collect();
    let users = r#"[{"id":"7","username":"ann"},{"username":"no_id"}]"#;
    let input = format!("{{\"data\":[{}],\"includes\":{{\"users\":{users}}}}}\n{}\n", tweets.join(","), tweet(12_001));
    let mut reader = tweet_reader(input);
    let (mut ids, mut lens, mut ends) = (Vec::new(), Vec::new(), Vec::new());
    let (mut dropped, mut documents) = (crate::tweet::Dropped::default(), 0);
    while let Some(chunk) = reader.next_chunk().await.unwrap() {
        assert!(chunk.tweets.iter().all(|tweet| tweet.id == 12_001 || tweet.user.screen_name == "ann"));
        ids.extend(chunk.tweets.iter().map(|tweet| tweet.id));
        lens.push(chunk.tweets.len());
        ends.push(chunk.end.map(|end| end.docs));
        dropped.merge(&chunk.dropped);
        documents += chunk.formats.values().sum::<u64>();
    }
    assert!(ids.iter().copied().eq(1..=12_001), "{lens:?}");
    assert_eq!((lens, ends), (vec![5_000, 5_000, 2_001], vec![None, None, Some(2)]));
    assert_eq!((dropped.iter().collect::<Vec<_>>(), documents), (vec![("includes.users", 1)], 2));
}

#[tokio::test]
async fn the_mistakes_of_a_long_page_come_in_several_chunks() {
    let mut reader = tweet_reader(format!("{{\"data\":[{}0]}}", "0,".repeat(20_000)));
    let mut n = 0;
    while let Some(chunk) = reader.next_chunk().await.unwrap() {
        assert!(chunk.refused.len() <= 5_000, "{}", chunk.refused.len());
        for refused in chunk.refused {
            assert!(refused.reason.starts_with(&format!("data[{n}]: ")), "{refused:?}");
            n += 1;
        }
    }
    assert_eq!(n, 20_001);
}

#[tokio::test]
async fn tweets_behind_many_other_lines_are_read() {
    let mut reader = tweet_reader("starting up\n".repeat(1_500) + "{\"id\":1,\"text\":\"a\"}\n");
    let (mut ids, mut refused) = (Vec::new(), 0);
    while let Some(chunk) = reader.next_chunk().await.unwrap() {
        ids.extend(chunk.tweets.iter().map(|tweet| tweet.id));
        refused += chunk.refused.len();
    }
    assert_eq!((ids, refused), (vec![1], 1_500));
    // Such a file in an archive is no different.
    let log = "starting up\n".repeat(1_500) + "{\"id\":1,\"text\":\"a\"}\n";
    let zip = zip_of(&[("log", log.as_bytes())]);
    let mut reader = BulkReader::with(io::Cursor::new(zip), ReaderOptions::default(), Offset::default(), |it, _| it);
    let chunk = reader.next_chunk().await.unwrap().unwrap();
    assert_eq!((chunk.tweets.len() + reader.next_chunk().await.unwrap().map_or(0, |it| it.tweets.len())), 1);
}

#[tokio::test]
async fn a_given_format_decides_how_a_file_is_split() {
    let read = async |input: &str, format: &str| {
        let options = ReaderOptions { format: super::super::super::find(format), ..ReaderOptions::default() };
        let input = io::Cursor::new(input.to_owned());
        let mut reader = BulkReader::with(input, options, Offset::default(), |tweet, _| tweet);
        let chunk = reader.next_chunk().await.unwrap().unwrap();
        (chunk.tweets.into_iter().map(|tweet| tweet.text).collect::<Vec<_>>(), chunk.refused)
    };
    // The list of another format's pages is a field here.
    let own = r#"{"id": 1, "text": "whole", "posts": [{"uri": "at://x"}]}"#;
    assert_eq!(read(own, "scraper").await, (vec!["whole".to_owned()], vec![]));
    // A line that could be the names of a table is a line.
    let (texts, refused) = read("id,text\n{\"id\":1,\"text\":\"a\"}\n", "twitter-v1").await;
    assert_eq!((texts, refused.len()), (vec!["a".to_owned()], 1));
    // The names of a table may look like JSON.
    assert_eq!(read("[id],[text]\n1,a\n", "csv").await, (vec!["a".to_owned()], vec![]));
}

#[tokio::test]
async fn the_names_of_a_table_have_their_limit() {
    let long = format!("id,text{}\n1,a\n", ",x".repeat(40_000));
    let error = tweet_reader(long).next_chunk().await.expect_err("no table").to_string();
    assert!(error.contains("plain text"), "{error}");
    let mut reader = tweet_reader(format!("id,text\n1,{}\n2,b\n", "a".repeat(2 << 20)));
    let chunk = reader.next_chunk().await.unwrap().unwrap();
    assert_eq!((chunk.tweets[0].id, chunk.refused[0].kind), (2, RefusalKind::TooLong));
}

/// Looking at all bytes again for each that comes would take hours here.
#[test]
fn each_byte_is_looked_at_once_however_it_comes() {
    for start in ["{\"text\":\"", "[{\"text\":\"", "{\"a\":\n\"", "\"", " "] {
        let mut splitter = Splitter::new(4 << 20, 4 << 20, Offset::default());
        splitter.push(start.as_bytes());
        let filler = if start == " " { b" " } else { b"x" };
        for _ in 0..1 << 20 {
            splitter.push(filler);
        }
        let _ = splitter.finish(false);
    }
}

#[tokio::test]
async fn a_stream_of_mastodon_deletes_by_number() {
    let status = |number: u32, name: &str| {
        let uri = format!("https://social.example/users/{name}/statuses/{number}");
        let status = serde_json::json!({
            "id": number.to_string(), "uri": uri, "content": "<p>hi</p>", "created_at": "2024-02-29T12:30:45Z",
            "account": {"acct": name, "url": format!("https://social.example/@{name}")},
        });
        serde_json::json!({"event": "update", "payload": status.to_string()}).to_string()
    };
    let deletion = |number: u32| serde_json::json!({"event": "delete", "payload": number.to_string()}).to_string();
    let lines = [status(1, "ann"), status(2, "bob"), deletion(1), deletion(9), status(2, "cid"), deletion(2)];
    let mut reader = tweet_reader(lines.join("\n"));
    let chunk = reader.next_chunk().await.unwrap().unwrap();
    let deleted: Vec<_> = chunk.deletions.iter().map(|it| (it.id_str.as_str(), it.at)).collect();
    assert_eq!(deleted, [("https://social.example/users/ann/statuses/1", 2)]);
    // The status of another file, and a number of two instances.
    assert_eq!((chunk.tweets.len(), chunk.skipped.get("delete")), (3, Some(&2)));
}
