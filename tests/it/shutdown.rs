//! How the process ends when it is not let: by a second signal, and at the end of its grace time.

use std::process::Command;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::process::{Server, perch};
use crate::support::{PATIENCE, tweet};

/// A server with a client that has asked for much and reads nothing more, which a shutdown waits
/// for, for a while.
struct Held {
    dir: TempDir,
    server: Server,
    _client: TcpStream,
}

impl Held {
    async fn start(arguments: &[&str]) -> Held {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut command = perch();
        command.stderr(std::fs::File::create(dir.path().join("log")).expect("a file"));
        let server = Server::spawn(command, &dir.path().join("index"), arguments);
        let text = format!("rust {}", "x".repeat(4_000));
        let body: String = (1..=1_000).map(|id| format!("{}\n", tweet(id, &text))).collect();
        let answer = crate::support::client().post(format!("{}/api/tweets", server.url)).body(body).send().await;
        assert!(answer.expect("perch answers").status().is_success());

        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(16 * 1024).expect("a smaller buffer");
        let address = server.url.strip_prefix("http://").expect("http").parse().expect("an address");
        let mut client = socket.connect(address).await.expect("it connects");
        let request = "GET /api/search?q=rust&n=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n";
        client.write_all(request.as_bytes()).await.expect("it goes out");
        let mut head = [0; 15];
        client.read_exact(&mut head).await.expect("it answers");
        assert_eq!(&head, b"HTTP/1.1 200 OK");
        Held { dir, server, _client: client }
    }

    fn terminate(&self) {
        let id = self.server.child.id().to_string();
        // It may have ended already.
        Command::new("kill").args(["-TERM", &id]).status().expect("kill runs");
    }

    /// Waits until it has ended: the exit code and the last line that it said.
    async fn ended(&mut self, mut meanwhile: impl FnMut(&Held)) -> (Option<i32>, String) {
        let code = async {
            loop {
                match self.server.child.try_wait().expect("the process is there") {
                    Some(status) => return status.code(),
                    None => meanwhile(self),
                }
                tokio::task::yield_now().await;
            }
        };
        let code = tokio::time::timeout(PATIENCE, code).await.expect("it ends");
        let log = std::fs::read_to_string(self.dir.path().join("log")).expect("a log");
        (code, log.lines().last().unwrap_or_default().to_owned())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_at_once() {
    let mut held = Held::start(&["--set", "server.grace_seconds=600"]).await;
    // Those within half a second are the first one.
    let (code, said) = held.ended(Held::terminate).await;
    assert_eq!((code, said.as_str()), (Some(1), "perch: a second signal came: ended at once"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_that_takes_longer_than_its_grace_time_is_cut_off() {
    let mut held = Held::start(&["--set", "server.grace_seconds=1"]).await;
    held.terminate();
    let (code, said) = held.ended(|_| ()).await;
    let expected = "perch: the shutdown took longer than 1 s and was cut off";
    assert_eq!((code, said.as_str()), (Some(1), expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_nothing_does_not_keep_it_from_ending_in_order() {
    let mut held = Held::start(&[]).await;
    held.terminate();
    let (code, _) = held.ended(|_| ()).await;
    assert_eq!(code, Some(0));
}
