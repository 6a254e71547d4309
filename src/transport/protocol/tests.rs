use std::sync::Arc;

use expect_test::{Expect, expect};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::ids::{Epoch, QueryId, Seq, Uid};
use crate::index::Hit;
use crate::live::{
    ClientEvent, Delivery, DeliveryKind, GoneReason, Percolated, Published, Registration, Reply, SearchPage, Withheld,
};
use crate::query::{Query, QueryLimits};

const PAGING: Paging = Paging { max_page: 1_000, max_depth: 10_000 };

/// The command, or the error as it would be sent, with the ref.
fn read(text: &str) -> String {
    match parse(text, PAGING) {
        (reference, Ok(command)) => format!("{command:?} {:?}", reference.map(|reference| reference.0)),
        (reference, Err(failed)) => frame(event::ERROR, &error_payload(&failed), reference.as_ref()),
    }
}

fn check(frames: &[&str], expected: &Expect) {
    expected.assert_eq(&frames.iter().map(|frame| read(frame) + "\n").collect::<String>());
}

#[test]
fn commands_are_read() {
    check(
        &[
            r#"["cmd/percolate", {"query": "rust"}]"#,
            r#"["cmd/percolate", {"query": {"match_all": {}}, "name": "all", "since": 7, "epoch": "67e55044-10b1-426f-9247-bb680e5fe0c8"}, "a"]"#,
            r#"["cmd/percolate", {"query": "{\"match_all\": {}}", "name": null}, -1.50]"#,
            r#"["cmd/unpercolate"]"#,
            r#"["cmd/unpercolate", {"name": "all"}]"#,
            r#"["cmd/query", {"query": "rust"}]"#,
            r#"["cmd/query", {"query": "rust", "n": 0, "from": 10, "before_id": 18446744073709551615, "until_seq": 5, "sort": "oldest"}]"#,
            r#"["cmd/query", {"query": "", "before_id": "18446744073709551615", "until_seq": "5", "sort": "newest"}]"#,
            r#"["cmd/query", {"query_id": "67e55044-10b1-426f-9247-bb680e5fe0c8"}]"#,
            r#"["cmd/aggregate", {"query_id": "67e55044-10b1-426f-9247-bb680e5fe0c8", "by": "lang"}]"#,
            r#"["cmd/missing", {"id_str": "1"}]"#,
            r#"["cmd/missing", {"id_str": 1}]"#,
            r#"["cmd/aggregate", {"query": "rust", "by": "created"}]"#,
            r#"["cmd/aggregate", {"query": "rust", "by": "hashtags", "n": 1000, "until_seq": 5}, 1]"#,
            r#" [ "cmd/ping" , { } , "\u00e9" ] "#,
            r#"["cmd/ping", null, null]"#,
            r#"["cmd/analyze", {"texts": ["Café", ""]}]"#,
            r#"["cmd/analyze", {"texts": ["a", 1]}]"#,
            r#"["stats/users-count"]"#,
            r#"["stats/total-tweet-count", {}, 1]"#,
        ],
        &expect![[r#"
            Percolate(PercolateCommand { query: Input(Text("rust")), name: None, since: None, epoch: None }) None
            Percolate(PercolateCommand { query: Input(Json(Object {"match_all": Object {}})), name: Some("all"), since: Some(Seq(7)), epoch: Some(Epoch(67e55044-10b1-426f-9247-bb680e5fe0c8)) }) Some("\"a\"")
            Percolate(PercolateCommand { query: Input(JsonText("{\"match_all\": {}}")), name: None, since: None, epoch: None }) Some("-1.50")
            Unpercolate(None) None
            Unpercolate(Some("all")) None
            Search(Page(PageCommand { query: Input(Text("rust")), n: 50, from: 0, before_id: None, until_seq: None, sort: Newest, watermark_of: None })) None
            Search(Page(PageCommand { query: Input(Text("rust")), n: 0, from: 10, before_id: Some(PageKey { id: 18446744073709551615, tie: 0 }), until_seq: Some(Seq(5)), sort: Oldest, watermark_of: None })) None
            Search(Page(PageCommand { query: Input(Text("")), n: 50, from: 0, before_id: Some(PageKey { id: 18446744073709551615, tie: 0 }), until_seq: Some(Seq(5)), sort: Newest, watermark_of: None })) None
            Search(Page(PageCommand { query: Subscribed(QueryId(67e55044-10b1-426f-9247-bb680e5fe0c8)), n: 50, from: 0, before_id: None, until_seq: None, sort: Newest, watermark_of: None })) None
            Search(Aggregate(AggregateCommand { query: Subscribed(QueryId(67e55044-10b1-426f-9247-bb680e5fe0c8)), by: FieldId(6), n: 50, until_seq: None })) None
            Search(Tweet("1")) None
            Search(Tweet("1")) None
            Search(Aggregate(AggregateCommand { query: Input(Text("rust")), by: FieldId(15), n: 50, until_seq: None })) None
            Search(Aggregate(AggregateCommand { query: Input(Text("rust")), by: FieldId(3), n: 1000, until_seq: Some(Seq(5)) })) Some("1")
            Ping Some("\"\\u00e9\"")
            Ping None
            Search(Analyze(["Café", ""])) None
            ["cmd/error",{"code":"bad_payload","message":"`texts` must be a list of at most 1000 texts with at most 262144 bytes in all","at":{"field":"texts"}}]
            UsersCount None
            Search(TotalTweetCount) Some("1")
        "#]],
    );
}

#[test]
fn frames_that_are_none_are_refused() {
    check(
        &[
            "",
            "hello",
            "[\"cmd/ping\"",
            "[\"cmd/ping\", {}] x",
            "{}",
            "[]",
            "[1, {}, 2]",
            "[\"cmd/ping\", {}, 1, 2]",
            "[\"cmd/ping\", {}, {}]",
            "[\"cmd/ping\", {}, true]",
            "[\"nonsense\", {}, 1]",
            "[\"tweet/new\", {}, 1]",
        ],
        &expect![[r#"
            ["cmd/error",{"code":"bad_frame","message":"a frame must be JSON: EOF while parsing a value at line 1 column 0"}]
            ["cmd/error",{"code":"bad_frame","message":"a frame must be JSON: expected value at line 1 column 1"}]
            ["cmd/error",{"code":"bad_frame","message":"a frame must be JSON: EOF while parsing a list at line 1 column 11"}]
            ["cmd/error",{"code":"bad_frame","message":"a frame must be JSON: trailing characters at line 1 column 18"}]
            ["cmd/error",{"code":"bad_frame","message":"a frame must be [event, payload] or [event, payload, ref]"}]
            ["cmd/error",{"code":"bad_frame","message":"a frame must be [event, payload] or [event, payload, ref], not an array of 0"}]
            ["cmd/error",{"code":"bad_frame","message":"a frame must be [event, payload] or [event, payload, ref]; the event must be a string"},2]
            ["cmd/error",{"code":"bad_frame","message":"a frame must be [event, payload] or [event, payload, ref], not an array of 4"}]
            ["cmd/error",{"code":"bad_frame","message":"the ref must be a string or a number"}]
            ["cmd/error",{"code":"bad_frame","message":"the ref must be a string or a number"}]
            ["cmd/error",{"code":"bad_event","message":"there is no event \"nonsense\" (there is: cmd/auth, cmd/percolate, cmd/unpercolate, cmd/query, cmd/missing, cmd/aggregate, cmd/analyze, cmd/publish, cmd/ping, stats/users-count, stats/total-tweet-count)"},1]
            ["cmd/error",{"code":"bad_event","message":"there is no event \"tweet/new\" (there is: cmd/auth, cmd/percolate, cmd/unpercolate, cmd/query, cmd/missing, cmd/aggregate, cmd/analyze, cmd/publish, cmd/ping, stats/users-count, stats/total-tweet-count)"},1]
        "#]],
    );
    let long = "x".repeat(100_000);
    assert!(read(&format!("[\"{long}\", {{}}, 1]")).len() < 500, "a client's text is not sent back whole");
    assert!(read(&format!("[\"cmd/ping\", {{\"{long}\": 1}}, 1]")).len() < 500);
    assert!(read(&format!("[\"cmd/ping\", {{}}, \"{long}\"]")).contains("bad_frame"));
}

#[test]
fn fields_that_are_wrong_are_named() {
    check(
        &[
            r#"["cmd/percolate", {}, 1]"#,
            r#"["cmd/percolate", "rust", 1]"#,
            r#"["cmd/percolate", {"query": 1}, 1]"#,
            r#"["cmd/percolate", {"query": "rust", "since": 1.5}, 1]"#,
            r#"["cmd/percolate", {"query": "rust", "since": 9007199254740992}, 1]"#,
            r#"["cmd/percolate", {"query": "rust", "epoch": "old"}, 1]"#,
            r#"["cmd/percolate", {"query": "rust", "name": 1}, 1]"#,
            r#"["cmd/percolate", {"query": "rust", "name": ""}, 1]"#,
            r#"["cmd/percolate", {"query": "rust", "nmae": "x"}, 1]"#,
            r#"["cmd/query", {"query": "rust", "n": 1001}, 1]"#,
            r#"["cmd/query", {"query": "rust", "n": "10"}, 1]"#,
            r#"["cmd/query", {"query": "rust", "n": -1}, 1]"#,
            r#"["cmd/query", {"query": "rust", "from": 1e3}, 1]"#,
            r#"["cmd/query", {"query": "rust", "before_id": 1.0}, 1]"#,
            r#"["cmd/query", {"query": "rust", "before_id": "+1"}, 1]"#,
            r#"["cmd/query", {"query": "rust", "before_id": ""}, 1]"#,
            r#"["cmd/query", {"query": "rust", "before_id": 18446744073709551616}, 1]"#,
            r#"["cmd/query", {"query": "rust", "sort": "best"}, 1]"#,
            r#"["cmd/query", {"query_id": "rust"}, 1]"#,
            r#"["cmd/query", {"query_id": "67e55044-10b1-426f-9247-bb680e5fe0c8", "query": "rust"}, 1]"#,
            r#"["cmd/percolate", {"query_id": "67e55044-10b1-426f-9247-bb680e5fe0c8"}, 1]"#,
            r#"["cmd/missing", {}, 1]"#,
            r#"["cmd/missing", {"id_str": "x"}, 1]"#,
            r#"["cmd/aggregate", {"query": "rust"}, 1]"#,
            r#"["cmd/aggregate", {"query": "rust", "by": "url"}, 1]"#,
            r#"["cmd/aggregate", {"query": "rust", "by": "lang", "n": 0}, 1]"#,
            r#"["cmd/ping", [], 1]"#,
            r#"["cmd/ping", {"x": 1}, 1]"#,
        ],
        &expect![[r#"
            ["cmd/error",{"code":"bad_payload","message":"`query` is missing","at":{"field":"query"}},1]
            ["cmd/error",{"code":"bad_payload","message":"the payload of cmd/percolate must be an object, not a string"},1]
            ["cmd/error",{"code":"bad_payload","message":"`query` must be query text or an object, its JSON form","at":{"field":"query"}},1]
            ["cmd/error",{"code":"bad_payload","message":"`since` must be a position: a whole number from 0 to 2^53 - 1","at":{"field":"since"}},1]
            ["cmd/error",{"code":"bad_payload","message":"`since` must be a position: a whole number from 0 to 2^53 - 1","at":{"field":"since"}},1]
            ["cmd/error",{"code":"bad_payload","message":"`epoch` must be the `epoch` of a `hello`, a UUID","at":{"field":"epoch"}},1]
            ["cmd/error",{"code":"bad_payload","message":"`name` must be a string of 1 to 128 bytes, or left out","at":{"field":"name"}},1]
            ["cmd/error",{"code":"bad_payload","message":"`name` must be a string of 1 to 128 bytes, or left out","at":{"field":"name"}},1]
            ["cmd/error",{"code":"bad_payload","message":"cmd/percolate has no field `nmae` (there is: query, name, since, epoch)","at":{"field":"nmae"}},1]
            ["cmd/error",{"code":"bad_payload","message":"`n` must be a whole number from 0 to 1000","at":{"field":"n"}},1]
            ["cmd/error",{"code":"bad_payload","message":"`n` must be a whole number from 0 to 1000","at":{"field":"n"}},1]
            ["cmd/error",{"code":"bad_payload","message":"`n` must be a whole number from 0 to 1000","at":{"field":"n"}},1]
            ["cmd/error",{"code":"bad_payload","message":"`from` must be a whole number from 0 to 10000","at":{"field":"from"}},1]
            ["cmd/error",{"code":"bad_payload","message":"`before_id` must be the `next` of a page, or a whole number below 2^64","at":{"field":"before_id"}},1]
            ["cmd/error",{"code":"bad_payload","message":"`before_id` must be the `next` of a page, or a whole number below 2^64","at":{"field":"before_id"}},1]
            ["cmd/error",{"code":"bad_payload","message":"`before_id` must be the `next` of a page, or a whole number below 2^64","at":{"field":"before_id"}},1]
            ["cmd/error",{"code":"bad_payload","message":"`before_id` must be the `next` of a page, or a whole number below 2^64","at":{"field":"before_id"}},1]
            ["cmd/error",{"code":"bad_payload","message":"`sort` must be \"newest\" or \"oldest\"","at":{"field":"sort"}},1]
            ["cmd/error",{"code":"bad_payload","message":"`query_id` must be the `query_id` of a `percolate/ok`, a UUID","at":{"field":"query_id"}},1]
            ["cmd/error",{"code":"bad_payload","message":"`query_id` can't stand beside `query`","at":{"field":"query_id"}},1]
            ["cmd/error",{"code":"bad_payload","message":"`query` is missing","at":{"field":"query"}},1]
            ["cmd/error",{"code":"bad_payload","message":"`id_str` is missing","at":{"field":"id_str"}},1]
            Search(Tweet("x")) Some("1")
            ["cmd/error",{"code":"bad_payload","message":"`by` is missing","at":{"field":"by"}},1]
            ["cmd/error",{"code":"bad_payload","message":"`by` must be the name of a date, of words or of keywords: text, user.name, hashtag, mention, cashtag, lang, user.screen_name, in_reply_to_screen_name, has, is, created_at, conversation_id, retweets_of, quotes_of, in_reply_to_status_id_str, place.full_name, place.country_code, user.description, source, user.id_str, in_reply_to_user_id_str, alt, quoted","at":{"field":"by"}},1]
            ["cmd/error",{"code":"bad_payload","message":"`n` must be a whole number from 1 to 1000","at":{"field":"n"}},1]
            ["cmd/error",{"code":"bad_payload","message":"the payload of cmd/ping must be an object, not an array"},1]
            ["cmd/error",{"code":"bad_payload","message":"cmd/ping has no field `x` (none is known)","at":{"field":"x"}},1]
        "#]],
    );
}

#[test]
fn a_payload_that_is_too_deep_is_refused() {
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    let answer = read(&format!("[\"cmd/percolate\", {{\"query\": {deep}}}, 1]"));
    assert!(answer.starts_with("[\"cmd/error\"") && answer.contains("bad_"), "{answer}");
}

fn hit(seq: u64, id: u64) -> Hit {
    Hit { seq: Seq(seq), id, json: format!(r#"{{"id":{id},"text":"a \"quoted\"\nline"}}"#).into() }
}

fn delivery(names: &[Option<&str>]) -> Delivery {
    let names = names.iter().map(|name| name.map(Arc::from)).collect::<Vec<_>>();
    Delivery::new(hit(5, 18_446_744_073_709_551_615), names.into())
}

#[test]
fn frames_are_written() {
    let uuid = Uuid::from_u128(7);
    let registration = Registration { query_id: QueryId(uuid), seq: Seq(9) };
    let reference = Some(&Ref("\"r\"".into()));
    let limits = HelloLimits { frame_bytes: 1, query_bytes: 2, subscriptions: 3, page: 4, searches: 5 };
    let page = SearchPage { hits: vec![hit(2, 20), hit(1, 10)], total: 7, next: Some(10.into()) };
    let empty = SearchPage { hits: vec![], total: 0, next: None };
    let position = ApiError::from(crate::live::LiveError::Unrecoverable { message: "gone".to_owned(), since: Seq(3) });
    let query = Query::parse("rust", Schema::tweet(), &QueryLimits::default()).unwrap();
    let percolated = |name: Option<&str>| {
        let (name, query) = (name.map(Arc::from), query.clone());
        Reply::Percolated(Percolated { name, query, since: None, registration, warnings: Vec::new() })
    };
    let written = |value: Reply, reference| {
        let (event, payload) = reply(&value);
        frame(event, &payload, reference)
    };
    let noticed = |event: ClientEvent<()>| {
        let (event, payload) = notice(&event).unwrap();
        frame(event, &payload, None)
    };
    let gone = |reason, is_followed| {
        let Delivery { mut hit, names, .. } = delivery(&[None, Some("a")]);
        hit.json = r#"{"id_str":"7","text":"rust"}"#.into();
        pushed(&Delivery::of_kind(DeliveryKind::Gone { reason, is_followed }, hit, names)).as_str().to_owned()
    };
    let failed = |error: &ApiError, reference| frame(event::ERROR, &error_payload(error), reference);
    let published = Published { id: 7, screen_name: "guest_1".to_owned(), seq: Seq(8) };
    let frames = [
        hello(&hello_payload(Uid(uuid), Epoch(uuid), Seq(9), limits)),
        written(percolated(None), None),
        written(percolated(Some("a \"name\"")), reference),
        written(Reply::Unpercolated(None), reference),
        written(Reply::Page { page, warnings: Vec::new() }, reference),
        written(Reply::Page { page: empty, warnings: Vec::new() }, None),
        written(Reply::Tweet(hit(1, 1)), reference),
        written(Reply::Published(published), reference),
        written(Reply::Pong, reference),
        users_count(3),
        written(Reply::TotalTweetCount(4), reference),
        noticed(ClientEvent::CatchingUp { from: Seq(5) }),
        noticed(ClientEvent::Live { seq: Seq(6) }),
        noticed(ClientEvent::Withheld(Withheld { count: 2, seq: Seq(7) })),
        failed(&ApiError::new(Code::NotFound, "no"), reference),
        failed(&position, None),
        pushed(&delivery(&[None, Some("a \"name\"")])).as_str().to_owned(),
        gone(GoneReason::Changed, false),
        gone(GoneReason::Deleted, true),
    ];
    for frame in &frames {
        let parts: Vec<Value> = serde_json::from_str(frame).unwrap();
        let event = parts[0].as_str().unwrap();
        assert!(event::PUSHES.contains(&event), "{event}");
    }
    let frames = frames.join("\n").replace(env!("CARGO_PKG_VERSION"), "VERSION") + "\n";
    expect![[r#"
        ["hello",{"uid":"00000000-0000-0000-0000-000000000007","version":"VERSION","epoch":"00000000-0000-0000-0000-000000000007","seq":9,"limits":{"frame_bytes":1,"query_bytes":2,"subscriptions":3,"page":4,"searches":5}}]
        ["percolate/ok",{"name":null,"query_id":"00000000-0000-0000-0000-000000000007","seq":9}]
        ["percolate/ok",{"name":"a \"name\"","query_id":"00000000-0000-0000-0000-000000000007","seq":9},"r"]
        ["unpercolate/ok",{"name":null},"r"]
        ["tweet/prev-chunk",{"result":[{"id":20,"text":"a \"quoted\"\nline"},{"id":10,"text":"a \"quoted\"\nline"}],"total":7,"next":"10"},"r"]
        ["tweet/prev-chunk",{"result":[],"total":0,"next":null}]
        ["tweet/missing-tweet",{"id":1,"text":"a \"quoted\"\nline"},"r"]
        ["publish/ok",{"id_str":"7","screen_name":"guest_1","seq":8},"r"]
        ["pong",{},"r"]
        ["stats/users-count",3]
        ["stats/total-tweet-count",4,"r"]
        ["stream/catching-up",{"from_seq":5}]
        ["stream/live",{"seq":6}]
        ["stream/limited",{"count":2,"seq":7}]
        ["cmd/error",{"code":"not_found","message":"no"},"r"]
        ["cmd/error",{"code":"unrecoverable","message":"gone","at":{"since":3}}]
        ["tweet/new",{"tweet":{"id":18446744073709551615,"text":"a \"quoted\"\nline"},"seq":5,"matches":[null,"a \"name\""]}]
        ["tweet/gone",{"id_str":"7","seq":5,"reason":"changed","matches":[null,"a"]}]
        ["tweet/gone",{"id_str":"7","seq":4,"reason":"deleted","matches":[null,"a"]}]
    "#]].assert_eq(&frames);
}

#[test]
fn a_push_is_encoded_once() {
    let delivery = delivery(&[Some("x")]);
    let (first, second) = (pushed(&delivery), pushed(&delivery));
    assert_eq!(first.as_str().as_ptr(), second.as_str().as_ptr(), "both are the same bytes");
    let payload: Value = serde_json::from_str(pushed_payload(&delivery, first.as_str())).unwrap();
    assert_eq!(payload["matches"], serde_json::json!(["x"]));
    assert_eq!(payload["tweet"]["text"], "a \"quoted\"\nline");
}

#[test]
fn every_event_and_error_is_documented() {
    let protocol = include_str!("../../../docs/PROTOCOL.md");
    let events = CommandKind::events().chain(event::PUSHES.iter().copied());
    for name in events.chain(Code::ALL.iter().map(|code| code.name())) {
        assert!(protocol.contains(&format!("`{name}`")), "{name} is not in docs/PROTOCOL.md");
    }
}

proptest! {
    #[test]
    fn whatever_comes_is_answered(frame in "\\PC{0,60}") {
        read(&frame);
    }

    #[test]
    fn whatever_comes_as_a_command_is_answered(
        event in proptest::sample::select(CommandKind::events().collect::<Vec<_>>()),
        field in proptest::sample::select(&["query", "name", "since", "n", "before_id", "id_str", "sort"][..]),
        value in prop_oneof![Just("null".to_owned()), "-?(0|[1-9][0-9]{0,24})", "[1-9]{1,3}[.e][0-9]", "\"[a-z0-9]{0,9}\"", Just("[{}]".to_owned())],
        reference in prop_oneof!["-?[1-9][0-9]{0,30}", "\"[a-z \\\\n]{0,20}\""],
    ) {
        let (read, command) = parse(&format!("[{event:?}, {{{field:?}: {value}}}, {reference}]"), PAGING);
        let well_formed = serde_json::from_str::<Value>(&reference).is_ok();
        prop_assert_eq!(read, well_formed.then(|| Ref(reference.into())));
        if let Err(error) = command {
            prop_assert!(error.code == if well_formed { Code::BadPayload } else { Code::BadFrame }, "{}", error.message);
        }
    }
}
