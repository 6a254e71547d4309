use std::io::Read as _;
use std::path::Path;

use async_compression::tokio::bufread::BrotliDecoder;
use flate2::read::GzDecoder;
use tokio::io::AsyncReadExt as _;

use super::*;

fn with(name: HeaderName, value: &str) -> HeaderMap {
    HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
}

async fn body(response: Response) -> Bytes {
    axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap()
}

#[tokio::test]
async fn every_file_is_there_compressed_or_not_and_is_fresh_until_it_changes() {
    for asset in assets() {
        let path = &asset.path;
        let response = asset.serve(&HeaderMap::new());
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()[header::CONTENT_TYPE], asset.media_type);
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-cache");
        assert_eq!(response.headers()[header::VARY], "accept-encoding");
        assert!(!response.headers().contains_key(header::CONTENT_ENCODING));
        let etag = response.headers()[header::ETAG].to_str().unwrap().to_owned();

        let response = asset.serve(&with(header::ACCEPT_ENCODING, "gzip;q=0.8"));
        assert_eq!(response.headers()[header::CONTENT_ENCODING], "gzip", "{path}");
        let mut unpacked = Vec::new();
        GzDecoder::new(&*body(response).await).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, asset.plain, "{path}");

        let response = asset.serve(&with(header::ACCEPT_ENCODING, "gzip, br"));
        let is_code = [".js", ".css", ".html"].iter().any(|ending| path.ends_with(ending));
        assert_eq!(response.headers()[header::CONTENT_ENCODING], if is_code { "br" } else { "gzip" }, "{path}");
        if is_code {
            let mut unpacked = Vec::new();
            let packed = body(response).await;
            BrotliDecoder::new(&*packed).read_to_end(&mut unpacked).await.unwrap();
            assert_eq!(unpacked, asset.plain, "{path}");
        }

        for known in [etag.clone(), format!("\"x\", W/{etag}")] {
            assert_eq!(asset.serve(&with(header::IF_NONE_MATCH, &known)).status(), 304, "{path}");
        }
        assert_eq!(asset.serve(&with(header::IF_NONE_MATCH, "\"old\"")).status(), 200, "{path}");
    }
}

#[test]
fn a_coding_is_for_those_who_take_it() {
    for (accepted, takes) in
        [("gzip", true), ("br, GZIP", true), ("gzip; q=0.1", true), ("gzip;q=0", false), ("br", false), ("", false)]
    {
        assert_eq!(super::takes(&HeaderValue::from_static(accepted), "gzip"), takes, "{accepted}");
    }
}

/// All that the page imports and links to is served, so that it works without the network.
#[test]
fn every_file_that_is_asked_for_is_served() {
    let assets = assets();
    let is_served = |path: &Path| assets.iter().any(|asset| Path::new(&asset.path) == path);
    for Asset { path, plain, .. } in &assets {
        let text = String::from_utf8_lossy(plain);
        let folder = Path::new(path).parent().unwrap();
        for marker in ["from\"./", "import(\"./", " src=\"", " href=\""] {
            for found in text.split(marker).skip(1) {
                let name = found.split(['\'', '"']).next().unwrap();
                if !Path::new(name)
                    .extension()
                    .is_some_and(|end| ["js", "css", "svg"].iter().any(|known| end == *known))
                {
                    continue;
                }
                assert!(is_served(&folder.join(name)), "{path} asks for {name}");
            }
        }
    }
}

#[test]
fn the_page_runs_nothing_inline() {
    let assets = assets();
    let index = assets.iter().find(|asset| asset.path == "/index.html").unwrap();
    let text = String::from_utf8_lossy(&index.plain);
    assert!(!text.contains("style=") && !text.contains("onclick"), "no inline handlers");
    for script in text.split("<script").skip(1) {
        assert!(script.starts_with(" type=\"module\" src=\"") && script.contains("></script>"), "{script}");
    }
}

/// The view library has one of these inside. perch's own sources have none.
#[test]
fn the_page_makes_no_markup_of_tweets() {
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("web");
    for folder in ["lib", "ui"] {
        for file in std::fs::read_dir(web.join(folder)).unwrap() {
            let path = file.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            for markup in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"] {
                assert!(!text.contains(markup), "{}: {markup}", path.display());
            }
            assert!(!text.contains("dangerouslySetInnerHTML"), "{}", path.display());
        }
    }
}

#[test]
fn all_of_it_is_small() {
    let size_bytes = assets().iter().map(|asset| asset.gzip().len()).sum::<usize>();
    assert!(size_bytes < 200_000, "the page has {size_bytes} bytes");
}
