use super::*;

#[test]
fn names_and_aliases_find_their_field() {
    let schema = Schema::tweet();
    assert_eq!(schema.find("from"), Some(tweet::SCREEN_NAME));
    assert_eq!(schema.find("user.screen_name"), Some(tweet::SCREEN_NAME));
    assert_eq!(schema.find("nothing"), None);
    assert_eq!(schema.default_field(), tweet::TEXT);
    assert_eq!(schema.field(tweet::CREATED).kind, Kind::Date);
}

#[test]
fn float_keys_keep_the_order() {
    let values = [f64::NEG_INFINITY, -1e300, -1.5, -f64::MIN_POSITIVE, 0.0, 1e-9, 1.0, 2.5, f64::INFINITY];
    for pair in values.windows(2) {
        assert!(float_key(pair[0]) < float_key(pair[1]), "{pair:?}");
    }
    for value in values {
        assert_eq!(float_of_key(float_key(value)).to_bits(), value.to_bits());
    }
    assert_eq!(float_key(-0.0), float_key(0.0));
}
