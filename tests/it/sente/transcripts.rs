//! Whole sessions, frame by frame: the golden files hold what goes over the wire for each group.

use expect_test::{ExpectFile, expect_file};
use perch_sente::value::Value;
use serde_json::json;

use super::*;
use crate::sente_client::{SentePoller, SenteSocket, data};
use crate::support::{Perch, tweet};

/// What a client does in its session, in its own packing and profile.
struct Script {
    setup: Setup,
    percolate: String,
    query: String,
    missing: String,
}

impl Script {
    fn plain(setup: Setup) -> Script {
        let percolate = percolate(&setup, "rust");
        let query = packed(&setup, "cmd/query", r#"{:query "rust", :n 2}"#, r#"["^ ","~:query","rust","~:n",2]"#);
        let missing = packed(&setup, "cmd/missing", r#"{:id_str "1"}"#, r#"["^ ","~:id_str","1"]"#);
        Script { setup, percolate, query, missing }
    }

    /// As `BirdWatch`'s own client writes it, codes and all.
    fn birdwatch() -> Script {
        let query = r#"["^ ","~:query_string",["^ ","~:default_field","text","~:default_operator","AND","^1","(rust) AND lang:en"]]"#;
        Script {
            setup: birdwatch(),
            percolate: format!(r#"["~:cmd/percolate",["^ ","~:query",{query},"~:uid","client-a"]]"#),
            query: format!(r#"["~:cmd/query",["^ ","~:query",{query},"~:n",500,"~:uid","client-a","~:from",0]]"#),
            missing: r#"["~:cmd/missing",["^ ","~:id_str","1","~:uid","client-a"]]"#.to_owned(),
        }
    }

    /// The same for its later version: the payload is in an envelope.
    fn birdwatch_head() -> Script {
        let query = r#"["^ ","~:query_string",["^ ","~:default_field","text","~:default_operator","AND","^2","(rust) AND lang:en"]]"#;
        let meta = r#"["^ ","~:sente-uid","client-b"]"#;
        let setup = Setup::new(Group::B, Packing::Transit, "/chsk-head");
        Script {
            setup,
            percolate: format!(r#"["~:cmd/percolate",["^ ","~:msg",["^ ","~:query",{query}],"~:msg-meta",{meta}]]"#),
            query: format!(
                r#"["~:cmd/query",["^ ","~:msg",["^ ","~:query",{query},"~:n",250,"~:from",0],"~:msg-meta",{meta}]]"#
            ),
            missing: format!(r#"["~:cmd/missing",["^ ","~:msg",["^ ","~:id_str","1"],"~:msg-meta",{meta}]]"#),
        }
    }

    fn is_plain(&self) -> bool {
        !matches!(self.setup.path, "/chsk" | "/chsk-head")
    }

    fn ping(&self) -> String {
        match self.setup.packing {
            Packing::Edn => "[:chsk/ws-ping]".to_owned(),
            Packing::Transit => r#"["~:chsk/ws-ping"]"#.to_owned(),
        }
    }
}

fn english(id: u64, text: &str) -> serde_json::Value {
    let mut tweet = tweet(id, text);
    tweet["lang"] = json!("en");
    // Without it, the time of arrival would stand in the transcripts.
    tweet["created_at"] = json!("Tue Dec 23 00:59:25 +0000 2014");
    tweet["user"] = json!({"screen_name": "bob", "name": "~bob", "followers_count": 5});
    tweet
}

async fn start() -> Perch {
    let perch = Perch::start_with(ENDPOINTS).await;
    perch
        .ingest(&[english(1, "rust \"one\"\n"), english(2, "java"), english(547_177_163_405_844_480, "~rust two 😀")])
        .await;
    perch
}

/// Plays a session over a WebSocket and holds it to the golden file.
async fn play(script: Script, golden: ExpectFile) {
    let perch = start().await;
    let mut socket = SenteSocket::connect(&perch, script.setup.clone()).await;
    if script.setup.group >= Group::E {
        assert_eq!(socket.ask(&script.ping(), "1d5d26").await, Value::str("pong"));
    } else {
        socket.send(&script.ping()).await;
    }
    socket.send(&script.percolate).await;
    if script.is_plain() {
        socket.expect("percolate/ok").await;
    }
    socket.send(&script.query).await;
    socket.expect("tweet/prev-chunk").await;
    socket.send(&script.missing).await;
    socket.expect("tweet/missing-tweet").await;
    perch.ingest(&[english(10, "rust live"), english(11, "java")]).await;
    socket.expect("tweet/new").await;
    // A callback, a package that can't be read, and one that is no event.
    let reply = socket.ask(&script.missing, "3d16e1").await;
    assert_eq!(reply.elements().map(|parts| &parts[0]), Some(&Value::keyword("tweet/missing-tweet")));
    socket.send_text("+[").await;
    let not_an_event = script.setup.frame("[]", None);
    socket.send_text(&not_an_event).await;
    socket.settle().await;
    let mut socket = socket.reconnect(&perch).await;
    perch.ingest(&[english(12, "rust after the break")]).await;
    let tweet = socket.expect("tweet/new").await;
    assert!(format!("{tweet:?}").contains("rust after the break"));
    golden.assert_eq(&socket.transcript.lines);
    perch.stop().await;
}

/// The same by polling.
async fn play_ajax(script: Script, golden: ExpectFile) {
    let perch = start().await;
    let mut poller = SentePoller::connect(&perch, script.setup.clone()).await;
    poller.send(&script.percolate).await;
    if script.is_plain() {
        poller.expect("percolate/ok").await;
    }
    poller.send(&script.query).await;
    poller.expect("tweet/prev-chunk").await;
    perch.ingest(&[english(10, "rust live"), english(11, "java")]).await;
    poller.expect("tweet/new").await;
    let reply = poller.ask(&script.missing).await;
    assert_eq!(reply.elements().map(|parts| &parts[0]), Some(&Value::keyword("tweet/missing-tweet")));
    let (status, body) = poller.post("+[").await;
    assert_eq!(status, 200, "{body}");
    perch.ingest(&[english(12, "rust between two polls")]).await;
    let tweet = poller.expect("tweet/new").await;
    assert!(format!("{tweet:?}").contains("rust between two polls"), "{:?}", data(&tweet));
    golden.assert_eq(&poller.transcript.lines);
    perch.stop().await;
}

macro_rules! transcripts {
    ($($name:ident, $ajax:ident: $script:expr;)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            play($script, expect_file![concat!("../../golden/sente/", stringify!($name), ".txt")]).await;
        }

        #[tokio::test(flavor = "multi_thread")]
        async fn $ajax() {
            play_ajax($script, expect_file![concat!("../../golden/sente/", stringify!($ajax), ".txt")]).await;
        }
    )*};
}

transcripts! {
    a_flexi_birdwatch, a_flexi_birdwatch_ajax: Script::birdwatch();
    b_transit_birdwatch_head, b_transit_birdwatch_head_ajax: Script::birdwatch_head();
    a_edn, a_edn_ajax: Script::plain(edn(Group::A));
    b_edn, b_edn_ajax: Script::plain(edn(Group::B));
    c_edn, c_edn_ajax: Script::plain(edn_csrf(Group::C));
    c_transit, c_transit_ajax: Script::plain(transit(Group::C));
    d_edn, d_edn_ajax: Script::plain(edn_csrf(Group::D));
    d_transit, d_transit_ajax: Script::plain(transit(Group::D));
    e_transit, e_transit_ajax: Script::plain(transit(Group::E));
    e_edn, e_edn_ajax: Script::plain(edn_csrf(Group::E));
    f_edn, f_edn_ajax: Script::plain(edn_csrf(Group::F));
    f_transit, f_transit_ajax: Script::plain(transit(Group::F));
}
