//! Authentication and authorization of clients by JSON Web Tokens.
//!
//! ```text
//! token ──signature, exp, iss, aud──> Claims ──> AccessToken: subject, expiry, rights
//! ```
//!
//! The key is a secret that perch shares with the issuer of the tokens (HS256), or the issuer's
//! public key (RS256, ES256). The key determines the algorithm, never the token. Nothing here keeps
//! the text of a token: only the [`AccessToken`] is kept.
//!
//! ring verifies the signatures; TLS needs it anyway.

use std::path::PathBuf;
use std::sync::{Arc, Once, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::signature::Verifier;
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use ring::signature::{ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde::Deserialize;
use simple_asn1::ASN1Block;

use crate::config::{AuthSection, ConfigError, IngestSection, Secret};

/// Seconds by which the clocks of perch and of the issuer may differ.
const LEEWAY_S: u64 = 5;

/// The longest token that is decoded.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// The claims of a token that perch reads.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: u64,
    search: Option<bool>,
    publish: Option<bool>,
    max_subscriptions: Option<usize>,
    searches: Option<SearchScope>,
}

/// The rights of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// May search history and register live searches.
    pub search: bool,
    /// May publish tweets.
    pub publish: bool,
    /// The most subscriptions of one session; `None` is the configured limit.
    pub max_subscriptions: Option<usize>,
    /// Whose saved searches it may see and change; `None` is none.
    pub searches: Option<SearchScope>,
}

/// Whose saved searches a client may see and change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SearchScope {
    /// Its own.
    Own,
    /// Those of all owners.
    All,
}

/// A token that was valid when it was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// The subject.
    pub subject: String,
    /// The expiry, in seconds since 1970.
    pub expires_s: u64,
    /// The rights.
    pub rights: Rights,
}

impl AccessToken {
    /// The time until its expiry.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Duration::from_secs(self.expires_s).saturating_sub(now)
    }
}

impl AccessToken {
    /// Whether this token may replace an earlier one of the same session. A renewal extends a
    /// session. It must not change the subject, nor remove a right that the session uses.
    ///
    /// # Errors
    ///
    /// The reason, a public text.
    pub(crate) fn check_renewal(&self, old: Option<&AccessToken>, subscriptions: usize) -> Result<(), &'static str> {
        let Some(old) = old else { return Ok(()) };
        let fewer = (old.rights.search && !self.rights.search)
            || self.rights.max_subscriptions.is_some_and(|max| subscriptions > max);
        match () {
            () if old.subject != self.subject => Err("the token has another subject"),
            () if fewer => Err("the token lacks a right that the session uses"),
            () => Ok(()),
        }
    }
}

/// The token of ingestion. If it comes from a file, it can be reloaded.
#[derive(Debug)]
pub struct IngestToken {
    /// Empty if the token comes from a variable.
    file: PathBuf,
    secret: RwLock<Secret>,
}

impl IngestToken {
    /// Reads the token; `None` if ingestion needs none.
    ///
    /// # Errors
    ///
    /// The file can't be read, or holds no token.
    pub fn load(config: &IngestSection) -> Result<Option<IngestToken>, ConfigError> {
        let secret = config.load_token()?;
        let file = if config.token.is_some() { PathBuf::new() } else { config.token_file.clone() };
        Ok(secret.map(|secret| IngestToken { file, secret: RwLock::new(secret) }))
    }

    /// Reads the file again. `false` if the token comes from no file.
    ///
    /// # Errors
    ///
    /// As [`IngestToken::load`]; the old token stays in use.
    pub fn reload(&self) -> Result<bool, ConfigError> {
        if self.file.as_os_str().is_empty() {
            return Ok(false);
        }
        let secret = Secret::of_file(&self.file).map_err(|message| ConfigError::new("ingest.token_file", message))?;
        *self.secret.write().unwrap_or_else(PoisonError::into_inner) = secret;
        Ok(true)
    }

    /// Whether the candidate is the token.
    pub(crate) fn is(&self, candidate: &[u8]) -> bool {
        self.secret.read().unwrap_or_else(PoisonError::into_inner).is(candidate)
    }
}

impl From<Secret> for IngestToken {
    fn from(secret: Secret) -> IngestToken {
        IngestToken { file: PathBuf::new(), secret: RwLock::new(secret) }
    }
}

/// Verifies tokens by a key from a file. The key can be reloaded.
#[derive(Debug)]
pub struct TokenVerifier {
    config: AuthSection,
    current: RwLock<Arc<Verification>>,
}

/// A key, and the claims that a token must have.
#[derive(Debug)]
struct Verification {
    key: DecodingKey,
    validation: Validation,
}

impl TokenVerifier {
    /// Reads the key; `None` if clients need no token.
    ///
    /// # Errors
    ///
    /// A file can't be read, or holds no key.
    pub fn load(config: &AuthSection) -> Result<Option<TokenVerifier>, ConfigError> {
        let verification = Verification::load(config)?;
        let tokens = |current| TokenVerifier { config: config.clone(), current: RwLock::new(Arc::new(current)) };
        Ok(verification.map(tokens))
    }

    /// The key of the configuration that names the file.
    #[must_use]
    pub fn key_name(&self) -> &'static str {
        if self.config.secret_file.as_os_str().is_empty() { "auth.public_key_file" } else { "auth.secret_file" }
    }

    /// Reads the key again. It verifies the tokens that arrive from now on.
    ///
    /// # Errors
    ///
    /// As [`TokenVerifier::load`]; the old key stays in use.
    pub fn reload(&self) -> Result<(), ConfigError> {
        if let Some(verification) = Verification::load(&self.config)? {
            *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(verification);
        }
        Ok(())
    }

    /// Verifies a token.
    ///
    /// # Errors
    ///
    /// The reason, a public text without any content of the token.
    pub fn check(&self, token: &str) -> Result<AccessToken, &'static str> {
        let current = Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner));
        current.check(token)
    }
}

impl Verification {
    fn load(config: &AuthSection) -> Result<Option<Verification>, ConfigError> {
        let (key, algorithm) = if !config.secret_file.as_os_str().is_empty() {
            let secret = Secret::of_file(&config.secret_file)
                .map_err(|message| ConfigError::new("auth.secret_file", message))?;
            (DecodingKey::from_secret(secret.bytes()), Algorithm::HS256)
        } else if !config.public_key_file.as_os_str().is_empty() {
            let invalid = |message| ConfigError::new("auth.public_key_file", message);
            let path = &config.public_key_file;
            let pem =
                std::fs::read(path).map_err(|error| invalid(format!("{} can't be read: {error}", path.display())))?;
            public_key(&pem).ok_or_else(|| {
                invalid(
                    "expected a public key, not a private one, of RSA (2048 to 8192 bits) or of the curve P-256, as PEM"
                        .to_owned(),
                )
            })?
        } else {
            return Ok(None);
        };
        install();
        let mut validation = Validation::new(algorithm);
        validation.leeway = LEEWAY_S;
        validation.validate_nbf = true;
        validation.set_required_spec_claims(&["exp", "sub"]);
        validation.validate_aud = !config.audience.is_empty();
        if !config.audience.is_empty() {
            validation.set_audience(&[&config.audience]);
            validation.required_spec_claims.insert("aud".to_owned());
        }
        if !config.issuer.is_empty() {
            validation.set_issuer(&[&config.issuer]);
            validation.required_spec_claims.insert("iss".to_owned());
        }
        Ok(Some(Verification { key, validation }))
    }

    fn check(&self, token: &str) -> Result<AccessToken, &'static str> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err("the token is too long");
        }
        let token = jsonwebtoken::decode::<Claims>(token, &self.key, &self.validation).map_err(|e| reason(&e))?;
        check_header(&token.header)?;
        let claims = token.claims;
        let rights = Rights {
            search: claims.search.unwrap_or(true),
            publish: claims.publish.unwrap_or(false),
            max_subscriptions: claims.max_subscriptions,
            searches: claims.searches,
        };
        Ok(AccessToken { subject: claims.sub, expires_s: claims.exp, rights })
    }
}

/// Refuses headers with extensions that perch does not know. Critical extensions change the meaning
/// of a token, and with `b64: false` (RFC 7797) the signature covers other bytes.
fn check_header(header: &Header) -> Result<(), &'static str> {
    let is_unencoded = header.extras.inner().get("b64").is_some_and(|b64| *b64 != serde_json::Value::Bool(true));
    match () {
        () if header.crit.is_some() => Err("the token's header names extensions in crit, and perch knows none"),
        () if is_unencoded => Err("the token's header sets b64, and perch accepts only the standard encoding"),
        () => Ok(()),
    }
}

fn reason(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::ExpiredSignature => "the token has expired",
        ErrorKind::ImmatureSignature => "the token is not valid yet",
        ErrorKind::InvalidIssuer => "the token is of another issuer",
        ErrorKind::InvalidAudience => "the token's `aud` does not contain `auth.audience`",
        ErrorKind::MissingRequiredClaim(_) | ErrorKind::InvalidClaimFormat(_) | ErrorKind::Json(_) => {
            "the token lacks sub or exp, or a claim is not what it should be"
        }
        _ => "the token is not good",
    }
}

/// The public key in a PEM file, and its algorithm.
fn public_key(pem: &[u8]) -> Option<(DecodingKey, Algorithm)> {
    /// An uncompressed point of P-256.
    const P256_BYTES: usize = 65;
    if let Ok(key) = DecodingKey::from_ec_pem(pem) {
        let fits = key.try_get_as_bytes().is_ok_and(|point| point.len() == P256_BYTES);
        return fits.then_some((key, Algorithm::ES256));
    }
    let key = DecodingKey::from_rsa_pem(pem).ok()?;
    // The PEM reader accepts private keys, and any length.
    let fits = key.try_get_as_bytes().ok().and_then(rsa_bits).is_some_and(|bits| (2_048..=8_192).contains(&bits));
    fits.then_some((key, Algorithm::RS256))
}

/// The length of the modulus of an RSA public key in DER, a sequence of modulus and exponent.
/// `None` for a private key.
fn rsa_bits(der: &[u8]) -> Option<u64> {
    match simple_asn1::from_der(der).ok()?.as_slice() {
        [ASN1Block::Sequence(_, key)] => match key.as_slice() {
            [ASN1Block::Integer(_, modulus), ASN1Block::Integer(..)] => Some(modulus.bits()),
            _ => None,
        },
        _ => None,
    }
}

/// Installs ring as the cryptography of jsonwebtoken, once in a process.
fn install() {
    static INSTALLED: Once = Once::new();
    static RING: CryptoProvider = CryptoProvider {
        signer_factory: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
        verifier_factory: |algorithm, key| {
            let key = key.try_get_as_bytes()?.to_vec();
            match algorithm {
                Algorithm::HS256 | Algorithm::RS256 | Algorithm::ES256 => {
                    Ok(Box::new(RingVerifier { algorithm: *algorithm, key }))
                }
                _ => Err(ErrorKind::UnsupportedAlgorithm.into()),
            }
        },
        key_utils: KeyUtils::new_unimplemented(),
    };
    INSTALLED.call_once(|| {
        // Fails only if another provider is installed; no other code in this process uses one.
        let _ = RING.install_default();
    });
}

/// Verifies signatures of one of the three algorithms.
struct RingVerifier {
    algorithm: Algorithm,
    key: Vec<u8>,
}

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), jsonwebtoken::signature::Error> {
        let outcome = match self.algorithm {
            Algorithm::HS256 => {
                ring::hmac::verify(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &self.key), message, signature)
            }
            Algorithm::ES256 => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.key).verify(message, signature),
            _ => UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.key).verify(message, signature),
        };
        outcome.map_err(|_| jsonwebtoken::signature::Error::new())
    }
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

#[cfg(test)]
pub(crate) mod tests;
