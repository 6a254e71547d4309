use rcgen::KeyPair;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};

use super::*;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
/// After this, the tests need another token.
const YEAR_3000_S: u64 = 32_503_680_000;

/// A public key of RSA, and a token that its private key signed: `{"sub":"ann","exp":32503680000}`.
/// The private key was deleted.
const RSA_KEY: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAqrMkYDk6WUmMQA9ut8WV
0DcoGQHh9uMF1cZW6VBxipAR4YsYTV/JsOgzaDuCrVz5EFuirp0YDmLhb2ENvFiR
Ym4toHzzWtU1rXjrVyvxtE5iPgVW94Zi2tSJ9x76rXj99ADQbJV/0euC/TYMBY2O
QxgHDYa7p9QLJSBo1L14+7dJbirwveTmK/cc5nEQXqOgeVt43IqU/K58iJdEWGSn
OMe0pIpT+0Ro3ryIeo0zVIWUeuk5rqd23dBy7UPJ7arg6OYdWD7wtqVtnSIjsRp0
j/f/JApCjwL2TjOI06D8U6eOFbEgO4qVdCCTykrylwfkLR9EC5rwCgR23+UA9cTV
zQIDAQAB
-----END PUBLIC KEY-----
";
const RSA_TOKEN: &str = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJleHAiOjMyNTAzNjgwMDAwfQ.E-7WljW0oHIo_LzA6iNcDoKmFUz4sDeBPVb-jEzEJrxz1pSM9Coe7VHBz05DqrE1zEue9CKaOnndsRpcHlPBL8ruzmzuDtccrbiulLIlJLVQGydpXY4v0v9U7Z8vChHzWoyG_pe2Wb0AgY1LZ9QhO4Z12OxfHjHF8v_SfOBdo_AF7sXaQHYQ6PlrJ3UvHjd4UDMCQa1b7PqePCw0TAr4sIQcG0I_bWicmJPt85h1qGFkzPU31lu4nAFbSAc0Grw16xOK16ufCz438a45kU0YDE2OlprPMQRbj81nngSgTnNa663XijpnvfUg9TDH4vafdnPU5yckeANQNo5s29t0ZQ";

fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = (0..3).fold(0_u32, |bits, at| bits << 8 | u32::from(chunk.get(at).copied().unwrap_or(0)));
        for at in 0..=chunk.len() {
            text.push(char::from(ALPHABET[(bits >> (18 - 6 * at) & 63) as usize]));
        }
    }
    text
}

fn token(algorithm: &str, claims: &str, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let header = format!(r#"{{"alg":"{algorithm}","typ":"JWT"}}"#);
    let message = format!("{}.{}", base64url(header.as_bytes()), base64url(claims.as_bytes()));
    let signature = base64url(&sign(message.as_bytes()));
    format!("{message}.{signature}")
}

/// A token with these claims, signed by the key of [`secret`].
pub(crate) fn hs256(claims: &str) -> String {
    token("HS256", claims, |message| hmac(SECRET.as_bytes(), message))
}

fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key), message).as_ref().to_vec()
}

/// A verifier with the key in this file.
fn tokens(key: &str, is_secret: bool, issuer: &str, audience: &str) -> Result<TokenVerifier, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    std::fs::write(&file, key).unwrap();
    let mut config = AuthSection { issuer: issuer.to_owned(), audience: audience.to_owned(), ..AuthSection::default() };
    if is_secret {
        config.secret_file = file;
    } else {
        config.public_key_file = file;
    }
    TokenVerifier::load(&config).map(Option::unwrap)
}

/// A verifier for tokens of [`hs256`].
pub(crate) fn secret() -> TokenVerifier {
    tokens(SECRET, true, "", "").unwrap()
}

/// A token with this header.
fn with_header(header: &str) -> String {
    let claims = format!(r#"{{"sub":"ann","exp":{YEAR_3000_S}}}"#);
    let message = format!("{}.{}", base64url(header.as_bytes()), base64url(claims.as_bytes()));
    format!("{message}.{}", base64url(&hmac(SECRET.as_bytes(), message.as_bytes())))
}

#[test]
fn a_header_that_asks_for_extensions_is_refused() {
    let tokens = secret();
    for header in [
        r#"{"alg":"HS256"}"#,
        r#"{"alg":"HS256","typ":"JWT","kid":"1"}"#,
        r#"{"alg":"HS256","b64":true}"#,
        r#"{"alg":"HS256","other":[1]}"#,
    ] {
        assert!(tokens.check(&with_header(header)).is_ok(), "{header}");
    }
    for header in [
        r#"{"alg":"HS256","crit":["b64"],"b64":false}"#,
        r#"{"alg":"HS256","crit":["b64"],"b64":true}"#,
        r#"{"alg":"HS256","crit":["exp"],"exp":1}"#,
        r#"{"alg":"HS256","crit":["http://example.com/unknown"]}"#,
        r#"{"alg":"HS256","crit":[]}"#,
        r#"{"alg":"HS256","crit":"b64"}"#,
        r#"{"alg":"HS256","b64":false}"#,
        r#"{"alg":"HS256","b64":"true"}"#,
        r#"{"alg":"HS256","b64":null}"#,
    ] {
        assert!(tokens.check(&with_header(header)).is_err(), "{header}");
    }
}

#[test]
fn without_a_key_no_token_is_asked_for() {
    assert!(TokenVerifier::load(&AuthSection::default()).unwrap().is_none());
}

#[test]
fn a_good_token_says_who_until_when_and_what_for() {
    let token = secret().check(&hs256(&format!(r#"{{"sub":"ann","exp":{YEAR_3000_S}}}"#))).unwrap();
    let rights = Rights { search: true, publish: false, max_subscriptions: None, searches: None };
    assert_eq!(token, AccessToken { subject: "ann".to_owned(), expires_s: YEAR_3000_S, rights });
    assert!(token.remaining() > Duration::from_secs(1_000_000));
    let claims = format!(
        r#"{{"sub":"b","exp":{YEAR_3000_S},"search":false,"publish":true,"max_subscriptions":3,"searches":"own"}}"#
    );
    let rights = Rights { search: false, publish: true, max_subscriptions: Some(3), searches: Some(SearchScope::Own) };
    assert_eq!(secret().check(&hs256(&claims)).unwrap().rights, rights);
}

#[test]
fn what_is_wrong_with_a_token_is_said() {
    let good = format!(r#"{{"sub":"ann","exp":{YEAR_3000_S}}}"#);
    for (claims, reason) in [
        (r#"{"sub":"ann","exp":1000}"#.to_owned(), "expired"),
        (format!(r#"{{"sub":"ann","exp":{YEAR_3000_S},"nbf":{}}}"#, YEAR_3000_S - 9), "not valid yet"),
        (r#"{"sub":"ann"}"#.to_owned(), "lacks"),
        (format!(r#"{{"exp":{YEAR_3000_S}}}"#), "lacks"),
        (format!(r#"{{"sub":"ann","exp":"{YEAR_3000_S}"}}"#), "lacks"),
        (format!(r#"{{"sub":"ann","exp":{YEAR_3000_S},"publish":"yes"}}"#), "lacks"),
        ("nonsense".to_owned(), "lacks"),
    ] {
        let found = secret().check(&hs256(&claims)).unwrap_err();
        assert!(found.contains(reason), "{claims}: {found}");
    }
    let mut forged = hs256(&good).into_bytes();
    *forged.last_mut().unwrap() ^= 1;
    for bad in [
        String::from_utf8_lossy(&forged).into_owned(),
        token("HS256", &good, |message| hmac(b"another secret of good length", message)),
        token("none", &good, |_| Vec::new()),
        token("HS512", &good, |message| hmac(SECRET.as_bytes(), message)),
        String::new(),
        "a.b.c".to_owned(),
        "a".repeat(10_000),
        RSA_TOKEN.to_owned(),
    ] {
        assert!(secret().check(&bad).is_err(), "{bad}");
    }
}

#[test]
fn issuer_and_audience_are_asked_for_when_set() {
    let tokens = tokens(SECRET, true, "https://issuer", "perch").unwrap();
    for (more, good) in [
        (r#","iss":"https://issuer","aud":"perch""#, true),
        (r#","iss":"https://issuer","aud":["other","perch"]"#, true),
        (r#","iss":"https://other","aud":"perch""#, false),
        (r#","iss":"https://issuer","aud":"other""#, false),
        (r#","iss":"https://issuer""#, false),
        (r#","aud":"perch""#, false),
        ("", false),
    ] {
        let token = hs256(&format!(r#"{{"sub":"ann","exp":{YEAR_3000_S}{more}}}"#));
        assert_eq!(tokens.check(&token).is_ok(), good, "{more}");
    }
    let foreign = hs256(&format!(r#"{{"sub":"ann","exp":{YEAR_3000_S},"aud":"other"}}"#));
    assert!(secret().check(&foreign).is_ok(), "no audience is configured");
}

#[test]
fn public_keys_check_what_their_private_keys_signed() {
    let tokens_of_rsa = tokens(RSA_KEY, false, "", "").unwrap();
    assert_eq!(tokens_of_rsa.check(RSA_TOKEN).unwrap().subject, "ann");
    let claims = format!(r#"{{"sub":"ann","exp":{YEAR_3000_S}}}"#);
    // Algorithm confusion: the public key as the secret of HS256.
    let confused = token("HS256", &claims, |message| hmac(RSA_KEY.as_bytes(), message));
    assert!(tokens_of_rsa.check(&confused).is_err());

    let pair = KeyPair::generate().unwrap();
    let random = SystemRandom::new();
    let signer = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pair.serialize_der(), &random).unwrap();
    let tokens_of_ec = tokens(&pair.public_key_pem(), false, "", "").unwrap();
    let token = token("ES256", &claims, |message| signer.sign(&random, message).unwrap().as_ref().to_vec());
    assert_eq!(tokens_of_ec.check(&token).unwrap().subject, "ann");
    assert!(tokens_of_ec.check(RSA_TOKEN).is_err());
    assert!(tokens_of_rsa.check(&token).is_err());
}

#[test]
fn a_file_without_a_key_is_a_problem() {
    assert_eq!(tokens("short", true, "", "").unwrap_err().path, "auth.secret_file");
    assert_eq!(tokens("nonsense", false, "", "").unwrap_err().path, "auth.public_key_file");
    assert!(!format!("{:?}", secret()).contains(SECRET));
}

/// An element of DER.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x82], &len[..], content].concat()
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = base64url(der).replace('-', "+").replace('_', "/");
    let padding = "=".repeat((4 - text.len() % 4) % 4);
    format!("-----BEGIN {label}-----\n{text}{padding}\n-----END {label}-----\n")
}

#[test]
fn a_key_that_no_token_could_be_checked_by_is_refused() {
    let number = |bytes: usize| der(0x02, &[&[0], &*vec![0xC5; bytes]].concat());
    let (version, exponent) = (der(0x02, &[0]), der(0x02, &[1, 0, 1]));
    let public = |bytes: usize| der(0x30, &[number(bytes), exponent.clone()].concat());
    let primes = [128; 5].map(number).concat();
    let private = der(0x30, &[version.clone(), number(256), exponent.clone(), number(255), primes].concat());
    // rsaEncryption, without parameters.
    let algorithm = der(0x30, &[&[0x06, 9, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 1, 1], &[0x05, 0][..]].concat());
    let wrapped = der(0x30, &[version, algorithm, der(0x04, &private)].concat());
    for (is_good, key) in [
        (true, pem("RSA PUBLIC KEY", &public(256))),
        (true, RSA_KEY.to_owned()),
        (false, pem("RSA PUBLIC KEY", &public(128))),
        (false, pem("RSA PUBLIC KEY", &public(1_025))),
        (false, pem("RSA PRIVATE KEY", &private)),
        (false, pem("RSA PUBLIC KEY", &private)),
        (false, pem("PRIVATE KEY", &wrapped)),
        (false, KeyPair::generate().unwrap().serialize_pem()),
    ] {
        let loaded = tokens(&key, false, "", "");
        assert_eq!(loaded.is_ok(), is_good, "{key}");
        if let Err(error) = loaded {
            assert!(error.to_string().starts_with("auth.public_key_file: expected a public key"), "{error}");
        }
    }
}

#[test]
fn keys_and_tokens_are_read_again_and_stay_when_the_file_is_no_good() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("secret");
    let write = |text: &str| std::fs::write(&file, text).unwrap();
    write("another-secret-of-some-length");
    let tokens =
        TokenVerifier::load(&AuthSection { secret_file: file.clone(), ..AuthSection::default() }).unwrap().unwrap();
    let ingest = IngestSection { token_file: file.clone(), ..IngestSection::default() };
    let ingest_token = IngestToken::load(&ingest).unwrap().unwrap();
    let shown = hs256(r#"{"sub":"ann","exp":32503680000}"#);
    assert!(tokens.check(&shown).is_err());
    write(SECRET);
    assert!(tokens.check(&shown).is_err() && !ingest_token.is(SECRET.as_bytes()), "the file was not read again yet");
    tokens.reload().unwrap();
    assert_eq!(ingest_token.reload(), Ok(true));
    assert!(tokens.check(&shown).is_ok() && ingest_token.is(SECRET.as_bytes()));
    write("short");
    assert_eq!(tokens.reload().unwrap_err().path, "auth.secret_file");
    assert_eq!(ingest_token.reload().unwrap_err().path, "ingest.token_file");
    assert!(tokens.check(&shown).is_ok() && ingest_token.is(SECRET.as_bytes()));
    // The variable takes precedence, and is not reloaded.
    let token = Some(Secret::new("a-token-of-a-variable").unwrap());
    let of_variable = IngestToken::load(&IngestSection { token, ..ingest }).unwrap().unwrap();
    assert_eq!(of_variable.reload(), Ok(false));
}
