//! perch as a process of its own.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// A server process; killed when dropped.
pub struct Server {
    pub child: Child,
    pub url: String,
}

impl Server {
    /// A server without sources on a free port. It serves when this returns.
    pub fn start(index_dir: &Path) -> Server {
        Server::start_with(index_dir, &[])
    }

    /// The same with more arguments.
    pub fn start_with(index_dir: &Path, arguments: &[&str]) -> Server {
        let mut child = perch()
            .args(["serve", "--listen", "127.0.0.1:0", "--set", "source=[]", "--index-dir"])
            .arg(index_dir)
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("perch starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("stdout is piped")).read_line(&mut line).expect("a line");
        let url = line.trim().strip_prefix("listening on ").expect("the address is the first line").to_owned();
        Server { child, url }
    }

    /// GETs a path that answers with JSON.
    pub async fn get(&self, path: &str) -> Value {
        let answer = reqwest::get(format!("{}{path}", self.url)).await.expect("perch answers");
        answer.json().await.expect("JSON")
    }

    /// Ends the process as `kill -9` does.
    pub fn kill(mut self) {
        self.child.kill().expect("the process is there");
        self.child.wait().expect("it ends");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary, untouched by the environment of whoever runs the tests.
pub fn perch() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_perch"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PERCH_")) {
        command.env_remove(name);
    }
    command.env("NO_COLOR", "1").stdin(Stdio::null());
    command
}
