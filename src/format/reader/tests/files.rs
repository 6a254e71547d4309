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
