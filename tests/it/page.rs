//! The page as a browser gets it.

use crate::support::Perch;

#[tokio::test(flavor = "multi_thread")]
async fn the_page_and_its_files_are_served_safely() {
    let perch = Perch::start().await;
    for (path, media_type) in [
        ("/", "text/html"),
        ("/?q=rust", "text/html"),
        ("/start.js", "text/javascript"),
        ("/app.js", "text/javascript"),
        ("/chunk.js", "text/javascript"),
        ("/later.js", "text/javascript"),
        ("/style.css", "text/css"),
        ("/later.css", "text/css"),
        ("/icon.svg", "image/svg+xml"),
        ("/uplot.js", "text/javascript"),
        ("/LICENSES.txt", "text/plain"),
    ] {
        let response = perch.http.get(perch.url(path)).send().await.expect("an answer");
        assert_eq!(response.status().as_u16(), 200, "{path}");
        let headers = response.headers().clone();
        let header = |name: &str| headers[name].to_str().expect("text").to_owned();
        assert!(header("content-type").starts_with(media_type), "{path}");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("cache-control"), "no-cache");
        let policy = header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert!(!response.bytes().await.expect("a body").is_empty());

        let again = perch.http.get(perch.url(path)).header("If-None-Match", header("etag")).send().await;
        assert_eq!(again.expect("an answer").status().as_u16(), 304, "{path}");
    }
    for path in [
        "/web/app.js",
        "/../Cargo.toml",
        "/app.js/",
        "/lib/state.js",
        "/jsconfig.json",
        "/tests/browser.mjs",
        "/vendor/preact.js",
    ] {
        assert_eq!(perch.get(path).await.0, 404, "{path}");
    }
    perch.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_can_be_left_out() {
    let settings = "[[transport]]\ntype = \"rest\"\npage = false\n";
    let perch = Perch::start_with(settings).await;
    assert_eq!(perch.get("/").await.0, 404);
    assert_eq!(perch.get("/healthz").await.0, 200);
    perch.stop().await;
}
