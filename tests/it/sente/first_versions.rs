//! Clients of Sente 1.0 to 1.2: no client-id on sockets and POSTs, `ajax-client-uuid` on polls.

use perch_sente::value::Value;

use super::*;
use crate::flow_control::{get, http2};
use crate::sente_client::{SentePoller, SenteSocket, id};
use crate::support::{PATIENCE, Perch, tweet, until};

fn first(packing: Packing, path: &'static str) -> Setup {
    Setup { letter: path == "/chsk", ..Setup::new(Group::First, packing, path) }
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_without_an_id_are_served_and_end_with_their_connection() {
    let perch = Perch::start_with(ENDPOINTS).await;
    for setup in [first(Packing::Edn, "/chsk-edn"), first(Packing::Transit, "/chsk-transit")] {
        let mut socket = SenteSocket::connect(&perch, setup.clone()).await;
        let answer = socket.ask(&percolate(&setup, "rust"), "3d16e1").await;
        assert_eq!(id(&answer), "percolate/ok");
        // Two of them are two clients.
        let mut other = SenteSocket::connect(&perch, setup.clone()).await;
        perch.ingest(&[tweet(1, "rust")]).await;
        socket.expect("tweet/new").await;
        assert_eq!(other.ask(&packed(&setup, "cmd/ping", "{}", "[\"^ \"]"), "3d16e2").await, answer_to_ping());
        drop((socket, other));
        // No client can come back to their registrations.
        until(async || perch.get("/api/stats").await.1["sessions"] == 0).await;
        until(async || perch.get("/api/stats").await.1["queries"] == 0).await;
    }
    perch.stop().await;
}

fn answer_to_ping() -> Value {
    Value::Vector(vec![Value::keyword("pong"), Value::Map(Vec::new())])
}

#[tokio::test(flavor = "multi_thread")]
async fn polls_name_the_client_and_posts_are_known_by_a_cookie() {
    let perch = Perch::start_with(ENDPOINTS).await;
    for setup in [first(Packing::Edn, "/chsk-edn"), first(Packing::Transit, "/chsk")] {
        let mut poller = SentePoller::connect(&perch, setup.clone()).await;
        poller.send(&percolate(&setup, "rust")).await;
        // The answer to the registration is pushed to those who know it, and its effect is there
        // with the answer.
        until(async || perch.get("/api/stats").await.1["queries"] == 1).await;
        perch.ingest(&[tweet(1, "rust")]).await;
        loop {
            let event = poller.event().await;
            match id(&event) {
                "tweet/new" => break,
                other => assert_eq!(other, "percolate/ok"),
            }
        }
        // A browser without the cookie has no client-id.
        let form = setup.frame(&percolate(&setup, "java"), None);
        let mut stranger = SentePoller::new(&perch, setup.clone());
        assert_eq!(stranger.post(&form).await.0, 400);
        let mut leaving = poller;
        leaving.send(&packed(&setup, "cmd/unpercolate", "{}", "[\"^ \"]")).await;
        until(async || perch.get("/api/stats").await.1["queries"] == 0 || setup.letter).await;
        if setup.letter {
            break;
        }
    }
    perch.stop().await;
}

/// These clients never say what they have got: a poll acknowledges the one before.
#[tokio::test(flavor = "multi_thread")]
async fn a_poll_that_finds_no_room_for_its_answer_loses_no_tweets() {
    let limits = "[limits]\nresponse_buffer_per_address_mb = 1\nresponse_buffer_per_connection_mb = 1\n";
    let perch = Perch::start_with(&format!("{ENDPOINTS}\n{limits}")).await;
    let setup = first(Packing::Edn, "/chsk-edn");
    let mut poller = SentePoller::connect(&perch, setup.clone()).await;
    poller.send(&percolate(&setup, "rust")).await;
    poller.expect("percolate/ok").await;
    // An answer of 1 MiB that is not read takes the whole share of the address.
    let long = format!("java {}", "x".repeat(1_200));
    perch.ingest(&(1..=1_000).map(|id| tweet(id, &long)).collect::<Vec<_>>()).await;
    let stream = tokio::net::TcpStream::connect(perch.address).await.expect("a connection");
    let mut reader = http2(stream, 0).await.ready().await.expect("room for a stream");
    let (page, _) = reader.send_request(get("/api/search?q=java&n=1000"), true).expect("it goes out");
    let page = page.await.expect("an answer");
    assert_eq!(page.status(), 200);
    let wanted: Vec<String> = (2_001..=2_003).map(|id: u64| id.to_string()).collect();
    let text = format!("rust {}", "y".repeat(1_200));
    perch.ingest(&wanted.iter().map(|id| tweet(id.parse().expect("a number"), &text)).collect::<Vec<_>>()).await;
    loop {
        let (status, batch) = poller.get(false).await;
        if status == 503 {
            break;
        }
        assert!(status == 200 && !batch.contains("tweet/new"), "{status} {batch}");
    }
    drop((page, reader));
    let mut seen = Vec::new();
    let polls = async {
        while seen.len() < wanted.len() {
            let (status, batch) = poller.get(false).await;
            // Until the connection has gone there is no room.
            assert!(matches!(status, 200 | 503), "{batch}");
            if status == 200 {
                let Value::Vector(events) = setup.read(&batch).0 else { panic!("{batch}") };
                let tweets = events.iter().filter(|event| id(event) == "tweet/new");
                seen.extend(tweets.map(|event| format!("{event:?}")));
            }
        }
    };
    tokio::time::timeout(PATIENCE, polls).await.expect("the tweets come");
    for (event, id) in seen.iter().zip(&wanted) {
        assert!(event.contains(id.as_str()), "{event}");
    }
    perch.stop().await;
}
