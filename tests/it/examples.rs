//! The three small systems of `examples/`, against a perch of their own.

#[path = "../../examples/chat/window.rs"]
mod chat;
#[path = "../../examples/events/page.rs"]
mod events;
#[path = "../../examples/spectators/runner.rs"]
mod spectators;

use std::collections::VecDeque;

use chat::{KEPT, Line, Window};
use events::{ANNOUNCER, Page};
use perch_sente::value::Value;
use serde_json::json;
use spectators::{Runner, Sighting};

use crate::auth::{SECRET, seconds_from_now, sign};

use crate::support::{Perch, until};

/// The settings of an example, but for where its index is.
fn settings(config: &str, replace: &[(&str, &str)]) -> String {
    let start = config.find("[index]").expect("an index");
    let end = start + config[start..].find("\n\n").expect("a section") + 2;
    let mut settings = format!("{}{}", &config[..start], &config[end..]);
    for (from, to) in replace {
        assert!(settings.contains(from), "{from}");
        settings = settings.replace(from, to);
    }
    settings.replace("source = []\n", "")
}

const REST: &str = "\n[[transport]]\ntype = \"rest\"\n";

/// A count of the server's, asked with a token.
async fn stats(perch: &Perch, token: &str, name: &str) -> u64 {
    let request = perch.http.get(perch.url("/api/stats")).bearer_auth(token);
    let stats: serde_json::Value = request.send().await.expect("perch answers").json().await.expect("JSON");
    stats[name].as_u64().unwrap_or_else(|| panic!("{stats}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn chat_shows_in_all_windows_what_is_said_in_one_and_keeps_ten_lines() {
    let perch = Perch::start_with(&settings(include_str!("../../examples/chat/perch.toml"), &[])).await;
    let url = format!("ws://{}/chat", perch.address);
    let mut windows = Vec::new();
    for _ in 0..3 {
        windows.push(Window::open(&url).await.expect("a window"));
    }
    assert!(windows[0].lines.is_empty());
    let mut said = VecDeque::new();
    let mut authors = Vec::new();
    for n in 0..6 {
        for at in [0, 2] {
            let text = format!("~line {n} of window {at} 😀");
            let author = loop {
                match windows[at].say(&text).await {
                    Ok(author) => break author,
                    // A window may not say much at once; that it does, is not what is tested.
                    Err(error) => assert!(error.to_string().contains("too many"), "{error}"),
                }
            };
            authors.push(author.clone());
            said.push_back(Line { author, text });
            for window in &mut windows {
                assert_eq!(Some(&window.next().await.expect("a line")), said.back());
            }
        }
    }
    // The names are the server's, one for each window.
    assert!(authors.iter().all(|author| author.starts_with("guest_")), "{authors:?}");
    assert_ne!(authors[0], authors[1]);
    assert_eq!(authors[0], authors[2]);
    said.drain(..said.len() - KEPT);
    let late = Window::open(&url).await.expect("a window");
    for window in windows.iter().chain([&late]) {
        assert_eq!(window.lines, said);
    }
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_reach_all_pages_and_callbacks_are_answered() {
    let perch = Perch::start_with(&settings(include_str!("../../examples/events/perch.toml"), &[])).await;
    let url = format!("ws://{}/chsk", perch.address);
    let mut pages = Vec::new();
    for n in 0..5 {
        pages.push(Page::open(&url, &format!("page-{n}")).await.expect("a page"));
    }
    for n in 1..=3_u64 {
        let text = format!("announcement {n}");
        let announcement = json!({"id_str": n.to_string(), "text": text, "user": {"screen_name": ANNOUNCER}});
        let other = json!({"id_str": (100 + n).to_string(), "text": text, "user": {"screen_name": "somebody"}});
        perch.ingest(&[other, announcement]).await;
        for page in &mut pages {
            let reply = page.ask("[:stats/users-count]").await.expect("a reply");
            assert_eq!(reply, Value::Vector(vec![Value::keyword("stats/users-count"), Value::Int(5)]));
            assert_eq!(page.announcement().await.expect("an announcement"), text);
        }
    }
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn spectators_see_exactly_those_whom_they_follow() {
    const RUNNERS: usize = 100;
    const STEPS: usize = 10;
    let dir = tempfile::tempdir().expect("a directory");
    let secret = dir.path().join("secret");
    std::fs::write(&secret, SECRET).expect("written");
    let replace = [("\"secret\"", &*format!("{:?}", secret.display().to_string()))];
    let settings = settings(include_str!("../../examples/spectators/perch.toml"), &replace) + REST;
    let perch = Perch::start_with(&settings).await;
    let url = format!("ws://{}/ws", perch.address);
    let token =
        |name: &str, publish: bool| sign(&json!({"sub": name, "exp": seconds_from_now(600), "publish": publish}));
    let anybody = token("anybody", false);
    // Who only looks may not run, and nobody comes without a token.
    let mut watcher = Runner::join(&url, &token("watcher", false)).await.expect("a spectator");
    watcher.watch("within:[10 50 10.5 51]").await.expect("a search");
    assert!(watcher.run_to(1.0, 2.0).await.is_err());
    assert!(Runner::join(&url, "no token").await.is_err());
    let mut runners = Vec::new();
    for at in 0..RUNNERS {
        let mut runner = Runner::join(&url, &token(&format!("runner{at}"), true)).await.expect("a runner");
        let followed = [(at + 1) % RUNNERS, (at + 37) % RUNNERS].map(|at| format!("from:runner{at}"));
        runner.watch(&followed.join(" OR ")).await.expect("a search");
        runners.push(runner);
    }
    let part = |n: usize, of: u32| f64::from(u32::try_from(n).expect("few")) / f64::from(of);
    let place = |at: usize, step: usize| (10.0 + part(at, 100), 50.0 + part(step, 10));
    let running = runners.into_iter().enumerate().map(|(at, mut runner)| async move {
        for step in 0..STEPS {
            let (lon, lat) = place(at, step);
            runner.run_to(lon, lat).await.expect("it is told");
        }
        runner
    });
    let mut runners = futures_util::future::join_all(running).await;
    for (at, runner) in runners.iter_mut().enumerate() {
        let seen = runner.sightings().await.expect("sightings");
        assert_eq!(seen.len(), 2 * STEPS, "runner{at}");
        for followed in [(at + 1) % RUNNERS, (at + 37) % RUNNERS] {
            let expected: Vec<_> = (0..STEPS)
                .map(|step| place(followed, step))
                .map(|(lon, lat)| Sighting { runner: format!("runner{followed}"), lon, lat })
                .collect();
            let of_one: Vec<_> = seen.iter().filter(|seen| seen.runner == expected[0].runner).cloned().collect();
            assert_eq!(of_one, expected, "runner{at}");
        }
    }
    let mut seen = vec![watcher.sighting().await.expect("a sighting")];
    seen.extend(watcher.sightings().await.expect("sightings"));
    let is_inside = |at: usize, step: usize| place(at, step).0 <= 10.5 && place(at, step).1 <= 51.0;
    let inside =
        (0..RUNNERS).flat_map(|at| (0..STEPS).map(move |step| (at, step))).filter(|&(at, step)| is_inside(at, step));
    assert_eq!(seen.len(), inside.count());
    assert_eq!(stats(&perch, &anybody, "queries").await, RUNNERS as u64 + 1);
    // When they go, nothing of them stays.
    drop((runners, watcher));
    until(async || stats(&perch, &anybody, "sessions").await == 0).await;
    until(async || stats(&perch, &anybody, "queries").await == 0).await;
    perch.stop().await;
}
