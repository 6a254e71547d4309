//! For every accepted query perch can construct a tweet that it matches.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::query::arbitrary::ast;
use crate::query::{Phrase, Query, QueryLimits, possible_leaves};
use crate::schema::FieldId;
use crate::tweet::read;

/// A word that no vocabulary has, to stand between others.
const FILLER: &str = "qxz";

/// Texts of which one may have a term for a leaf, the likeliest first.
fn candidates(leaf: &Ast) -> Vec<String> {
    let with = |pattern: &str, star: &str, any: &str| pattern.replace('*', star).replace('?', any);
    match leaf {
        Ast::Term { term, .. } => vec![term.clone()],
        Ast::Prefix { prefix, .. } => ["", "q", "zz", "9"].iter().map(|end| format!("{prefix}{end}")).collect(),
        Ast::Wildcard { pattern, .. } => [("", "q"), ("q", "z"), ("zz", "9"), ("u", "u"), ("日", "日")]
            .iter()
            .map(|(star, any)| with(pattern, star, any))
            .collect(),
        Ast::Regex { pattern, .. } => {
            let words = [
                "rust", "rest", "trust", "job", "jobs", "a", "ab", "q", "qqq", "9", "日", "本", "zq", "5", "f", "aaaa",
            ];
            words.iter().filter(|word| pattern.matches(word)).map(|&word| word.to_owned()).collect()
        }
        Ast::Fuzzy { term, .. } => {
            vec![term.clone(), format!("{term}q"), format!("q{term}"), term.chars().skip(1).collect()]
        }
        Ast::Phrase(Phrase { terms, .. }) => vec![terms.join(" ")],
        Ast::Exists { .. } => vec![FILLER.to_owned(), "zz".to_owned(), "9".to_owned()],
        _ => Vec::new(),
    }
}

/// The text for a leaf, of which no excluded leaf matches a word.
fn text_for(leaf: &Ast, excluded: &[Ast]) -> Option<String> {
    let field = leaf.field()?;
    let fits = |text: &String| {
        let mut builder = DocBuilder::new(Schema::tweet());
        builder.text(field, text);
        let doc = builder.finish();
        query::matches(leaf, &doc) && !excluded.iter().any(|it| it.field() == Some(field) && query::matches(it, &doc))
    };
    let values = &Schema::tweet().field(field).values;
    if !values.is_empty() {
        return values.iter().map(|value| value.name.clone()).find(|value| fits(value));
    }
    let address = |text: String| {
        if text.contains('.') {
            format!("https://{}", text.replace(' ', "/"))
        } else {
            format!("https://qxz.zz/{}", text.replace(' ', "/"))
        }
    };
    candidates(leaf).into_iter().map(|text| if field == tweet::URL { address(text) } else { text }).find(fits)
}

/// A tweet for the leaves of one choice of alternatives.
fn tweet_for(required: &[Ast], excluded: &[Ast]) -> Option<Value> {
    let schema = Schema::tweet();
    let of = |id: FieldId| required.iter().filter(move |leaf| leaf.field() == Some(id));
    let mut texts: BTreeMap<FieldId, Vec<String>> = BTreeMap::new();
    for (id, _) in schema.iter().filter(|(_, field)| field.kind.has_terms()) {
        for leaf in of(id) {
            texts.entry(id).or_default().push(text_for(leaf, excluded)?);
        }
        if matches!(
            id,
            tweet::LANG
                | tweet::SCREEN_NAME
                | tweet::REPLY_TO
                | tweet::CONVERSATION_ID
                | tweet::REPLY_TO_TWEET
                | tweet::REPLY_TO_USER
                | tweet::USER_ID
                | tweet::COUNTRY
                | tweet::SOURCE
        ) {
            // A tweet has one of these, which all leaves match.
            let all = |text: &String| {
                let mut builder = DocBuilder::new(schema);
                builder.text(id, text);
                of(id).all(|leaf| query::matches(leaf, builder.doc()))
            };
            if let Some(values) = texts.get_mut(&id) {
                *values = vec![values.iter().find(|text| all(text))?.clone()];
            }
        }
    }
    let of_text = texts.clone();
    let needs = |id: FieldId, value: &str| of_text.get(&id).is_some_and(|values| values.iter().any(|it| it == value));
    let filler = |id: FieldId| text_for(&Ast::Exists { field: id }, excluded);
    for (id, value) in [
        (tweet::HASHTAG, "hashtags"),
        (tweet::MENTION, "mentions"),
        (tweet::CASHTAG, "cashtags"),
        (tweet::URL, "links"),
    ] {
        if needs(tweet::HAS, value) && !texts.contains_key(&id) {
            texts.insert(id, vec![filler(id)?]);
        }
    }
    let key = |id: FieldId| -> Option<i64> {
        let field = schema.field(id);
        let is_in = |key: i64| {
            let mut builder = DocBuilder::new(schema);
            builder.integer(id, key);
            let doc = builder.finish();
            of(id).all(|leaf| query::matches(leaf, &doc))
                && !excluded.iter().any(|it| it.field() == Some(id) && query::matches(it, &doc))
        };
        let step = field.constraints.step;
        let near = required.iter().chain(excluded).filter_map(|leaf| match leaf {
            Ast::Range { field, lower, upper } if *field == id => Some([*lower, *upper]),
            _ => None,
        });
        let edges = near.flatten().filter_map(|bound| match bound {
            std::ops::Bound::Included(key) | std::ops::Bound::Excluded(key) => Some(key),
            std::ops::Bound::Unbounded => None,
        });
        let around = |key: i64| [key, key.saturating_add(1), key.saturating_sub(1)];
        let round =
            |key: i64| [key.div_euclid(step) * step, key.div_euclid(step).saturating_add(1).saturating_mul(step)];
        let all = edges.flat_map(around).chain([0, 1_000]).flat_map(round);
        all.filter(|&key| key >= field.constraints.min).find(|&key| is_in(key))
    };
    let list = |id: FieldId, name: &str| -> Vec<Value> {
        texts.get(&id).into_iter().flatten().map(|text| json!({ name: text })).collect()
    };
    let joined = |id: FieldId| {
        let gap = format!(" {} ", [FILLER; 12].join(" "));
        texts.get(&id).map(|texts| texts.join(&gap))
    };
    let one = |id: FieldId| texts.get(&id).and_then(|texts| texts.first().cloned());
    let mut json = json!({
        "id_str": key(tweet::ID).unwrap_or(1).to_string(),
        "text": joined(tweet::TEXT).unwrap_or_else(|| "!".to_owned()),
        "user": {
            "name": joined(tweet::USER_NAME).unwrap_or_default(),
            "screen_name": one(tweet::SCREEN_NAME).unwrap_or_default(),
            "followers_count": key(tweet::FOLLOWERS)?,
            "description": joined(tweet::BIO).unwrap_or_default(),
            "id_str": one(tweet::USER_ID),
            "verified": needs(tweet::IS, "verified"),
        },
        "conversation_id": one(tweet::CONVERSATION_ID),
        "in_reply_to_user_id_str": one(tweet::REPLY_TO_USER),
        "in_reply_to_status_id_str": one(tweet::REPLY_TO_TWEET),
        "source": one(tweet::SOURCE),
        "poll_options": if needs(tweet::HAS, "polls") { json!(["a", "b"]) } else { json!([]) },
        "retweet_count": key(tweet::RETWEETS)?,
        "favorite_count": key(tweet::FAVORITES)?,
        "entities": {
            "hashtags": list(tweet::HASHTAG, "text"),
            "symbols": list(tweet::CASHTAG, "text"),
            "user_mentions": list(tweet::MENTION, "screen_name"),
            "urls": list(tweet::URL, "expanded_url"),
            "media": if let Some(alt) = joined(tweet::ALT) {
                json!([{"type": "photo", "media_url": "http://m/1.jpg", "url": "http://t.co/b", "ext_alt_text": alt}])
            } else if needs(tweet::HAS, "media") { json!([{"type": "photo", "media_url": "http://m/1.jpg", "url": "http://t.co/b"}]) } else { json!([]) },
        },
    });
    if let Some(lang) = one(tweet::LANG) {
        json["lang"] = lang.into();
    }
    if let Some(name) = one(tweet::REPLY_TO) {
        json["in_reply_to_screen_name"] = name.into();
    }
    if needs(tweet::IS, "reply") && !texts.keys().any(|id| matches!(*id, tweet::REPLY_TO_TWEET | tweet::REPLY_TO_USER))
    {
        json["in_reply_to_status_id_str"] = filler(tweet::REPLY_TO_TWEET)?.into();
    }
    if texts.contains_key(&tweet::PLACE) || texts.contains_key(&tweet::COUNTRY) {
        json["place"] = json!({
            "full_name": joined(tweet::PLACE).unwrap_or_else(|| "!".to_owned()),
            "country_code": one(tweet::COUNTRY),
        });
    }
    for (id, name) in [(tweet::REPLIES, "reply_count"), (tweet::QUOTES, "quote_count")] {
        if of(id).next().is_some() {
            json[name] = key(id)?.into();
        }
    }
    // An original has one author, and an identity.
    let original = |id: FieldId| {
        let names = texts.get(&id)?;
        let mut names: Vec<&String> = names.iter().collect();
        names.sort_unstable();
        names.dedup();
        let name = |at: usize| names.get(at).map_or_else(|| filler(id), |name| Some((*name).clone()));
        if names.len() > 3 {
            return None;
        }
        Some(json!({"id_str": name(0)?, "text": "!", "user": {"screen_name": name(1)?, "id_str": name(2)?}}))
    };
    if texts.contains_key(&tweet::QUOTES_OF) || texts.contains_key(&tweet::QUOTED) {
        let mut quoted = original(tweet::QUOTES_OF).or_else(|| {
            let id = filler(tweet::QUOTES_OF)?;
            Some(json!({"id_str": id, "text": "!", "user": {"screen_name": id, "id_str": id}}))
        })?;
        if let Some(text) = joined(tweet::QUOTED) {
            quoted["text"] = text.into();
        }
        json["quoted_status"] = quoted;
    }
    if texts.contains_key(&tweet::RETWEETS_OF) {
        json["retweeted_status"] = original(tweet::RETWEETS_OF)?;
    }
    if needs(tweet::IS, "quote") {
        json["is_quote_status"] = true.into();
    }
    if needs(tweet::IS, "retweet") && !texts.contains_key(&tweet::RETWEETS_OF) {
        json["is_retweet"] = true.into();
    }
    if of(tweet::CREATED).next().is_some() {
        json["created_at"] = jiff::Timestamp::from_millisecond(key(tweet::CREATED)?).ok()?.to_string().into();
    }
    if of(tweet::COORDINATES).next().is_some() || needs(tweet::HAS, "coordinates") {
        let point = of(tweet::COORDINATES).find_map(|leaf| match leaf {
            Ast::Within { bounds, .. } => Some([bounds.west, bounds.south]),
            Ast::Near { circle, .. } => Some([circle.lon, circle.lat]),
            _ => None,
        });
        json["coordinates"] = json!({"type": "Point", "coordinates": point.unwrap_or([1.25, 2.5])});
    }
    Some(json)
}

/// Whether perch does not decide about the query: see docs/QUERY.md, "Mistakes".
fn is_undecided(leaves: &[Ast]) -> bool {
    leaves.iter().any(|leaf| match leaf {
        Ast::Wildcard { .. } | Ast::Regex { .. } | Ast::Fuzzy { .. } | Ast::Within { .. } | Ast::Near { .. } => true,
        // A tweet without a date has that of its arrival.
        Ast::Range { field, .. } | Ast::Exists { field } if *field == tweet::CREATED => true,
        // A hash can't be chosen.
        Ast::Range { field, .. } if *field == tweet::SAMPLE => true,
        Ast::Term { field, term } if *field == tweet::HAS => {
            matches!(term.as_str(), "media" | "images" | "videos")
        }
        Ast::Prefix { field, .. } if *field == tweet::HAS => true,
        // Whether a tweet may have several of these depends on its network.
        Ast::Term { field, .. } | Ast::Prefix { field, .. } => matches!(*field, tweet::LANG | tweet::REPLY_TO),
        Ast::Phrase(phrase) => phrase.slop > 0 || phrase.field == tweet::URL || phrase.last_is_prefix,
        _ => false,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, max_global_rejects: 100_000, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn an_accepted_query_has_a_tweet(ast in ast()) {
        let canonical = Query::from_ast(ast, Schema::tweet(), &QueryLimits::default()).unwrap().canonical().to_owned();
        let Ok(query) = Query::parse(&canonical, Schema::tweet(), &QueryLimits::default()) else {
            return Err(TestCaseError::reject("no tweet can match it"));
        };
        let (required, excluded) = possible_leaves(query.ast(), Schema::tweet()).expect("it was accepted");
        let tweet = tweet_for(&required, &excluded).and_then(|json| read(json.to_string().as_bytes()).ok());
        let matched = tweet.is_some_and(|tweet| query::matches(query.ast(), &crate::tweet::analyze(&tweet).doc));
        prop_assert!(matched || is_undecided(&[required, excluded].concat()), "{canonical}");
    }
}
