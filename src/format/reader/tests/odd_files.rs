//! Files that spreadsheets, streams and old archives write, and files without a document.

use super::archives::zip_of;
use super::*;

/// What a file holds.
#[derive(Debug, Default, PartialEq)]
struct Found {
    texts: Vec<String>,
    refused: Vec<(u64, String)>,
    skipped: Vec<&'static str>,
    deletions: Vec<String>,
    /// Why it is no file of tweets.
    emptiness: Option<String>,
}

async fn found(input: impl Into<Vec<u8>>) -> Found {
    let input = io::Cursor::new(input.into());
    let mut reader = BulkReader::with(input, ReaderOptions::default(), Offset::default(), |tweet, _| tweet);
    let mut found = Found::default();
    while let Some(chunk) = reader.next_chunk().await.unwrap() {
        found.texts.extend(chunk.tweets.into_iter().map(|tweet| tweet.text));
        found.refused.extend(chunk.refused.into_iter().map(|refused| (refused.line, refused.reason)));
        found.skipped.extend(chunk.skipped.into_keys());
        found.deletions.extend(chunk.deletions.into_iter().map(|deletion| deletion.id_str));
    }
    found.emptiness = reader.emptiness().map(|error| error.to_string());
    found
}

#[tokio::test]
async fn a_quote_that_nothing_closes_swallows_no_row() {
    let tabs = "id\ttext\n1\ta\n2\t\"open\n3\tb\n4\t\"one\nmore\"\n5\t\"q\" x\n6\t\"last\n";
    let found_tabs = found(tabs).await;
    assert_eq!(found_tabs.texts, ["a", "\"open", "b", "one\nmore", "\"q\" x", "\"last"], "{found_tabs:?}");
    // The portions in which the bytes come change nothing.
    for size in 1..20 {
        let mut splitter = Splitter::new(1 << 20, 1 << 20, Offset::default());
        tabs.as_bytes().chunks(size).for_each(|bytes| splitter.push(bytes));
        splitter.finish(false).unwrap();
        let rows = std::iter::from_fn(|| splitter.next_chunk()).map(|chunk| chunk.docs.len());
        assert_eq!(rows.sum::<usize>(), 6, "{size}");
    }
    let commas = found("id,text\n1,\"two\nlines\"\n2,\"open\n3,b\n4,c\n").await;
    assert_eq!(commas.texts, ["two\nlines", "b", "c"], "{commas:?}");
    assert_eq!(commas.refused, [(4, "a quote begins a cell of this row, and nothing closes it".to_owned())]);
}

#[tokio::test]
async fn a_refused_row_is_named_by_its_line() {
    let table = found("id,text\n1,\"two\nlines\"\n,no id\n3,c\n").await;
    assert_eq!((table.texts.len(), table.refused[0].0), (2, 4), "{table:?}");
    assert!(table.refused[0].1.starts_with("id: missing"), "{table:?}");
}

#[tokio::test]
async fn files_of_old_macs_are_read() {
    assert_eq!(found("id,text\r1,a\r2,\"b\rc\"\r").await.texts, ["a", "b\rc"]);
    assert_eq!(found("{\"id\":1,\"text\":\"a\"}\r{\"id\":2,\"text\":\"b\"}\r").await.texts, ["a", "b"]);
}

#[tokio::test]
async fn objects_need_no_line_of_their_own() {
    let (first, second) = (r#"{"id":1,"text":"a"}"#, r#"{"id":2,"text":"b"}"#);
    for input in [
        format!("{first}{second}"),
        format!("{first} {second}\n"),
        format!("{first},\n{second},\n"),
        format!("{}\r\n{first}\r\n{}\r\n{second}\r\n", first.len() + 2, second.len() + 2),
    ] {
        let found = found(&*input).await;
        assert_eq!((found.texts, found.refused), (vec!["a".to_owned(), "b".to_owned()], vec![]), "{input}");
    }
    // A number that is no length is a mistake.
    assert_eq!(found(format!("{first}\nnothing\n7\nnothing\n")).await.refused.len(), 3);
}

#[tokio::test]
async fn the_event_delete_of_mastodon_deletes() {
    let status = r#"{"id": "113284", "uri": "https://m.x/113284", "content": "<p>a</p>", "account": {"acct": "ann"}}"#;
    let other = r#"{"id": "1", "type": "mention", "account": {"acct": "bob"}}"#;
    let events = format!(
        "event: update\ndata: {status}\n\nevent: notification\ndata: {other}\n\nevent: delete\ndata: 113284\n\n"
    );
    let found = found(events).await;
    assert_eq!(found.deletions, ["https://m.x/113284"], "{found:?}");
    assert_eq!((found.skipped, found.refused), (vec!["notification"], vec![]));
}

#[tokio::test]
async fn the_summary_of_an_old_archive_replaces_no_tweet() {
    let month = b"Grailbird.data.tweets_2013_01 = \n [ {\"id_str\": \"29\", \"text\": \"a &lt;3\", \"id\": 29} ]";
    let table = b"\"tweet_id\",\"text\"\n\"29\",\"a <3\"\n";
    let details = b"var user_details = {\"screen_name\": \"ann\", \"bio\": \"b\", \"id\": \"7\"}";
    let files: [(&str, &[u8]); 3] =
        [("tweets.csv", table), ("data/js/user_details.js", details), ("data/js/tweets/2013_01.js", month)];
    let whole = found(zip_of(&files)).await;
    assert_eq!((whole.texts, whole.refused), (vec!["a &lt;3".to_owned()], vec![]));
    assert_eq!(whole.skipped, ["user_details"]);
    // Without the months it is all that there is.
    assert_eq!(found(zip_of(&files[..1])).await.texts, ["a <3"]);
}

#[tokio::test]
async fn a_file_without_a_document_says_what_it_is() {
    let workbook: [(&str, &[u8]); 2] = [("[Content_Types].xml", b"<Types/>"), ("xl/workbook.xml", b"<x/>")];
    for (input, expected) in [
        (zip_of(&workbook), "save it as CSV in UTF-8"),
        (zip_of(&[("a.png", b"x"), ("b.html", b"x")]), "an archive without files"),
        (zip_of(&[]), "an archive without files"),
        (b"id,text\n".to_vec(), "a table with a row of names"),
        (Vec::new(), "an empty file"),
        (b" \n".to_vec(), "an empty file"),
    ] {
        let found = found(input).await;
        assert!(found.texts.is_empty() && found.refused.is_empty(), "{found:?}");
        assert!(found.emptiness.as_ref().is_some_and(|error| error.contains(expected)), "{expected}: {found:?}");
    }
    for input in ["[]", "{\"statuses\": []}", "{\"id\":1,\"text\":\"a\"}"] {
        assert_eq!(found(input).await.emptiness, None, "{input}");
    }
}

#[tokio::test]
async fn a_cut_xz_is_truncated() {
    let packed = pack!(XzEncoder, many_lines().as_bytes());
    let out = read_all(&packed[..packed.len() - 10_000], OPTIONS).await;
    assert!(out.contains("error: the input is truncated"), "{}", &out[out.len().saturating_sub(200)..]);
}
