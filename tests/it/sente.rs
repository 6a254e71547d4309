//! The Sente transport as clients of all its versions see it.

mod bad_input;
mod first_versions;
mod floods;
mod polls;
mod restart;
mod sessions;
mod transcripts;

use perch_sente::frame::Packing;
use perch_sente::value::Value;

use crate::sente_client::{Group, SenteSocket, Setup};
use crate::support::{Perch, until};

/// One endpoint for each way in which clients are set up.
const ENDPOINTS: &str = r#"
[[transport]]
type = "ws"
[[transport]]
type = "rest"
[[transport]]
type = "sente"
[[transport]]
type = "sente"
path = "/chsk-head"
packer = "transit"
profile = "birdwatch-head"
[[transport]]
type = "sente"
path = "/chsk-edn"
packer = "edn"
format = "auto"
profile = "plain"
[[transport]]
type = "sente"
path = "/chsk-edn-csrf"
packer = "edn"
format = "auto"
profile = "plain"
csrf = "required"
[[transport]]
type = "sente"
path = "/chsk-transit"
packer = "transit"
profile = "plain"
[[transport]]
type = "sente"
path = "/chsk-transit-2"
packer = "transit"
format = "v2"
profile = "plain"
"#;

const TOKEN: &str = "tok123";

/// `BirdWatch` of 2014.
fn birdwatch() -> Setup {
    Setup { letter: true, ..Setup::new(Group::A, Packing::Transit, "/chsk") }
}

fn edn(group: Group) -> Setup {
    Setup::new(group, Packing::Edn, "/chsk-edn")
}

fn edn_csrf(group: Group) -> Setup {
    Setup { csrf: Some(TOKEN), ..Setup::new(group, Packing::Edn, "/chsk-edn-csrf") }
}

fn transit(group: Group) -> Setup {
    let path = if group == Group::F { "/chsk-transit-2" } else { "/chsk-transit" };
    Setup::new(group, Packing::Transit, path)
}

/// Every group with every packer that it has.
fn all() -> Vec<Setup> {
    let mut setups = vec![birdwatch()];
    for group in [Group::A, Group::B] {
        setups.extend([edn(group), transit(group)]);
    }
    for group in [Group::C, Group::D, Group::E, Group::F] {
        setups.extend([edn_csrf(group), transit(group)]);
    }
    setups
}

/// An event as the packer writes it: `(id, EDN of its data, Transit of its data)`.
fn packed(setup: &Setup, id: &str, edn: &str, transit: &str) -> String {
    match setup.packing {
        Packing::Edn => format!("[:{id} {edn}]"),
        Packing::Transit => format!("[\"~:{id}\",{transit}]"),
    }
}

fn percolate(setup: &Setup, query: &str) -> String {
    let edn = format!(r#"{{:query "{query}"}}"#);
    let transit = format!(r#"["^ ","~:query","{query}"]"#);
    packed(setup, "cmd/percolate", &edn, &transit)
}

/// A `BirdWatch` endpoint with these settings.
async fn start(settings: &str) -> Perch {
    let endpoint = "[[transport]]\ntype = \"ws\"\n[[transport]]\ntype = \"rest\"\n[[transport]]\ntype = \"sente\"\n";
    let (limits, settings) = settings.split_once("--").unwrap_or(("", settings));
    Perch::start_with(&format!("{limits}{endpoint}{settings}")).await
}

async fn sessions(perch: &Perch) -> u64 {
    perch.get("/api/stats").await.1["sessions"].as_u64().expect("a number")
}

async fn queries(perch: &Perch) -> u64 {
    perch.get("/api/stats").await.1["queries"].as_u64().expect("a number")
}

/// Registers and waits until it is so; `BirdWatch` gets no answer.
async fn subscribe(perch: &Perch, socket: &mut SenteSocket, query: &str) {
    let before = queries(perch).await;
    let event = percolate(&socket.setup, query);
    socket.send(&event).await;
    until(async || queries(perch).await > before).await;
}

fn ids(tweets: impl IntoIterator<Item = Value>) -> Vec<u64> {
    let id = |tweet: Value| match tweet.get("id_str") {
        Some(Value::Str(id)) => id.parse().expect("an id"),
        other => panic!("{other:?}"),
    };
    tweets.into_iter().map(id).collect()
}
