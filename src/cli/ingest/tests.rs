use super::*;

async fn portion(text: &'static str) -> Portion {
    let mut reader = RawReader::new(text.as_bytes(), ReaderOptions::default());
    let mut portion = Portion::default();
    while let Some(chunk) = reader.next_chunk().await.unwrap() {
        portion.add(&chunk);
    }
    portion
}

#[tokio::test]
async fn a_portion_has_one_line_for_each_piece_and_knows_its_place() {
    let lines = portion("{\"a\":1}\r\n\nnonsense\n").await;
    assert_eq!(lines.body, b"{\"a\":1} \nnonsense\n");
    assert_eq!(lines.locations, [Location::Line(1), Location::Line(3)]);
    let array = portion("[{\n\"a\": 1\n}, {\"b\":\n2}]").await;
    assert_eq!(array.body, b"{ \"a\": 1 }\n{\"b\": 2}\n");
    assert_eq!(array.locations, [Location::Element(1), Location::Element(2)]);
}

#[test]
fn answers_are_understood() {
    let answer = understand(
        StatusCode::BAD_REQUEST,
        r#"{"accepted":0,"refused":1,"errors":[{"line":1,"reason":"no"}],"seq":null}"#,
    );
    let answer = answer.unwrap();
    assert_eq!((answer.accepted, answer.refused, answer.errors[0].line), (0, 1, 1));
    let error = r#"{"error":{"code":"too_large","message":"too much"}}"#;
    assert!(matches!(understand(StatusCode::PAYLOAD_TOO_LARGE, error), Err(Failure::Other(_))));
    assert!(understand(StatusCode::OK, "hello").is_err());
}
