//! What the crates that perch is built from may be.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;
use spdx::{Expression, ParseMode};

use super::root;

/// Each of these may be used in a program under MIT or Apache-2.0.
const LICENSES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Zlib",
    "bzip2-1.0.6",
    "CDLA-Permissive-2.0",
];

/// Crates that must not come in, and why.
const BANNED: &[(&str, &str)] = &[
    ("openssl", "rustls needs no library of the system"),
    ("openssl-sys", "rustls needs no library of the system"),
    ("aws-lc-sys", "ring is the one provider of cryptography"),
];

/// The workspace's packages that are published. The others only measure and test them.
const PUBLISHED: &[&str] = &["perch", "perch-percolator", "perch-sente"];

/// The published packages, and all that they are built and tested from.
fn packages() -> Vec<Value> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let arguments = ["metadata", "--format-version", "1", "--locked", "--all-features"];
    let output = Command::new(cargo).args(arguments).current_dir(root()).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let nodes = metadata["resolve"]["nodes"].as_array().expect("nodes");
    let is_published = |package: &Value| package["source"].is_null() && PUBLISHED.contains(&text(&package["name"]));
    let mut open: Vec<&str> = packages.iter().filter(|package| is_published(package)).map(|p| text(&p["id"])).collect();
    assert_eq!(open.len(), PUBLISHED.len());
    let mut reached = BTreeSet::new();
    while let Some(id) = open.pop() {
        if reached.insert(id) {
            let node = nodes.iter().find(|node| node["id"] == id).expect("a node");
            open.extend(node["dependencies"].as_array().into_iter().flatten().map(text));
        }
    }
    assert!(reached.len() > 50, "cargo metadata lists {} packages", reached.len());
    packages.iter().filter(|package| reached.contains(text(&package["id"]))).cloned().collect()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}

/// Whether a license, without its exceptions, is in [`LICENSES`]. An exception only permits more.
fn is_allowed(expression: &str) -> bool {
    let expression = Expression::parse_mode(expression, ParseMode::LAX);
    expression.is_ok_and(|expression| {
        expression.evaluate(|license| license.license.id().is_some_and(|id| LICENSES.contains(&id.name)))
    })
}

#[test]
fn crates_have_a_license_that_perch_may_use_and_come_from_crates_io() {
    let mut wrong = Vec::new();
    for package in packages() {
        let name = package["name"].as_str().expect("a name");
        let license = package["license"].as_str().unwrap_or("none");
        if !is_allowed(license) {
            wrong.push(format!("{name}: license {license}"));
        }
        if let Some((_, why)) = BANNED.iter().find(|(banned, _)| *banned == name) {
            wrong.push(format!("{name} is banned: {why}"));
        }
        match package["source"].as_str() {
            Some("registry+https://github.com/rust-lang/crates.io-index") => {}
            Some(source) => wrong.push(format!("{name} comes from {source}")),
            None => {
                let dependencies = package["dependencies"].as_array().into_iter().flatten();
                let any = dependencies.filter(|dependency| dependency["req"] == "*" && dependency["path"].is_null());
                wrong.extend(any.map(|dependency| format!("{name} takes any version of {}", dependency["name"])));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn licenses_are_read_as_expressions() {
    for allowed in ["MIT", "MIT/Apache-2.0", "GPL-2.0-only OR MIT", "Apache-2.0 WITH LLVM-exception", "(MIT AND ISC)"] {
        assert!(is_allowed(allowed), "{allowed}");
    }
    for refused in ["GPL-3.0-only", "MIT AND GPL-2.0-only", "none", "AGPL-3.0-or-later", ""] {
        assert!(!is_allowed(refused), "{refused}");
    }
}
