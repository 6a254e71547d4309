use proptest::prelude::*;

use super::*;
use crate::transit::{self as packer, Codes};
use crate::value::{Value, strategies};

fn to_transit(json: &str, codes: Codes) -> Result<String, NotJson> {
    let mut out = String::new();
    transit(json, &mut Writer::new(codes, &mut out)).map(|()| out)
}

fn to_edn(json: &str) -> Result<String, NotJson> {
    let mut out = String::new();
    edn(json, &mut out).map(|()| out)
}

/// The slow way, by values.
fn plain(json: &serde_json::Value) -> [String; 3] {
    let value = Value::from_json(json);
    let (mut uncoded, mut coded, mut edn) = (String::new(), String::new(), String::new());
    packer::write(&value, Codes::None, &mut uncoded);
    packer::write(&value, Codes::Short, &mut coded);
    crate::edn::write(&value, &mut edn);
    [uncoded, coded, edn]
}

#[test]
fn a_tweet() {
    let tweet = crate::transit::tests::PUSHED_TWEET;
    let mut out = String::new();
    let mut writer = Writer::new(Codes::Short, &mut out);
    writer.raw("[[");
    writer.value(&Value::keyword("tweet/new"));
    writer.raw(",");
    transit(tweet, &mut writer).expect("it is JSON");
    writer.raw("],[\"~:stats/users-count\",3]]");
    assert_eq!(out, crate::transit::tests::PUSH);
    let edn = to_edn(tweet).expect("it is JSON");
    assert!(edn.starts_with(
        r#"{:id_str "547177163405844480", :id "547177163405844480", :text "RT @ann: hello #rust", :created_at"#
    ));
    assert!(edn.contains(r#", :entities {:hashtags [{:text "rust"}], :urls [], :user_mentions []}, :user {:followers_count 5, :name "~bob","#), "{edn}");
}

#[test]
fn escapes_and_names() {
    let json = r#" { "a\u0062" : "\u007ex\/\u00e9\ud83d\ude00\u0001\n" , "1" : [ null , true , -1.5e3 , 12345678901234567890 ] , "x y":{}, "":[] } "#;
    assert_eq!(
        to_transit(json, Codes::None).as_deref(),
        Ok(
            r#"["^ ","a\u0062","~\u007ex\/\u00e9\ud83d\ude00\u0001\n","1",[null,true,-1.5e3,"~n12345678901234567890"],"x y",["^ "],"",[]]"#
        )
    );
    assert_eq!(
        to_edn(json).as_deref(),
        Ok("{\"ab\" \"~x/é😀\u{1}\\n\", \"1\" [nil true -1.5e3 \"12345678901234567890\"], \"x y\" {}, \"\" []}")
    );
}

#[test]
fn what_is_no_json_does_no_harm() {
    for json in [
        "[",
        "]",
        "{]",
        "\"",
        "\"\\",
        "[1,2",
        "{\"a\":",
        ",",
        ":",
        "[:]",
        "nul",
        "tru",
        "+1",
        "x",
        "\"\\u00",
        "[\"\\u12\"]",
        "é",
    ] {
        assert_eq!(to_transit(json, Codes::None), Err(NotJson), "{json}");
    }
    assert_eq!(to_edn("\"\\x\""), Err(NotJson));
}

proptest! {
    #[test]
    fn the_same_as_by_values(json in strategies::json()) {
        let text = json.to_string();
        let [uncoded, coded, edn] = plain(&json);
        prop_assert_eq!(to_transit(&text, Codes::None), Ok(uncoded));
        prop_assert_eq!(to_transit(&text, Codes::Short), Ok(coded));
        prop_assert_eq!(to_edn(&text), Ok(edn));
        let pretty = serde_json::to_string_pretty(&json).expect("it is JSON");
        prop_assert_eq!(to_transit(&pretty, Codes::Short), to_transit(&text, Codes::Short));
    }

    #[test]
    fn any_text_does_no_harm(text in "[\\[\\]{}\",:\\\\u0-9e.nté ]{0,40}") {
        let _ = (to_transit(&text, Codes::Short), to_edn(&text));
    }
}
