//! The server tells all pages something every second, and each page asks the server something with
//! a callback.
//!
//! Stands in for closp's example of Sente. An announcement is a tweet of the announcer; every page
//! has a live search for them. The question is how many users there are.
//!
//! ```text
//! perch serve --config examples/events/perch.toml
//! cargo run --example events
//! ```

mod page;

use std::time::Duration;

use page::{ANNOUNCER, Page};
use serde_json::json;

const PAGES: usize = 3;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8888".to_owned());
    let mut pages = Vec::new();
    for n in 0..PAGES {
        pages.push(Page::open(&format!("ws://{address}/chsk"), &format!("{}", uuid::Uuid::new_v4())).await?);
        println!("page {n} is open");
    }
    let http = reqwest::Client::new();
    for n in 1_u64.. {
        let tweet =
            json!({"id_str": n.to_string(), "text": format!("announcement {n}"), "user": {"screen_name": ANNOUNCER}});
        http.post(format!("http://{address}/api/tweets")).body(tweet.to_string()).send().await?.error_for_status()?;
        for (at, page) in pages.iter_mut().enumerate() {
            let text = page.announcement().await?;
            let reply = page.ask("[:stats/users-count]").await?;
            println!("page {at}: {text:?}, and the server answers {reply:?}");
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}
