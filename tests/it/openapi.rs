//! Tools of others that read the interface's description, with it and a running perch. They take
//! minutes and are installed by `make test-long`: only with `PERCH_LONG_TESTS=1`. The short form is
//! in `transport::rest::document`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::process::{Server, perch};
use crate::support::tweet;

/// A tool of `tests/openapi/requirements.txt`; `None` when long tests are not asked for.
fn tool(name: &str) -> Option<PathBuf> {
    std::env::var_os("PERCH_LONG_TESTS")?;
    let tool = root().join("target/openapi-tools/bin").join(name);
    assert!(tool.exists(), "{} is missing: `make test-long` installs it", tool.display());
    Some(tool)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn succeed(mut command: Command) {
    let output = command.output().expect("it runs");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_no_fault() {
    let Some(tool) = tool("schemathesis") else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let log = std::fs::File::create(dir.path().join("log")).expect("a file");
    let mut command = perch();
    command.stderr(log);
    let server = Server::spawn(command, &dir.path().join("index"), &[]);
    let tweets: String = (1..=100).map(|id| format!("{}\n", tweet(id, "rust"))).collect();
    let answer = crate::support::client().post(format!("{}/api/tweets", server.url)).body(tweets).send().await;
    assert_eq!(answer.expect("perch answers").status().as_u16(), 200);
    let mut command = Command::new(tool);
    command.arg("--config-file").arg(root().join("tests/openapi/schemathesis.toml"));
    command.args(["run", "--generation-deterministic", "--no-color"]);
    command.env("SCHEMATHESIS_HOOKS", root().join("tests/openapi/serializers.py"));
    command.arg(format!("{}/api/openapi.json", server.url)).current_dir(dir.path());
    tokio::task::spawn_blocking(move || succeed(command)).await.expect("no fault");
    assert_eq!(server.get("/healthz").await["alive"], true);
}

#[test]
fn a_client_is_generated_without_a_complaint() {
    let Some(tool) = tool("openapi-python-client") else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let mut command = Command::new(&tool);
    command.arg("generate").arg("--path").arg(root().join("docs/openapi.json"));
    command.arg("--config").arg(root().join("tests/openapi/python-client.yaml"));
    command.arg("--output-path").arg(dir.path().join("client")).arg("--fail-on-warning");
    // It formats what it has made with ruff, which stands beside it.
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", tool.parent().expect("a directory").display()));
    succeed(command);
    // What was made is Python that can be loaded.
    let mut python = Command::new(tool.with_file_name("python"));
    python.args(["-c", "import perch_client.api.history.search, perch_client.models"]);
    succeed({
        python.current_dir(dir.path().join("client"));
        python
    });
}
