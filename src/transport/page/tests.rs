use super::*;

#[test]
fn every_file_is_there_and_is_fresh_until_it_changes() {
    for &(path, file, media_type) in FILES {
        let response = serve(file, media_type, &HeaderMap::new());
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()[header::CONTENT_TYPE], media_type);
        let etag = response.headers()[header::ETAG].clone();
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-cache");

        for known in [etag.clone(), HeaderValue::try_from(format!("\"x\", W/{}", etag.to_str().unwrap())).unwrap()] {
            let response = serve(file, media_type, &HeaderMap::from_iter([(header::IF_NONE_MATCH, known)]));
            assert_eq!(response.status(), 304, "{path}");
        }
        let old = HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_static("\"old\""))]);
        assert_eq!(serve(file, media_type, &old).status(), 200, "{path}");
    }
}

#[test]
fn every_embedded_file_has_a_route() {
    for file in Files::iter() {
        assert!(FILES.iter().any(|(_, listed, _)| *listed == file), "web/{file} is not served");
    }
}

#[test]
fn the_page_runs_nothing_inline_and_makes_no_markup_of_tweets() {
    let text = |file| String::from_utf8(Files::get(file).unwrap().data.into_owned()).unwrap();
    let html = text("index.html");
    assert!(!html.contains("style=") && !html.contains(" on") || !html.contains("onclick"), "no inline handlers");
    for script in html.split("<script").skip(1) {
        assert!(script.starts_with(" type=\"module\" src=\"/") && script.contains("></script>"), "{script}");
    }
    for markup in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"] {
        assert!(!text("app.js").contains(markup), "{markup}");
    }
    let size_bytes = FILES.iter().map(|(_, file, _)| Files::get(file).unwrap().data.len()).sum::<usize>();
    assert!(size_bytes < 15_000, "the page has {size_bytes} bytes");
}
