//! A chat with many windows, in the terminal: what is typed in one shows in all, and each starts
//! with the last ten lines.
//!
//! Stands in for Luminus's multi-client chat. perch keeps the lines, numbers them and pushes them;
//! a window is a live search for everything.
//!
//! ```text
//! perch serve --config examples/chat/perch.toml
//! cargo run --example chat                    # in as many terminals as you like
//! ```

mod window;

use tokio::io::{AsyncBufReadExt, BufReader};
use window::{Line, Window};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "ws://127.0.0.1:8888/chat".to_owned());
    let mut window = Window::open(&url).await?;
    for line in &window.lines {
        print(line);
    }
    let mut typed = BufReader::new(tokio::io::stdin()).lines();
    loop {
        tokio::select! {
            line = window.next() => print(&line?),
            text = typed.next_line() => match text? {
                None => return Ok(()),
                Some(text) if text.trim().is_empty() => {}
                Some(text) => {
                    if let Err(error) = window.say(&text).await {
                        println!("  ({error})");
                    }
                }
            },
        }
    }
}

fn print(Line { author, text }: &Line) {
    println!("{author}: {text}");
}
