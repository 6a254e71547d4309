use super::Packing::{Edn, Transit};
use super::Version::{V1, V2};
use super::*;

const FLEXI: Format = Format { version: V1, packing: Transit, letter: true };
const V1_EDN: Format = Format { version: V1, packing: Edn, letter: false };
const V1_TRANSIT: Format = Format { version: V1, packing: Transit, letter: false };
const V2_EDN: Format = Format { version: V2, packing: Edn, letter: false };
const V2_TRANSIT: Format = Format { version: V2, packing: Transit, letter: false };

/// What a client of each kind sends: the frame, the event, the callback, the format.
fn check(frame: &str, packing: Packing, id: &str, data: Value, callback: Option<Value>, format: Format) {
    let inbound = Format::read(frame, packing);
    assert_eq!(inbound, Ok(Inbound { event: Event { id: id.into(), data }, callback, format }), "{frame}");
}

#[test]
fn handshakes() {
    assert_eq!(FLEXI.handshake("U"), r#"+j[["~:chsk/handshake",["U",null]]]"#);
    assert_eq!(V1_EDN.handshake("U"), r#"+[[:chsk/handshake ["U" nil]]]"#);
    assert_eq!(V1_TRANSIT.handshake("U"), r#"+[["~:chsk/handshake",["U",null]]]"#);
    assert_eq!(V2_EDN.handshake("U"), r#"[[:chsk/handshake ["U" nil nil]]]"#);
    assert_eq!(V2_TRANSIT.handshake("U"), r#"[["~:chsk/handshake",["U",null,null]]]"#);
}

#[test]
fn pings_of_clients() {
    let ping = "chsk/ws-ping";
    check(r#"+j[["~:chsk/ws-ping"]]"#, Transit, ping, Value::Nil, None, FLEXI);
    check("+[[:chsk/ws-ping]]", Edn, ping, Value::Nil, None, V1_EDN);
    check(r#"+[["~:chsk/ws-ping"]]"#, Transit, ping, Value::Nil, None, V1_TRANSIT);
    check(r#"[[:chsk/ws-ping] "1d5d26"]"#, Edn, ping, Value::Nil, Some(Value::str("1d5d26")), V2_EDN);
    check(r#"[["~:chsk/ws-ping"],"a482dc"]"#, Transit, ping, Value::Nil, Some(Value::str("a482dc")), V2_TRANSIT);
    assert_eq!(V2_EDN.reply("\"pong\"", &Value::str("1d5d26")), r#"["pong" "1d5d26"]"#);
    assert_eq!(V2_TRANSIT.reply("\"pong\"", &Value::str("a482dc")), r#"["pong","a482dc"]"#);
    assert_eq!(V1_EDN.reply("\"pong\"", &Value::str("1d5d26")), r#"+["pong" "1d5d26"]"#);
    check("[[:chsk/ws-pong] nil]", Edn, "chsk/ws-pong", Value::Nil, None, V2_EDN);
    check(r#"[["~:chsk/ws-pong"],null]"#, Transit, "chsk/ws-pong", Value::Nil, None, V2_TRANSIT);
}

#[test]
fn callbacks() {
    let data = || Value::Map(vec![(Value::keyword("a"), Value::Int(1))]);
    let cb = |id: &str| Some(Value::str(id));
    check(r#"+j[["~:test/cb",["^ ","~:a",1]],"8880d7"]"#, Transit, "test/cb", data(), cb("8880d7"), FLEXI);
    check(r#"+[[:test/cb {:a 1}] "3d16e1"]"#, Edn, "test/cb", data(), cb("3d16e1"), V1_EDN);
    check(r#"+[["~:test/cb",["^ ","~:a",1]],"2db014"]"#, Transit, "test/cb", data(), cb("2db014"), V1_TRANSIT);
    check(r#"[[:test/cb {:a 1}] "d5fdb6"]"#, Edn, "test/cb", data(), cb("d5fdb6"), V2_EDN);
    check(r#"[["~:test/cb",["^ ","~:a",1]],"643e74"]"#, Transit, "test/cb", data(), cb("643e74"), V2_TRANSIT);
    let ok = Value::Map(vec![(Value::keyword("ok"), Value::Bool(true))]);
    let reply = |format: Format, id: &str| {
        let mut packed = String::new();
        format.packing.write(&ok, &mut packed);
        format.reply(&packed, &Value::str(id))
    };
    assert_eq!(reply(FLEXI, "8880d7"), r#"+j[["^ ","~:ok",true],"8880d7"]"#);
    assert_eq!(reply(V1_EDN, "3d16e1"), r#"+[{:ok true} "3d16e1"]"#);
    assert_eq!(reply(V1_TRANSIT, "2db014"), r#"+[["^ ","~:ok",true],"2db014"]"#);
    assert_eq!(reply(V2_EDN, "d5fdb6"), r#"[{:ok true} "d5fdb6"]"#);
    assert_eq!(reply(V2_TRANSIT, "643e74"), r#"[["^ ","~:ok",true],"643e74"]"#);
}

#[test]
fn callbacks_over_ajax() {
    let data = || Value::Map(vec![(Value::keyword("a"), Value::Int(1))]);
    let zero = || Some(Value::Int(0));
    check(r#"+j[["~:test/cb",["^ ","~:a",1]],0]"#, Transit, "test/cb", data(), zero(), FLEXI);
    check("+[[:test/cb {:a 1}] 0]", Edn, "test/cb", data(), zero(), V1_EDN);
    check(r#"+[["~:test/cb",["^ ","~:a",1]],0]"#, Transit, "test/cb", data(), zero(), V1_TRANSIT);
    check("[[:test/cb {:a 1}] :ajax]", Edn, "test/cb", data(), Some(Value::keyword("ajax")), V2_EDN);
    check(
        r#"[["~:test/cb",["^ ","~:a",1]],"~:ajax"]"#,
        Transit,
        "test/cb",
        data(),
        Some(Value::keyword("ajax")),
        V2_TRANSIT,
    );
    let dummy = Value::keyword("chsk/dummy-cb-200");
    assert_eq!(FLEXI.value(&dummy), r#"+j["~:chsk/dummy-cb-200"]"#);
    assert_eq!(V1_EDN.value(&dummy), "+[:chsk/dummy-cb-200]");
    assert_eq!(V2_TRANSIT.value(&dummy), r#"["~:chsk/dummy-cb-200"]"#);
    assert_eq!(V1_EDN.body("{:ok true}"), "+[{:ok true}]");
}

#[test]
fn batches() {
    let edn = ["[:tweet/new {:id 1}]", "[:stats/users-count 3]"];
    assert_eq!(V1_EDN.batch(edn.into_iter()), "+[[[:tweet/new {:id 1}] [:stats/users-count 3]]]");
    assert_eq!(V2_EDN.batch(edn[1..].iter().copied()), "[[[:stats/users-count 3]]]");
    let transit = [r#"["~:stats/users-count",3]"#; 2];
    assert_eq!(FLEXI.batch(transit.into_iter()), r#"+j[[["~:stats/users-count",3],["~:stats/users-count",3]]]"#);
    assert_eq!(FLEXI.batch([].into_iter()), "+j[[]]");
    assert_eq!(V1_EDN.batch([].into_iter()), "+[[]]");
    assert_eq!(V2_TRANSIT.batch([].into_iter()), "[[]]");
}

#[test]
fn the_other_ways_of_writing_a_frame() {
    // The unwrapped form, the letter for EDN, and a list in the place of a vector.
    check("-[:a/b 1]", Edn, "a/b", Value::Int(1), None, V1_EDN);
    check("+e[[:a/b]]", Transit, "a/b", Value::Nil, None, FLEXI);
    check("((:a/b) nil)", Edn, "a/b", Value::Nil, None, V2_EDN);
    check("[[:a/b nil] false]", Edn, "a/b", Value::Nil, None, V2_EDN);
    // From 1.18 on without a place for a callback.
    check("[[:a/b {}]]", Edn, "a/b", Value::Map(vec![]), None, V2_EDN);
}

#[test]
fn what_is_no_event_is_refused() {
    for (frame, packing) in [
        ("+[]", Edn),
        ("[[:a/b] nil nil]", Edn),
        ("+nil", Edn),
        ("+[:a/b]", Edn),
        ("-:a/b", Edn),
        ("[[:a] nil]", Edn),
        ("[[:/a] nil]", Edn),
        ("[[:a/] nil]", Edn),
        ("[[\"a/b\"] nil]", Edn),
        ("[[] nil]", Edn),
        ("[[:a/b 1 2] nil]", Edn),
        ("[[:a/b] {:not \"an id\"}]", Edn),
        ("[[\"~:cmd/query\"]]", Edn),
        (r#"[["cmd/query"],null]"#, Transit),
    ] {
        assert_eq!(Format::read(frame, packing), Err(FrameError::Event), "{frame}");
    }
    let long = format!("[[:a/b] \"{}\"]", "x".repeat(65));
    assert_eq!(Format::read(&long, Edn), Err(FrameError::Event));
}

#[test]
fn what_can_not_be_read_is_refused() {
    for (frame, packing) in
        [("", Edn), ("+", Edn), ("-", Transit), ("+j", Edn), ("{", Transit), ("é", Transit), ("+j[[:a/b]]", Edn)]
    {
        assert!(matches!(Format::read(frame, packing), Err(FrameError::Package(_))), "{frame}");
    }
}

#[test]
fn events_with_json_data() {
    let json = r#"{"id_str":"1","retweeted_status":{"id_str":"2"}}"#;
    let meta = Value::Map(vec![(Value::keyword("sente-uid"), Value::str("u"))]);
    assert_eq!(
        Edn.event("tweet/new", json, None, Codes::None).as_deref(),
        Ok(r#"[:tweet/new {:id_str "1", :retweeted_status {:id_str "2"}}]"#)
    );
    assert_eq!(
        Transit.event("tweet/new", json, None, Codes::Short).as_deref(),
        Ok(r#"["~:tweet/new",["^ ","~:id_str","1","~:retweeted_status",["^ ","^1","2"]]]"#)
    );
    assert_eq!(
        Edn.event("a/b", "3", Some(&meta), Codes::None).as_deref(),
        Ok(r#"[:a/b {:msg 3, :msg-meta {:sente-uid "u"}}]"#)
    );
    assert_eq!(
        Transit.event("a/b", "3", Some(&meta), Codes::None).as_deref(),
        Ok(r#"["~:a/b",["^ ","~:msg",3,"~:msg-meta",["^ ","~:sente-uid","u"]]]"#)
    );
    assert!(Edn.event("a/b", "{", None, Codes::None).is_err());
}

#[test]
fn clients_that_are_none_of_sentes() {
    const RAW: Format = Format { version: Version::Raw, packing: Transit, letter: false };
    let read = |frame: &str| Format::read_raw(frame, Transit);
    let event = |id: &str, data: Value| Event { id: id.into(), data };
    let cb = Some(Value::Int(7));
    assert_eq!(
        read(r#"["~:cmd/ping"]"#),
        Ok(Inbound { event: event("cmd/ping", Value::Nil), callback: None, format: RAW })
    );
    assert_eq!(
        read(r#"["~:a/b",["^ "],7]"#),
        Ok(Inbound { event: event("a/b", Value::Map(vec![])), callback: cb, format: RAW })
    );
    for frame in ["[]", "1", r#"["~:a",1]"#, r#"["~:a/b",1,[]]"#, r#"["~:a/b",1,2,3]"#, r#"[["~:a/b"],null]"#] {
        assert_eq!(read(frame), Err(FrameError::Event), "{frame}");
    }
    assert_eq!(RAW.batch([r#"["~:a/b",1]"#].into_iter()), r#"["~:a/b",1]"#);
    assert_eq!(RAW.reply(r#"["~:pong",["^ "]]"#, &Value::Int(7)), r#"["~:pong",["^ "],7]"#);
}

#[test]
fn the_callback_of_a_frame_is_found_without_reading_it() {
    let find = |frame: &str, packing| Format::read_callback(frame, packing);
    let id = Value::str("8880d7");
    for (frame, packing, version, letter) in [
        (r#"+j[["~:test/cb",["^ ","~:a",1]],"8880d7"]"#, Packing::Transit, Version::V1, true),
        (r#"+e[[:test/cb {:a 1}] "8880d7"]"#, Packing::Transit, Version::V1, true),
        (r#"+[[:test/cb {:a "x"}] "8880d7"]"#, Packing::Edn, Version::V1, false),
        (r#"[[:test/cb "x"], "8880d7"] "#, Packing::Edn, Version::V2, false),
        (r#"[["~:test/cb","x"],"8880d7"]"#, Packing::Transit, Version::V2, false),
    ] {
        let (callback, format) = find(frame, packing).unwrap_or_else(|| panic!("{frame}"));
        assert_eq!((callback, format.version, format.letter), (id.clone(), version, letter), "{frame}");
        // As the reader of whole frames finds it.
        let inbound = Format::read(frame, packing).unwrap();
        assert_eq!((inbound.callback, inbound.format), (Some(id.clone()), format), "{frame}");
    }
    for (frame, packing) in [
        (r#"+[[:test/cb "8880d7"]]"#, Packing::Edn),
        (r#"[[:test/cb "8880d7"] nil]"#, Packing::Edn),
        (r#"[["~:test/cb","8880d7"],null]"#, Packing::Transit),
        (r#"-[:test/cb "8880d7"]"#, Packing::Edn),
        (r#"["8880d7"]"#, Packing::Transit),
        ("x", Packing::Edn),
        ("", Packing::Edn),
    ] {
        assert_eq!(find(frame, packing), None, "{frame}");
    }
}
