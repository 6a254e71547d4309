//! Files as people have them, in `tests/cases/posts.jsonl`: what perch takes of each, and which
//! queries find it.

use serde_json::{Value, json};

use crate::support::Perch;

fn cases() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/posts.jsonl");
    let text = std::fs::read_to_string(path).expect("the cases");
    text.lines().map(|line| serde_json::from_str(line).expect("a case")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_as_people_have_them_are_taken_and_found() {
    let cases = cases();
    assert_eq!(cases.len(), 13);
    let mut wrong = Vec::new();
    for case in &cases {
        let name = case["name"].as_str().expect("a name");
        let perch = Perch::start().await;
        let input = case["input"].as_str().expect("an input").to_owned();
        let (status, answer) = perch.post("/api/tweets", input).await;
        if (status, &answer["accepted"], &answer["refused"]) != (200, &case["accepted"], &case["refused"]) {
            wrong.push(format!("{name}: {answer}"));
        }
        for id_str in case["gone"].as_array().into_iter().flatten() {
            let id_str = id_str.as_str().expect("an identity");
            let escaped: String = url::form_urlencoded::byte_serialize(id_str.as_bytes()).collect();
            let (status, tweet) = perch.get(&format!("/api/tweets/{escaped}")).await;
            assert_eq!((status, &answer["deletions"]), (404, &json!(1)), "{name}: {tweet}");
        }
        for find in case["find"].as_array().expect("pairs") {
            let (query, expected) = (find[0].as_str().expect("a query"), &find[1]);
            let q: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
            let (_, page) = perch.get(&format!("/api/search?n=50&q={q}")).await;
            let result = page["result"].as_array().cloned().unwrap_or_default();
            let found: Vec<&Value> = result.iter().map(|tweet| &tweet["id_str"]).collect();
            if json!(found) != *expected {
                wrong.push(format!("{name}: {query} finds {found:?}, not {expected}: {page}"));
            }
        }
        perch.stop().await;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
