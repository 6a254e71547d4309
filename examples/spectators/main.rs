//! Runners on a map: a runner publishes positions, and sees only the runners whom they follow.
//!
//! Stands in for the runner app of http-kit. A position is a tweet with coordinates. Following a
//! runner is a live search for their tweets; a part of the map is one as well:
//! `within:[13.0 52.3 13.8 52.7]`. Unlike that app, the token says who a runner is, so no runner
//! moves another, and perch forgets the searches of a connection when it ends.
//!
//! ```text
//! perch serve --config examples/spectators/perch.toml
//! cargo run --example spectators < tokens
//! ```
//!
//! `tokens` has a line for each runner: their name and their token, which the app's own login would
//! give them. Each follows the next two in the list and runs ten steps.

mod runner;

use std::io::BufRead;

use anyhow::Context as _;
use rand::RngExt;
use runner::Runner;

const STEPS: usize = 10;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "ws://127.0.0.1:8888/ws".to_owned());
    let mut people = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (name, token) = line.split_once(' ').context("expected a name and a token in each line")?;
        people.push((name.to_owned(), token.trim().to_owned()));
    }
    let mut tasks = Vec::new();
    for at in 0..people.len() {
        let (name, token) = people[at].clone();
        let followed = [1, 2].map(|next| people[(at + next) % people.len()].0.clone());
        let url = url.clone();
        tasks.push(tokio::spawn(async move {
            let mut runner = Runner::join(&url, &token).await?;
            runner.watch(&format!("from:{} OR from:{}", followed[0], followed[1])).await?;
            for _ in 0..STEPS {
                let (lon, lat) = (rand::rng().random_range(13.0..13.8), rand::rng().random_range(52.3..52.7));
                runner.run_to(lon, lat).await?;
            }
            // What came while the runner ran, and what comes until the others have arrived.
            let mut sightings = runner.sightings().await?;
            while sightings.len() < followed.len() * STEPS {
                sightings.push(runner.sighting().await?);
            }
            for seen in sightings {
                println!("{name} sees {} at {:.4}, {:.4}", seen.runner, seen.lat, seen.lon);
            }
            anyhow::Ok(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    Ok(())
}
