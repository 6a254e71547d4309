use proptest::prelude::*;

use super::*;

/// Finds `tags`, `mentions`, `cash` and `urls`, each as written in the text.
#[track_caller]
fn check(text: &str, tags: &[&str], mentions: &[&str], cash: &[&str], urls: &[&str]) {
    let found = extract(text);
    assert_eq!(found.hashtags.iter().map(|tag| &*tag.text).collect::<Vec<_>>(), tags, "{text:?}");
    assert_eq!(
        found.user_mentions.iter().map(|mention| &*mention.screen_name).collect::<Vec<_>>(),
        mentions,
        "{text:?}"
    );
    assert_eq!(found.symbols.iter().map(|tag| &*tag.text).collect::<Vec<_>>(), cash, "{text:?}");
    assert_eq!(found.urls.iter().map(|url| &*url.url).collect::<Vec<_>>(), urls, "{text:?}");
}

#[test]
fn hashtags_follow_twitters_rules() {
    check("#perch flies; look at #percolation!", &["perch", "percolation"], &[], &[], &[]);
    check("no#tag &#39;no tag", &[], &[], &[], &[]);
    check("#2024 is a number, #2024olympics is not", &["2024olympics"], &[], &[], &[]);
    check(
        "#über #日本語 ＃全角 #русский_язык #한국어",
        &["über", "日本語", "全角", "русский_язык", "한국어"],
        &[],
        &[],
        &[],
    );
    check("#one-two #three_four x#five", &["one", "three_four"], &[], &[], &[]);
    check("日本語 #タグ です", &["タグ"], &[], &[], &[]);
    check("# #! #.", &[], &[], &[], &[]);
}

#[test]
fn mentions_follow_twitters_rules() {
    check("@ann and ＠bob_2, (@carl)", &[], &["ann", "bob_2", "carl"], &[], &[]);
    check("こんにちは@annさん", &[], &["ann"], &[], &[]);
    check("mail ann@example.com", &[], &[], &[], &[]);
    check("@ann@example no, @éva no, @ no", &[], &[], &[], &[]);
    check("@a_name_that_is_far_too_long x", &[], &["a_name_that_is_far_t"], &[], &[]);
    check("RT @ann: .@bob @carl/friends", &[], &["ann", "bob", "carl"], &[], &[]);
}

#[test]
fn cashtags_follow_twitters_rules() {
    check("buy $TSLA, $brk.a and $BF_B; not $5 or $toolongtag", &[], &[], &["TSLA", "brk.a", "BF_B"], &[]);
    check("US$EUR $株 $", &[], &[], &[], &[]);
}

#[test]
fn addresses_follow_twitters_rules() {
    check("see http://example.com/a_(b)?c=d.", &[], &[], &[], &["http://example.com/a_(b)?c=d"]);
    check("example.com, bit.ly/x and t.co/AbC1", &[], &[], &[], &["example.com", "bit.ly/x", "t.co/AbC1"]);
    check("これhttps://t.co/abcです", &[], &[], &[], &["https://t.co/abc"]);
    check("http://nowhere.invalidtld file.rs? v1.2 e.g. etc...", &[], &[], &[], &["file.rs"]);
    check("http://x.com/#tag/@ann", &[], &[], &[], &["http://x.com/#tag/@ann"]);
    check("", &[], &[], &[], &[]);
}

#[test]
fn places_are_characters_of_the_text_as_received() {
    let text = "é &amp; #tag &lt;@ann&gt; 👍 http://a.com/?x=1&amp;y=2 end";
    let found = extract(text);
    let slice = |indices: Indices| -> String {
        let [start, end] = indices.expect("it has a place");
        text.chars().skip(start as usize).take((end - start) as usize).collect()
    };
    assert_eq!(slice(found.hashtags[0].indices), "#tag");
    assert_eq!(slice(found.user_mentions[0].indices), "@ann");
    assert_eq!(slice(found.urls[0].indices), "http://a.com/?x=1&amp;y=2");
    assert_eq!(found.urls[0].expanded_url, "http://a.com/?x=1&y=2");
    assert_eq!(found.urls[0].display_url, "a.com/?x=1&y=2");
    assert_eq!(extract("a.com").urls[0].expanded_url, "http://a.com");
}

#[test]
fn html_is_decoded_once() {
    assert_eq!(decode("a &amp;lt; &#39;b&#x27; &quot; &unknown; &"), "a &lt; 'b' \" &unknown; &");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_map_of_places_is_that_of_the_decoder(text in "([&#;a-z ]|&amp;|&lt;|&#39;|é|👍|&NotEqualTilde;){0,12}") {
        let places = positions(&text);
        prop_assert_eq!(places.len(), decode(&text).encode_utf16().count() + 1);
        prop_assert_eq!(places.last().copied(), u32::try_from(text.chars().count()).ok());
        prop_assert!(places.is_sorted());
    }

    #[test]
    fn any_text_can_be_shown_to_it(text in "([#@$＃＠./:&;_!-]|RT|http://|[a-z0-9]|\\PC|é|日|\u{fe0f}|\u{200d}|.com| ){0,20}") {
        let found = extract(&text);
        let len = u32::try_from(text.chars().count()).expect("a short text");
        for tag in found.hashtags {
            prop_assert!(tag.indices.is_some_and(|[start, end]| start < end && end <= len));
        }
        for url in found.urls {
            prop_assert!(url.indices.is_some_and(|[start, end]| start < end && end <= len));
        }
        let extractor = Extractor::new();
        pieces(&decode(&text), |start, end| {
            // Outside of the catch_unwind.
            extractor.extract_entities_with_indices(&decode(&text)[start..end]);
            extractor.extract_urls_with_indices(&decode(&text)[start..end]);
        });
    }
}

proptest! {
    #[test]
    fn places_of_the_decoded_text_lead_back(parts in prop::collection::vec(prop::sample::select(
        vec!["&amp;", "&lt;", "&eacute;", "&#128640;", "&nope;", "&", ";", "&amp", "é", "日", "a", " ", "&a&gt;"]), 0..12),
        from in any::<prop::sample::Index>(), to in any::<prop::sample::Index>(),
    ) {
        let text = parts.concat();
        let decoded = decode(&text);
        prop_assert_eq!(decoded_parts(&text).map(|(_, meaning)| meaning).collect::<String>(), decoded.clone());
        let places: Vec<usize> = (0..=decoded.len()).filter(|&at| decoded.is_char_boundary(at)).collect();
        let (from, to) = (places[from.index(places.len())], places[to.index(places.len())]);
        let range = from.min(to)..from.max(to);
        let raw = raw_range(&text, range.clone());
        if !range.is_empty() {
            prop_assert_eq!(&decode(&text[raw]), &decoded[range]);
        }
    }
}

#[test]
fn texts_that_the_crate_can_not_bear_are_cut() {
    check("日本語!@ann #tag", &["tag"], &[], &[], &[]);
    check("é_@bob @carl", &[], &["carl"], &[], &[]);
    check("＠@x ＠＠y éa@b.com #tag", &["tag"], &[], &[], &[]);
    check("日本語@ann 日RT@ann", &[], &["ann"], &[], &[]);
}

#[test]
fn long_texts_are_searched_in_pieces() {
    let text = "word 👍 http://example.com/a #tag @ann ".repeat(500);
    let found = extract(&text);
    assert_eq!((found.hashtags.len(), found.user_mentions.len(), found.urls.len()), (500, 500, 500));
    let [start, end] = found.urls[499].indices.expect("it has a place");
    let url: String = text.chars().skip(start as usize).take((end - start) as usize).collect();
    assert_eq!(url, "http://example.com/a");
    let many = "#a ".repeat(MAX_ENTITIES + 1);
    assert_eq!(extract(&many).hashtags.len(), MAX_ENTITIES);
    for piece in ["a.", "@", "é.", "日", "#a", "a@"] {
        let mut longest = 0;
        pieces(&piece.repeat(5_000), |start, end| longest = longest.max(end - start));
        assert!(longest <= MAX_PIECE_BYTES, "{piece}");
    }
}
