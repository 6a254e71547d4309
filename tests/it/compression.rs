//! Long answers are compressed for clients that take it.

use async_compression::tokio::bufread::{BrotliDecoder, GzipDecoder, ZstdDecoder};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::support::{Perch, tweet};

async fn unpacked(mut reader: impl AsyncRead + Unpin) -> Vec<u8> {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).await.expect("it is packed as it says");
    bytes
}

/// GETs a path with this `Accept-Encoding`: the coding of the answer, its length, and what it says.
async fn get(perch: &Perch, path: &str, accepted: &str) -> (Option<String>, usize, Value) {
    let request = perch.http.get(perch.url(path)).header("Accept-Encoding", accepted);
    let answer = request.send().await.expect("perch answers");
    assert_eq!(answer.status().as_u16(), 200);
    let header = |name: &str| Some(answer.headers().get(name)?.to_str().expect("text").to_owned());
    let (coding, len, vary) = (header("content-encoding"), header("content-length"), header("vary"));
    let bytes = answer.bytes().await.expect("a body");
    assert_eq!(len, Some(bytes.len().to_string()), "{accepted}");
    if coding.is_some() {
        assert!(vary.is_some_and(|vary| vary.contains("accept-encoding")), "{accepted}");
    }
    let plain = match coding.as_deref() {
        Some("gzip") => unpacked(GzipDecoder::new(&bytes[..])).await,
        Some("br") => unpacked(BrotliDecoder::new(&bytes[..])).await,
        Some("zstd") => unpacked(ZstdDecoder::new(&bytes[..])).await,
        Some(coding) => panic!("{coding}"),
        None => bytes.to_vec(),
    };
    (coding, bytes.len(), serde_json::from_slice(&plain).expect("JSON"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_compressed_as_the_client_wants_it() {
    let perch = Perch::start().await;
    let tweets: Vec<_> = (1..=500).map(|id| tweet(id, &format!("rust number {id} of many"))).collect();
    perch.ingest(&tweets).await;
    let path = "/api/search?q=rust&n=500&until_seq=500";
    let (coding, plain_bytes, page) = get(&perch, path, "identity").await;
    assert_eq!((coding, page["result"].as_array().map(Vec::len)), (None, Some(500)), "{page}");
    for (accepted, expected) in [
        ("gzip", Some("gzip")),
        ("br", Some("br")),
        ("zstd", Some("zstd")),
        ("gzip, deflate, br, zstd", Some("zstd")),
        ("zstd;q=0, br;q=0.5, gzip;q=0.9", Some("gzip")),
        ("deflate", None),
        ("gzip;q=0", None),
    ] {
        let (coding, bytes, same) = get(&perch, path, accepted).await;
        assert_eq!(coding.as_deref(), expected, "{accepted}");
        assert_eq!(same, page, "{accepted}");
        if expected.is_some() {
            assert!(bytes * 4 < plain_bytes, "{accepted}: {bytes} of {plain_bytes}");
        }
    }
    // What is short is sent as it is.
    assert_eq!(get(&perch, "/api/search?q=rust&n=1", "gzip").await.0, None);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_and_secrets_are_not_compressed() {
    let perch = Perch::start().await;
    let request = perch.http.get(perch.url("/api/stream?q=rust")).header("Accept-Encoding", "gzip, br, zstd");
    let stream = request.send().await.expect("perch answers");
    assert!(stream.headers().get("content-encoding").is_none());
    drop(stream);
    // What others search for stands there beside what anybody may register.
    let mut client = perch.connect().await;
    for at in 0..100 {
        let query = format!("a rather long query with the number {at}");
        client.percolate(serde_json::json!({"query": query, "name": at.to_string()})).await;
    }
    let (coding, bytes, _) = get(&perch, "/api/queries", "gzip, br, zstd").await;
    assert!(coding.is_none() && bytes > 4_096, "{coding:?} {bytes}");
    drop(client);
    perch.stop().await;
}
