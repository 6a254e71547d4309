//! perch as a process of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// A server process; killed when dropped.
pub(crate) struct Server {
    pub child: Child,
    pub url: String,
}

impl Server {
    /// A server without sources on a free port. It serves when this returns.
    pub(crate) fn start(index_dir: &Path) -> Server {
        Server::start_with(index_dir, &[])
    }

    /// The same with more arguments.
    pub(crate) fn start_with(index_dir: &Path, arguments: &[&str]) -> Server {
        let mut command = perch();
        command.stderr(Stdio::null());
        Server::spawn(command, index_dir, arguments)
    }

    /// The same with a disk of its own, of this size, mounted at `disk`; others see it at
    /// [`Server::outside`]. `None` when this machine lets nobody mount one.
    pub(crate) fn start_on_disk(disk: &Path, size: &str) -> Option<Server> {
        const MOUNT: &str = r#"mount -t tmpfs -o size="$1" tmpfs "$0" && shift && exec "$@""#;
        let wrap = |program: &str| {
            let mut command = perch_with("unshare");
            command.args(["--map-root-user", "--mount", "sh", "-c", MOUNT]).arg(disk).args([size, program]);
            command
        };
        if !wrap("true").status().is_ok_and(|status| status.success()) {
            return None;
        }
        let mut command = wrap(env!("CARGO_BIN_EXE_perch"));
        command.stderr(Stdio::null());
        Some(Server::spawn(command, &disk.join("index"), &[]))
    }

    /// The same on the file system in a file, mounted at `disk` for this server only. `None` unless
    /// root asks for it.
    pub(crate) fn start_on_image(disk: &Path, image: &Path) -> Option<Server> {
        const MOUNT: &str = r#"mount -o loop "$1" "$0" && shift && exec "$@""#;
        let wrap = |program: &str| {
            let mut command = perch_with("unshare");
            command.args(["--mount", "sh", "-c", MOUNT]).arg(disk).arg(image).arg(program).stderr(Stdio::null());
            command
        };
        if !wrap("true").status().is_ok_and(|status| status.success()) {
            return None;
        }
        Some(Server::spawn(wrap(env!("CARGO_BIN_EXE_perch")), &disk.join("index"), &[]))
    }

    /// Kills a server with a disk of its own, and starts another on the same disk.
    pub(crate) fn restart_on_disk(mut self, disk: &Path) -> Server {
        let inside = |process: &Child, program: &str| {
            let mut command = perch_with("nsenter");
            let target = process.id().to_string();
            command.args(["--user", "--mount", "--preserve-credentials", "--target", &target, program]);
            command.stderr(Stdio::null());
            command
        };
        // The disk is there as long as somebody sees it: this one answers once it does.
        let mut holder = inside(&self.child, "cat");
        let mut holder = holder.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("nsenter runs");
        let (mut input, mut output) = (holder.stdin.take().expect("piped"), holder.stdout.take().expect("piped"));
        input.write_all(b"?").expect("it goes out");
        output.read_exact(&mut [0]).expect("it comes back");
        self.child.kill().expect("the process is there");
        self.child.wait().expect("it ends");
        let server = Server::spawn(inside(&holder, env!("CARGO_BIN_EXE_perch")), &disk.join("index"), &[]);
        drop((input, output));
        holder.wait().expect("it ends");
        server
    }

    /// Where a path of a server with its own disk is for everyone else.
    pub(crate) fn outside(&self, path: &Path) -> PathBuf {
        Path::new("/proc")
            .join(self.child.id().to_string())
            .join("root")
            .join(path.strip_prefix("/").expect("absolute"))
    }

    /// Starts it by this command, whose log goes where the command says.
    pub(crate) fn spawn(mut command: Command, index_dir: &Path, arguments: &[&str]) -> Server {
        let mut child = command
            .args(["serve", "--listen", "127.0.0.1:0", "--set", "source=[]", "--index-dir"])
            .arg(index_dir)
            // Tests ask again and again until something is so.
            .args(["--set", "limits.requests_per_second=0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("perch starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("stdout is piped")).read_line(&mut line).expect("a line");
        let url = line.trim().strip_prefix("listening on ").expect("the address is the first line").to_owned();
        Server { child, url }
    }

    /// GETs a path that answers with JSON.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let answer = crate::support::get(format!("{}{path}", self.url)).await.expect("perch answers");
        answer.json().await.expect("JSON")
    }

    /// Ends the process as `kill -9` does.
    pub(crate) fn kill(mut self) {
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

/// The binary, without the `PERCH_` variables of the environment.
pub(crate) fn perch() -> Command {
    perch_with(env!("CARGO_BIN_EXE_perch"))
}

fn perch_with(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PERCH_")) {
        command.env_remove(name);
    }
    command.env("NO_COLOR", "1").stdin(Stdio::null());
    command
}
