//! Clients of Sente 1.0 to 1.2: no client-id on sockets and POSTs, `ajax-client-uuid` on polls.

use perch::transport::sente::value::Value;

use super::*;
use crate::sente_client::{SentePoller, SenteSocket};
use crate::support::{Perch, tweet, until};

fn first(packing: Packing, path: &'static str) -> Setup {
    Setup { letter: path == "/chsk", ..Setup::new(Group::First, packing, path) }
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_without_an_id_are_served_and_end_with_their_connection() {
    let perch = Perch::start_with(ENDPOINTS).await;
    for setup in [first(Packing::Edn, "/chsk-edn"), first(Packing::Transit, "/chsk-transit")] {
        let mut socket = SenteSocket::connect(&perch, setup.clone()).await;
        let answer = socket.ask(&percolate(&setup, "rust"), "3d16e1").await;
        assert_eq!(crate::sente_client::id(&answer), "percolate/ok");
        // Two of them are two clients.
        let mut other = SenteSocket::connect(&perch, setup.clone()).await;
        perch.ingest(&[tweet(1, "rust")]).await;
        socket.expect("tweet/new").await;
        assert_eq!(other.ask(&packed(&setup, "cmd/ping", "{}", "[\"^ \"]"), "3d16e2").await, answer_to_ping());
        drop((socket, other));
        // Nobody can come back to what they registered.
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
            match crate::sente_client::id(&event) {
                "tweet/new" => break,
                other => assert_eq!(other, "percolate/ok"),
            }
        }
        // Another browser, without the cookie, is nobody.
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
