//! Receivers that are wrong or hostile: each is a clear error within the time of one try.

use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_util::task::AbortOnDropHandle;

use super::receiver::{Answer, Receiver};
use super::{LOCAL, get, put, send};
use crate::support::{Perch, tweet, until};

/// The error of a test of the search `a`.
async fn error(perch: &Perch) -> Value {
    let (_, tested) = send(perch, reqwest::Method::POST, "/api/searches/a/test", None).await;
    tested["results"][0].clone()
}

fn hook(url: &str) -> Value {
    json!({"query": "a", "deliver": [{"type": "webhook", "url": url}]})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_nobody_has_signed_is_refused() {
    let perch = Perch::start_with(LOCAL).await;
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .expect("a key for the certificate");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("https://localhost:{}/", listener.local_addr().expect("an address").port());
    let _serving = AbortOnDropHandle::new(tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            assert!(acceptor.accept(stream).await.is_err(), "perch trusts nobody");
        }
    }));
    put(&perch, "a", &hook(&url)).await;
    let result = error(&perch).await;
    let reason = result["error"].as_str().expect("an error");
    assert!(reason.contains("certificate") && result["status"].is_null(), "{result}");
    // So it is in the state of a delivery.
    perch.ingest(&[tweet(1, "a")]).await;
    until(async || get(&perch, "/api/searches/a").await["state"] == "failing").await;
    assert_eq!(get(&perch, "/api/searches/a").await["reason"], reason);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_loop_is_one_request() {
    let perch = Perch::start_with(LOCAL).await;
    let mut receiver = Receiver::start().await;
    for status in [301, 302, 303, 307, 308] {
        // Another address, because each gets one sample in a minute.
        let url = format!("{}?{status}", receiver.url);
        put(&perch, "a", &hook(&url)).await;
        receiver.answer_always(Answer::status(status).with("location", &url));
        let result = error(&perch).await;
        assert_eq!((&result["status"], receiver.drain().len()), (&json!(status), 1), "{result}");
        assert!(result["error"].as_str().is_some_and(|reason| reason.contains(&status.to_string())), "{result}");
    }
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_byte_by_byte_takes_the_time_of_one_try() {
    let perch = Perch::start_with(&format!("{LOCAL}timeout_seconds = 1\n")).await;
    let receiver = Receiver::start().await;
    put(&perch, "a", &hook(&receiver.url)).await;
    // A head without an end.
    receiver.answer_always(Answer::SlowHead);
    let result = error(&perch).await;
    assert_eq!((&result["status"], &result["error"]), (&Value::Null, &json!("no answer in 1 s")));
    // The body of an answer is of no interest.
    receiver.answer_always(Answer::SlowBody);
    put(&perch, "a", &hook(&format!("{}?again", receiver.url))).await;
    let result = error(&perch).await;
    assert_eq!((&result["status"], &result["error"]), (&json!(200), &Value::Null));
    perch.stop().await;
}
