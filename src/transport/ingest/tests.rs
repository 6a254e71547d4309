use futures_util::TryStreamExt;

use super::*;
use crate::format::reader::RefusalKind;

fn refused(lines: std::ops::Range<u64>) -> Vec<RefusedDoc> {
    lines.map(|line| RefusedDoc { line, kind: RefusalKind::NotATweet, reason: "no JSON".to_owned() }).collect()
}

async fn said(answer: IngestAnswer) -> (u16, serde_json::Value) {
    let response = answer.into_response();
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn nothing_sent_is_no_error() {
    let expected = serde_json::json!({"accepted": 0, "refused": 0, "errors": [], "seq": null});
    assert_eq!(said(IngestAnswer::default()).await, (200, expected));
}

#[tokio::test]
async fn a_refused_line_hurts_no_other() {
    let mut answer = IngestAnswer::default();
    answer.committed(2, Ok(Durable { seq: Seq(8), deleted: 0 }));
    answer.committed(3, Ok(Durable { seq: Seq(5), deleted: 0 }));
    answer.refuse(refused(4..5));
    let expected =
        serde_json::json!({"accepted": 5, "refused": 1, "errors": [{"line": 4, "reason": "no JSON"}], "seq": 8});
    assert_eq!(said(answer).await, (200, expected));
}

#[tokio::test]
async fn all_refused_is_an_error_and_a_hundred_are_listed() {
    let mut answer = IngestAnswer::default();
    answer.refuse(refused(1..81));
    answer.refuse(refused(81..201));
    let (status, body) = said(answer).await;
    assert_eq!((status, &body["refused"]), (400, &serde_json::json!(200)));
    assert_eq!(body["errors"].as_array().unwrap().len(), MAX_ERRORS);
    assert_eq!(body["errors"][99]["line"], 100);
}

#[tokio::test]
async fn the_first_fault_is_told_with_what_was_accepted_before() {
    let mut answer = IngestAnswer::default();
    answer.committed(2, Ok(Durable { seq: Seq(8), deleted: 0 }));
    answer.committed(3, Err(IntakeError::Full));
    answer.committed(3, Err(IntakeError::Closed));
    let (status, body) = said(answer).await;
    assert_eq!((status, &body["accepted"], &body["error"]["code"]), (507, &serde_json::json!(2), &"no_space".into()));
}

#[tokio::test]
async fn deletions_and_skipped_messages_are_taken_too() {
    for (deletions, skipped) in [(1, 0), (0, 1)] {
        let mut answer = IngestAnswer { deletions, skipped, ..IngestAnswer::default() };
        answer.refuse(refused(1..2));
        assert_eq!(said(answer).await.0, 200);
    }
}

#[test]
fn what_fails_in_perch_is_no_fault_of_the_body() {
    let code = |error: fn(io::Error) -> ReadError, kind| {
        read_error(&error(io::Error::new(kind, "x")), &Stopped::default(), 0).code
    };
    assert!(code(ReadError::Failed, io::ErrorKind::StorageFull) == Code::NoSpace);
    assert!(code(ReadError::Failed, io::ErrorKind::PermissionDenied) == Code::Internal);
    assert!(code(ReadError::Io, io::ErrorKind::Other) == Code::BadPayload);
}

#[test]
fn only_what_can_be_unpacked_is_taken() {
    let with = |codings: &[&'static str]| {
        let mut headers = HeaderMap::new();
        for coding in codings {
            headers.append(header::CONTENT_ENCODING, coding.parse().unwrap());
        }
        compression(&headers)
    };
    for (codings, found) in [
        (&[][..], Compression::Detect),
        (&["GZIP"], Compression::Detect),
        (&["zstd"], Compression::Detect),
        (&["br"], Compression::Brotli),
        (&["deflate"], Compression::Deflate),
        (&["identity, br, "], Compression::Brotli),
        (&["identity", "deflate"], Compression::Deflate),
    ] {
        assert_eq!(with(codings), Ok(found), "{codings:?}");
    }
    for codings in [&["compress"][..], &["gzip, zstd"], &["gzip", "gzip"], &["br;q=1"]] {
        assert!(with(codings).unwrap_err().message.contains("Content-Encoding"), "{codings:?}");
    }
}

#[tokio::test]
async fn a_body_has_its_limit() {
    for (max_bytes, fits) in [(0, true), (11, true), (10, false)] {
        let chunks = ["hello ", "world"].map(Ok::<_, io::Error>);
        let body = Body::from_stream(futures_util::stream::iter(chunks));
        let (bytes, stopped) = limited(body, max_bytes, Duration::from_secs(60));
        let read = bytes.try_collect::<Vec<_>>().await;
        assert_eq!((read.is_ok(), stopped.get()), (fits, (!fits).then_some(&Stop::TooLong)), "{max_bytes}");
    }
}
