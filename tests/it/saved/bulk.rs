//! Many searches saved by one request.

use serde_json::{Value, json};

use super::receiver::{Receiver, SECRET, ids};
use super::{LOCAL, get, put};
use crate::support::process::perch;
use crate::support::{Perch, tweet};

async fn post(perch: &Perch, lines: &[String]) -> (u16, Value) {
    perch.post("/api/searches", lines.join("\n")).await
}

fn refused(answer: &Value) -> Vec<u64> {
    let errors = answer["errors"].as_array().expect("errors").iter();
    errors.map(|error| error["line"].as_u64().expect("a line")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_line_is_saved_as_a_put_would_save_it() {
    let perch = Perch::start_with(LOCAL).await;
    let mut receiver = Receiver::start().await;
    let hook = json!([{"type": "webhook", "url": receiver.url}]);
    let signed = |secret: &str| json!([{"type": "webhook", "url": receiver.url, "secret": secret}]);
    put(&perch, "old", &json!({"query": "old", "deliver": signed(SECRET)})).await;
    perch.ingest(&[tweet(1, "two")]).await;
    let lines: Vec<String> = [
        json!({"name": "a", "query": "one", "deliver": hook}).to_string(),
        "no JSON".to_owned(),
        json!({"query": "a"}).to_string(),
        json!({"name": "b", "query": "b AND"}).to_string(),
        json!({"name": "pattern", "query": "patt*", "deliver": hook}).to_string(),
        json!({"name": "a", "query": "two", "deliver": hook}).to_string(),
        String::new(),
        json!({"name": "old", "query": "old", "deliver": signed("***")}).to_string(),
        json!({"name": "d", "query": "d", "deliver": [{"type": "pigeon"}]}).to_string(),
        json!({"name": "paused", "query": "paused", "paused": true, "deliver": hook}).to_string(),
        json!({"name": "bare", "query": "bare", "tags": ["x"]}).to_string(),
        json!({"name": "g g", "query": "g"}).to_string(),
        json!({"name": "masked", "query": "g", "deliver": signed("***")}).to_string(),
        json!({"name": "since", "query": "two", "since": 0, "deliver": hook}).to_string(),
    ]
    .into();
    let first = get(&perch, "/api/searches/old").await;
    let (status, answer) = post(&perch, &lines).await;
    assert_eq!((status, refused(&answer)), (200, vec![2, 3, 4, 9, 12, 13]), "{answer}");
    assert_eq!((&answer["accepted"], &answer["created"], &answer["refused"]), (&json!(7), &json!(5), &json!(6)));
    assert!(answer["errors"][1]["reason"].as_str().is_some_and(|reason| reason.contains("`name` is missing")));
    let (a, old) = (get(&perch, "/api/searches/a").await, get(&perch, "/api/searches/old").await);
    assert_eq!((&a["query"], &a["position"]), (&json!("two"), &json!(1)), "{a}");
    assert_eq!((&old["revision"], &old["deliver"][0]["secret"]), (&first["revision"], &json!("***")));
    assert_eq!(get(&perch, "/api/searches/paused").await["state"], "paused");
    // The one that begins in the past has its match now.
    let past = receiver.next().await;
    assert_eq!((&past.body["data"]["search"], ids(&past.events())), (&json!("since"), vec!["1".to_owned()]));
    // The same again changes nothing, whatever is there already.
    let (_, again) = post(&perch, &lines[1..13]).await;
    assert_eq!((&again["accepted"], &again["created"]), (&json!(5), &json!(0)), "{again}");
    assert_eq!(get(&perch, "/api/searches/a").await["revision"], a["revision"]);
    let perch = perch.restart().await;
    assert_eq!(get(&perch, "/api/searches").await["searches"].as_array().map(Vec::len), Some(6));
    perch.ingest(&[tweet(2, "paused patterns"), tweet(3, "bare one")]).await;
    let request = receiver.next().await;
    assert_eq!((&request.body["data"]["search"], ids(&request.events())), (&json!("pattern"), vec!["2".to_owned()]));
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_body_is_saved_up_to_the_limits() {
    let perch = Perch::start_with("[limits]\nmax_saved_searches = 4_500\nmax_query_body_bytes = 1024\n").await;
    let line = |at: usize| json!({"name": format!("s{at}"), "query": format!("word{at}")}).to_string();
    let mut lines: Vec<String> = (0..5_000).map(line).collect();
    lines[10] = json!({"name": "long", "query": "a".repeat(2_000)}).to_string();
    let (status, answer) = post(&perch, &lines).await;
    assert_eq!((status, &answer["created"], &answer["refused"]), (200, &json!(4_500), &json!(500)), "{status}");
    let errors = refused(&answer);
    assert_eq!((errors.len(), errors[0], errors[1]), (100, 11, 4_502));
    assert!(answer["errors"][1]["reason"].as_str().is_some_and(|it| it.contains("max_saved_searches")), "{answer}");
    assert_eq!(post(&perch, &["nothing".to_owned()]).await.0, 400);
    assert_eq!(post(&perch, &[]).await.0, 200);
    let packed = perch.http.post(perch.url("/api/searches")).header("content-encoding", "gzip").body("").send().await;
    assert_eq!(packed.expect("an answer").status(), 400);
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_exported_can_be_imported() {
    let (perch_a, perch_b) = (Perch::start_with(LOCAL).await, Perch::start_with(LOCAL).await);
    let search =
        json!({"query": "java", "deliver": [{"type": "webhook", "url": "http://localhost:1/"}], "tags": ["x"]});
    assert_eq!(put(&perch_a, "a", &search).await.0, 201);
    assert_eq!(put(&perch_a, "b", &json!({"query": "kotlin", "paused": true})).await.0, 201);
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("searches.jsonl");
    let (to, from) = (perch_b.url(""), perch_a.url(""));
    let run = async |arguments: Vec<String>| {
        let run = move || perch().args(arguments).output().expect("perch runs");
        tokio::task::spawn_blocking(run).await.expect("no panic")
    };
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    let exported = run(words(&["searches", "export", "--url", &from])).await;
    let mut lines = String::from_utf8(exported.stdout).expect("text");
    lines.push_str("{\"name\": \"c\"}\n");
    std::fs::write(&file, lines).expect("written");
    let name = file.display().to_string();
    let imported = run(words(&["searches", "import", &name, "--url", &to])).await;
    let said = String::from_utf8_lossy(&imported.stderr).into_owned();
    assert_eq!(imported.status.code(), Some(1), "{said}");
    assert!(said.contains(":3: `query` is missing") && said.contains("2 saved, 1 failed"), "{said}");
    let (a, b) = (get(&perch_b, "/api/searches/a").await, get(&perch_b, "/api/searches/b").await);
    assert_eq!((&a["query"], &a["tags"], &a["deliver"]), (&search["query"], &search["tags"], &search["deliver"]));
    assert_eq!(b["state"], "paused");
    perch_a.stop().await;
    perch_b.stop().await;
}
