use super::*;

fn fields(parameters: &[(&str, &str)]) -> Result<Params, ApiError> {
    Params::of_url("/x", parameters.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect())
}

#[test]
fn parameters_are_text() {
    let mut fields =
        fields(&[("n", "10"), ("before_id", "18446744073709551615"), ("sort", "oldest"), ("from", "")]).unwrap();
    assert_eq!(fields.count("n", 5, 0..=10), Ok(10));
    assert_eq!(fields.page_key("before_id"), Ok(Some(u64::MAX.into())));
    assert_eq!(fields.sort("sort"), Ok(Sort::Oldest));
    assert_eq!(fields.count("from", 5, 0..=10), Ok(5), "empty is left out");
    assert_eq!(fields.finish(), Ok(()));
}

#[test]
fn a_parameter_that_is_given_twice_or_unknown_is_named() {
    assert_eq!(fields(&[("n", "1"), ("n", "2")]).unwrap_err().message, "`n` is given twice");
    let mut fields = fields(&[("nn", "1")]).unwrap();
    fields.count("n", 5, 0..=10).unwrap();
    assert_eq!(fields.finish().unwrap_err().message, "/x has no field `nn` (there is: n)");
}

#[test]
fn whole_numbers_are_digits_alone() {
    assert_eq!(whole("007"), Some(7));
    for text in ["", "+1", "-1", "1.0", "1e3", " 1", "٣", "18446744073709551616"] {
        assert_eq!(whole(text), None, "{text:?}");
    }
}

#[test]
fn long_text_is_cut_between_characters() {
    assert_eq!(shorten("é"), "é");
    assert_eq!(shorten(&"é".repeat(41)), "é".repeat(40) + "…");
}
