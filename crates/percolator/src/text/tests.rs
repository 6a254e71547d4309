use proptest::prelude::*;

use super::*;

fn terms(text: &str) -> Vec<String> {
    query_words(text).into_iter().map(|(term, _)| term).collect()
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    assert_eq!(terms(text), expected, "{text:?}");
}

#[track_caller]
fn check_url(url: &str, expected: &[(u32, &str)]) {
    let mut found = Vec::new();
    url_words(url, &mut |term, position, _| found.push((position, term.to_owned())));
    let found: Vec<_> = found.iter().map(|(position, term)| (*position, term.as_str())).collect();
    assert_eq!(found, expected, "{url:?}");
}

#[test]
fn letters_digits_and_marks_make_words() {
    check("", &[]);
    check(" -_'!? ", &[]);
    check("Don't panic: re-read snake_case, v1.5!", &["don", "t", "panic", "re", "read", "snake", "case", "v1", "5"]);
    check("#Rust @User $TSLA", &["rust", "user", "tsla"]);
    check("don’t donʼt", &["don", "t", "don", "t"]);
    check("हिन्दी में", &["हिन्दी", "में"]);
    check("السلام عليكم", &["السلام", "عليكم"]);
}

#[test]
fn case_accents_and_compatibility_forms_are_folded() {
    check(
        "CAFÉ cafe\u{301} Ångström Łódź Straße STRASSE ẞ",
        &["cafe", "cafe", "angstrom", "lodz", "strasse", "strasse", "ss"],
    );
    check(
        "Æsir œuvre Øre Þór Đð ISTANBUL İstanbul ılık",
        &["aesir", "oeuvre", "ore", "thor", "dd", "istanbul", "istanbul", "ilik"],
    );
    check("ΟΔΌΣ οδός Ёлка Йод", &["οδοσ", "οδοσ", "елка", "иод"]);
    check("Ｒｕｓｔ 𝓡𝓾𝓼𝓽 ﬁne m² ①", &["rust", "rust", "fine", "m2", "1"]);
    check("1½ ™rust© Việt", &["1½", "rust", "viet"]);
    check("soft\u{ad}hyphen zero\u{200b}width", &["softhyphen", "zero", "width"]);
}

#[test]
fn characters_of_unspaced_scripts_are_terms() {
    check("日本語のRust入門", &["日", "本", "語", "の", "rust", "入", "門"]);
    check("ラーメン食べた", &["ラ", "ー", "メ", "ン", "食", "べ", "た"]);
    check("한국어 ㅋㅋㅠㅠ", &["한", "국", "어", "ㅋ", "ㅋ", "ㅠ", "ㅠ"]);
    check("\u{1112}\u{1161}\u{11ab}국", &["한", "국"]);
    check("ที่นี่ 12", &["ที่", "นี่", "12"]);
    check("㈱ ㌔ ㎏", &["株", "キ", "ロ", "kg"]);
    check("人々〆〇", &["人", "々", "〆", "〇"]);
    check("ﾾﾾ ￂ", &["ㅎ", "ㅎ", "ㅏ"]);
}

#[test]
fn arabic_and_hebrew_words_lose_points_and_hamza() {
    check("مَدْرَسَة مدرسه مـدرسـة", &["مدرسه", "مدرسه", "مدرسه"]);
    check("أحمد إحمد آحمد ٱحمد احمد", &["احمد", "احمد", "احمد", "ٱحمد", "احمد"]);
    check("فارسی فارسي کتاب كتاب", &["فارسي", "فارسي", "كتاب", "كتاب"]);
    check("שָׁלוֹם שלום", &["שלום", "שלום"]);
    check("İSTANBUL ıstanbul ISTANBUL", &["istanbul", "istanbul", "istanbul"]);
}

#[test]
fn voicing_marks_of_kana_stay_and_are_composed() {
    check("か が か\u{3099} ｶ ｶﾞ ﾊﾟ", &["か", "が", "が", "カ", "ガ", "パ"]);
    assert_ne!(fold("は"), fold("ば"));
    assert_eq!(fold("ﾊﾝﾊﾞｰｶﾞｰ"), fold("ハンバーガー"));
}

#[test]
fn emoji_are_terms_without_their_looks() {
    check("👍🏽 👍", &["👍", "👍"]);
    check("👩‍💻❤️ok", &["👩", "💻", "❤", "ok"]);
    check("🇯🇵🇺🇸 🇯", &["🇯🇵", "🇺🇸", "🇯"]);
    check("🇬🇺🇸🇪", &["🇬🇺", "🇸🇪"]);
    check("1️⃣ rust😂😂", &["1", "rust", "😂", "😂"]);
    check("🏴󠁧󠁢󠁥󠁮󠁧󠁿 🏴 ㊗ 🅰", &["🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🏴", "㊗", "🅰"]);
    check("ℹ️ Ⓜ️ ©️ ▶️x #️⃣ *️⃣", &["ℹ️", "Ⓜ️", "©️", "▶️", "x", "#️⃣", "*️⃣"]);
    check("ⓇⓄⓄⓂ ™ © ▶", &["room"]);
    check("a → b ● c", &["a", "b", "c"]);
}

#[test]
fn every_emoji_is_a_term() {
    let shown = regex::Regex::new(r"^\p{Emoji_Presentation}$").expect("the expression is right");
    for c in ('\u{80}'..=char::MAX).filter(|c| shown.is_match(c.encode_utf8(&mut [0; 4]))) {
        let expected = if is_ignored(c) { vec![] } else { vec![c.to_string()] };
        assert_eq!(terms(&c.to_string()), expected, "{c:?} U+{:X}", c as u32);
    }
}

#[test]
fn addresses_take_no_position() {
    check("see https://Example.com/a?b=c now", &["see", "now"]);
    check("HTTP://t.co/xyzです", &["で", "す"]);
    check("こちらhttp://t.co/xyz…end", &["こ", "ち", "ら", "end"]);
    check("(http://t.co/a) \"http://t.co/b\" <http://t.co/c>d", &["d"]);
    check("http:/x https http: httpx://a xhttp://b", &["http", "x", "https", "http", "httpx", "a", "xhttp", "b"]);
    check("example.com/rust", &["example", "com", "rust"]);
    check("http://", &[]);
    check("ｈttp://t.co/é1 x", &["x"]);
    let mut positions = Vec::new();
    words("a https://t.co/b c", &mut |_, position, span| positions.push((position, span)));
    assert_eq!(positions, [(0, (0, 1)), (1, (17, 18))]);
}

#[test]
fn spans_are_bytes_of_the_text() {
    let text = "Ça, ｶﾞ 👍🏽 Straße";
    let found: Vec<_> = query_words(text).into_iter().map(|(term, span)| (term, &text[span])).collect();
    let found: Vec<_> = found.iter().map(|(term, source)| (term.as_str(), *source)).collect();
    assert_eq!(found, [("ca", "Ça"), ("ガ", "ｶﾞ"), ("👍", "👍"), ("strasse", "Straße")]);
}

#[test]
fn an_address_is_its_host_the_domains_above_and_its_words() {
    check_url(
        "https://www.Example.com/a/Rust-Book?x=1#End",
        &[
            (0, "example"),
            (0, "com"),
            (0, "example.com"),
            (1, "a"),
            (2, "rust"),
            (3, "book"),
            (4, "x"),
            (5, "1"),
            (6, "end"),
        ],
    );
    check_url(
        "http://me:pw@a.Blog.example.co:8080",
        &[
            (0, "a"),
            (0, "blog"),
            (0, "example"),
            (0, "co"),
            (0, "a.blog.example.co"),
            (0, "blog.example.co"),
            (0, "example.co"),
        ],
    );
    check_url("example.com", &[(0, "example"), (0, "com"), (0, "example.com")]);
    check_url("rust-lang.org", &[(0, "rust-lang"), (0, "rust"), (0, "lang"), (0, "org"), (0, "rust-lang.org")]);
    check_url("http://192.168.0.1/x", &[(0, "192.168.0.1"), (1, "x")]);
    check_url(
        "https://de.wikipedia.org/wiki/M%C3%BCnchen",
        &[
            (0, "de"),
            (0, "wikipedia"),
            (0, "org"),
            (0, "de.wikipedia.org"),
            (0, "wikipedia.org"),
            (1, "wiki"),
            (2, "munchen"),
        ],
    );
    check_url(
        "https://web.org/http://a.b/c",
        &[(0, "web"), (0, "org"), (0, "web.org"), (1, "http"), (2, "a"), (3, "b"), (4, "c")],
    );
    check_url("http://x.y/100%&%zz%ff", &[(0, "x"), (0, "y"), (0, "x.y"), (1, "100"), (2, "zz"), (3, "ff")]);
    check_url("localhost:8888/x", &[(0, "localhost"), (1, "x")]);
    check_url("http://", &[]);
    check_url("\u{200d}://", &[]);
    check_url("http://\u{200d}/x", &[(1, "x")]);
    check_url("", &[]);
}

#[test]
fn a_query_for_an_address_names_no_other_domains() {
    assert_eq!(url_query_words("https://www.Blog.Example.com/Rust/"), ["blog.example.com", "rust"]);
    assert_eq!(url_query_words("example.com/rust"), ["example.com", "rust"]);
    assert_eq!(url_query_words("example.com"), ["example.com"]);
    assert_eq!(url_query_words("Rust"), ["rust"]);
    assert_eq!(url_query_words("/rust-book"), ["rust", "book"]);
    assert_eq!(url_query_words("http://localhost:8888/x"), ["localhost", "x"]);
    assert_eq!(url_query_words("two words.x"), ["two", "words", "x"]);
    assert_eq!(url_query_words("..."), Vec::<String>::new());
    assert_eq!(url_query_words("\u{200d}://"), Vec::<String>::new());
}

#[test]
fn long_hosts_are_linear() {
    let url = format!("http://{}/x", "a.".repeat(100_000));
    let mut count = 0;
    url_words(&url, &mut |_, _, _| count += 1);
    assert_eq!(count, 2);
}

/// Text in which edge cases are frequent.
fn odd_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        2 => any::<char>().prop_map(String::from),
        2 => proptest::char::range('\u{80}', '\u{600}').prop_map(String::from),
        1 => proptest::char::range('\u{900}', '\u{1200}').prop_map(String::from),
        1 => proptest::char::range('\u{3000}', '\u{3400}').prop_map(String::from),
        1 => proptest::char::range('\u{f900}', '\u{ffef}').prop_map(String::from),
        1 => proptest::char::range('\u{1f000}', '\u{1f6ff}').prop_map(String::from),
        4 => "[ -~]{1,6}",
        2 => proptest::sample::select(vec![
            "http", "https", "://", ":", "/", "ｈttp", "\u{200d}", "\u{301}", "\u{3099}", "ｶ", "ﾞ", "か", "ᄒ", "ᅡ", "ᆫ", "ß", "İ", "½", "℡", "﷽", "ŉ", "ͺ",
        ]).prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// The words by the definition: fold the whole text, then split it character by character.
fn plain_words(text: &str) -> Vec<String> {
    let folded = fold(text);
    let mut terms: Vec<String> = Vec::new();
    let mut term = String::new();
    let mut solo = false;
    let mut address = false;
    let chars: Vec<char> = folded.chars().collect();
    for (index, &c) in chars.iter().enumerate() {
        if address && c.is_ascii_graphic() && !"<>\"".contains(c) {
            continue;
        }
        address = false;
        let class = fold::class_of(c);
        if matches!(class, Class::Gap | Class::Solo | Class::Picture) || (solo && class == Class::Word) {
            let ended = std::mem::take(&mut term);
            address = !solo && (ended == "http" || ended == "https") && chars[index..].starts_with(&[':', '/', '/']);
            if !ended.is_empty() && !address {
                terms.push(ended);
            }
            solo = false;
        }
        match class {
            Class::Gap => {}
            Class::Picture => terms.push(c.to_string()),
            Class::Solo => {
                term.push(c);
                solo = true;
            }
            Class::Word | Class::Mark => term.push(c),
        }
    }
    terms.extend(Some(term).filter(|term| !term.is_empty()));
    terms
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn folding_twice_is_folding_once(text in odd_text()) {
        let once = fold(&text).into_owned();
        prop_assert_eq!(fold(&once), once.as_str());
    }

    #[test]
    fn folded_text_has_the_same_words(text in odd_text()) {
        prop_assert_eq!(terms(&text), terms(&fold(&text)));
    }

    #[test]
    fn words_are_as_defined(text in odd_text()) {
        prop_assert_eq!(terms(&text), plain_words(&text));
    }

    #[test]
    fn canonically_equal_text_has_the_same_words(text in odd_text()) {
        use unicode_normalization::UnicodeNormalization;
        prop_assert_eq!(terms(&text), terms(&text.nfd().collect::<String>()));
        prop_assert_eq!(terms(&text), terms(&text.nfc().collect::<String>()));
    }

    #[test]
    fn positions_are_consecutive_and_spans_in_order(text in odd_text()) {
        let mut next = 0;
        let mut last = 0;
        let mut wrong = None;
        words(&text, &mut |term, position, (start, end)| {
            let span = text.get(start as usize..end as usize);
            if position != next || term.is_empty() || start < last || span.is_none_or(str::is_empty) {
                wrong = Some((term.to_owned(), position, start, end));
            }
            next += 1;
            last = start;
        });
        prop_assert_eq!(wrong, None);
    }

    #[test]
    fn addresses_never_panic(text in odd_text()) {
        url_words(&text, &mut |_, _, _| {});
        let terms = url_query_words(&text);
        prop_assert!(terms.iter().all(|term| !term.is_empty()));
    }

    #[test]
    fn a_query_for_the_address_itself_is_a_phrase_of_it(host in "[a-c]{1,3}(\\.[a-c]{1,3}){1,3}", path in "(/[a-c0-9%-]{0,5}){0,3}") {
        let url = format!("https://{host}{path}");
        let mut found = Vec::new();
        url_words(&url, &mut |term, position, _| found.push((position, term.to_owned())));
        for (position, term) in url_query_words(&url).into_iter().enumerate() {
            prop_assert!(found.contains(&(at(position), term)));
        }
    }
}

#[test]
fn every_character_folds_to_what_stays() {
    for c in '\0'..=char::MAX {
        let text = c.to_string();
        let once = fold(&text).into_owned();
        assert_eq!(fold(&once), once, "U+{:X}", c as u32);
    }
}
