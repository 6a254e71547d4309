use super::*;
use crate::pipeline::IntakeError;

#[test]
fn codes_are_told_apart_and_fail() {
    let mut names = Code::ALL.iter().map(|code| code.name()).collect::<Vec<_>>();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Code::ALL.len());
    assert!(Code::ALL.iter().all(|code| code.status().is_client_error() || code.status().is_server_error()));
}

#[tokio::test]
async fn an_error_over_http_says_what_and_where_and_when_to_come_back() {
    let response = ApiError::field("n", "is missing").into_response();
    assert_eq!(response.status(), 400);
    assert!(response.headers().get(header::RETRY_AFTER).is_none());
    let body = axum::body::to_bytes(response.into_body(), 1_000).await.unwrap();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        body,
        serde_json::json!({"error": {"code": "bad_payload", "message": "`n` is missing", "at": {"field": "n"}}})
    );

    let response = ApiError::from(IntakeError::Closed).into_response();
    assert_eq!(
        (response.status().as_u16(), &response.headers()[header::RETRY_AFTER]),
        (503, &HeaderValue::from_static("1"))
    );
    assert_eq!(ApiError::from(IntakeError::Full).into_response().status(), 507);

    let response = ApiError::new(Code::TooLarge, "too much").into_response();
    assert_eq!(
        (response.status().as_u16(), &response.headers()[header::CONNECTION]),
        (413, &HeaderValue::from_static("close"))
    );
}

#[test]
fn the_causes_of_failures_stay_inside() {
    let error = ApiError::from(IntakeError::Failed("/var/lib/perch: no such file".to_owned()));
    assert!(!error.message.contains("/var"), "{}", error.message);
    assert_eq!(error.code, Code::Unavailable, "it may be better in a moment: the client should try again");
}
