//! Ten thousand registered queries.

use futures_util::StreamExt;
use tokio::task::JoinHandle;

use crate::corpus::word;
use crate::server::{Server, connect, percolate};

/// 100 sessions with 100 queries each: rare and common words, pairs, tags. The tasks take what the
/// server pushes.
pub(crate) async fn register(server: &Server) -> Vec<JoinHandle<()>> {
    let mut drains = Vec::new();
    for session in 0..100 {
        let mut socket = connect(&server.address).await;
        for at in 0..100 {
            let rank = 2_000 + session * 100 + at;
            let query = match at % 4 {
                0 => word(rank),
                1 => format!("{} {}", word(rank), word(rank % 300)),
                2 => format!("#{}", word(rank)),
                _ => format!("{} -{}", word(rank + 20_000), word(at)),
            };
            percolate(&mut socket, &format!("q{at}"), &query).await;
        }
        drains.push(tokio::spawn(async move { while let Some(Ok(_)) = socket.next().await {} }));
    }
    drains
}
