//! Access tokens: JWTs signed with Ed25519 by ring, and nothing else (RFC 8725, RFC 9068).

use std::fmt;
use std::sync::Once;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use signature::{Error as SignatureError, Signer, Verifier};

use super::sha256;

/// How far the clocks of two replicas may be apart, in seconds.
pub const LEEWAY: i64 = 5;

const TYPE: &str = "at+jwt";
const MAX_LENGTH: usize = 4096;

/// What an access token says. Instants are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who issued it.
    pub iss: String,
    /// Whom it is for.
    pub aud: String,
    /// The user's id.
    pub sub: String,
    /// The session's id.
    pub sid: String,
    /// Issued at.
    pub iat: i64,
    /// Good until.
    pub exp: i64,
    /// The token's own id.
    pub jti: String,
}

/// Why a token is not accepted. Callers learn only that it is invalid or expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a compact JWS with the claims of an access token, or one with extensions that must be understood.
    #[error("the token cannot be read")]
    Malformed,
    /// `typ` is not `at+jwt`.
    #[error("the token is not an access token")]
    WrongType,
    /// `alg` is not `EdDSA`.
    #[error("the token is signed by another algorithm")]
    WrongAlgorithm,
    /// `kid` is missing or names no current key.
    #[error("the token is signed by an unknown key")]
    UnknownKey,
    /// The signature does not fit.
    #[error("the token's signature is wrong")]
    BadSignature,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// It claims to be issued in the future, or to end before it begins.
    #[error("the token's times are invalid")]
    WrongTimes,
    /// Issued by somebody else.
    #[error("the token is from another issuer")]
    WrongIssuer,
    /// Meant for somebody else.
    #[error("the token is for another audience")]
    WrongAudience,
}

/// Bytes that are no Ed25519 key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an Ed25519 key")]
pub struct KeyError;

/// A private key that tokens are signed with.
#[derive(Clone)]
pub struct SigningKey {
    pkcs8: Vec<u8>,
    public: PublicKey,
}

/// A public key that tokens are verified with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    kid: String,
    x: [u8; 32],
}

impl SigningKey {
    /// A new key from the operating system's generator.
    pub fn generate() -> Result<Self, KeyError> {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| KeyError)?;
        Self::from_pkcs8(document.as_ref().to_vec())
    }

    /// The key in a PKCS#8 document of version 1 or 2.
    pub fn from_pkcs8(pkcs8: Vec<u8>) -> Result<Self, KeyError> {
        let public = PublicKey::from_bytes(pair(&pkcs8)?.public_key().as_ref())?;
        Ok(Self { pkcs8, public })
    }

    /// Its name: the RFC 7638 thumbprint of the public key.
    pub fn kid(&self) -> &str {
        &self.public.kid
    }

    /// The PKCS#8 document: to be sealed before it is stored.
    pub fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.public.kid)
            .finish_non_exhaustive()
    }
}

impl PublicKey {
    /// The key of 32 raw bytes; its name follows from them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let x: [u8; 32] = bytes.try_into().map_err(|_| KeyError)?;
        let canonical = format!(
            r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#,
            URL_SAFE_NO_PAD.encode(x)
        );
        Ok(Self {
            kid: URL_SAFE_NO_PAD.encode(sha256(canonical.as_bytes())),
            x,
        })
    }

    /// Its name.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The 32 raw bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.x
    }
}

/// A public key as it stands in the JWKS (RFC 8037).
pub fn jwk(key: &PublicKey) -> serde_json::Value {
    serde_json::json!({
        "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(key.x),
        "alg": "EdDSA", "use": "sig", "kid": key.kid,
    })
}

/// An access token with these claims.
pub fn issue(key: &SigningKey, claims: &Claims) -> Result<String, KeyError> {
    install();
    let mut header = Header::new(Algorithm::EdDSA);
    header.typ = Some(TYPE.to_owned());
    header.kid = Some(key.public.kid.clone());
    jsonwebtoken::encode(&header, claims, &EncodingKey::from_ed_der(&key.pkcs8)).map_err(|_| KeyError)
}

/// The claims of a token that one of these keys signed for this issuer and audience, good at `now` (seconds).
pub fn verify(token: &str, keys: &[PublicKey], iss: &str, aud: &str, now: i64) -> Result<Claims, TokenError> {
    install();
    if token.len() > MAX_LENGTH {
        return Err(TokenError::Malformed);
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Malformed)?;
    if header.typ.as_deref() != Some(TYPE) {
        return Err(TokenError::WrongType);
    }
    if header.alg != Algorithm::EdDSA {
        return Err(TokenError::WrongAlgorithm);
    }
    if header.crit.is_some() {
        return Err(TokenError::Malformed);
    }
    let key = keys
        .iter()
        .find(|key| header.kid.as_deref() == Some(&key.kid))
        .ok_or(TokenError::UnknownKey)?;
    let claims = decode(token, key)?;
    check(&claims, iss, aud, now)?;
    Ok(claims)
}

/// Signature and shape alone: the rest is checked by hand, since jsonwebtoken looks at the system's clock.
fn decode(token: &str, key: &PublicKey) -> Result<Claims, TokenError> {
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    match jsonwebtoken::decode::<Claims>(token, &DecodingKey::from_ed_der(&key.x), &validation) {
        Ok(decoded) => Ok(decoded.claims),
        Err(error) if matches!(error.kind(), ErrorKind::InvalidSignature) => Err(TokenError::BadSignature),
        Err(_) => Err(TokenError::Malformed),
    }
}

fn check(claims: &Claims, iss: &str, aud: &str, now: i64) -> Result<(), TokenError> {
    if claims.iss != iss {
        return Err(TokenError::WrongIssuer);
    }
    if claims.aud != aud {
        return Err(TokenError::WrongAudience);
    }
    if claims.exp <= claims.iat || claims.iat > now.saturating_add(LEEWAY) {
        return Err(TokenError::WrongTimes);
    }
    if claims.exp.saturating_add(LEEWAY) <= now {
        return Err(TokenError::Expired);
    }
    Ok(())
}

/// The whole of jsonwebtoken's cryptography: any algorithm but EdDSA is refused by construction.
static RING: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| match algorithm {
        Algorithm::EdDSA => Ok(Box::new(RingSigner(
            pair(key.as_bytes()).map_err(|_| ErrorKind::InvalidEddsaKey)?,
        ))),
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    },
    verifier_factory: |algorithm, key| match algorithm {
        Algorithm::EdDSA => Ok(Box::new(RingVerifier(key.try_get_as_bytes()?.to_vec()))),
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    },
    key_utils: KeyUtils::new_unimplemented(),
};

/// Make ring the provider of the process, once.
fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        if RING.install_default().is_err() {
            tracing::warn!("another provider of token cryptography is installed already");
        }
    });
}

fn pair(pkcs8: &[u8]) -> Result<Ed25519KeyPair, KeyError> {
    Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).map_err(|_| KeyError)
}

struct RingSigner(Ed25519KeyPair);

impl Signer<Vec<u8>> for RingSigner {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, SignatureError> {
        Ok(self.0.sign(message).as_ref().to_vec())
    }
}

impl JwtSigner for RingSigner {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

struct RingVerifier(Vec<u8>);

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), SignatureError> {
        let key = UnparsedPublicKey::new(&ED25519, &self.0);
        key.verify(message, signature).map_err(|_| SignatureError::new())
    }
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

#[cfg(test)]
mod tests;
