//! What is accepted as an access token, and what is not.

use super::*;
use serde_json::{Value, json};

const NOW: i64 = 1_800_000_000;

fn claims() -> Claims {
    Claims {
        iss: "tandem".into(),
        aud: "tandem-api".into(),
        sub: "user_x".into(),
        sid: "session_x".into(),
        iat: NOW,
        exp: NOW + 900,
        jti: "token_x".into(),
    }
}

fn check_at(token: &str, key: &SigningKey, now: i64) -> Result<Claims, TokenError> {
    verify(token, &[key.public().clone()], "tandem", "tandem-api", now)
}

/// A token of any header and payload, signed properly.
fn forge(key: &SigningKey, header: &Value, payload: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(payload));
    let signature = pair(key.pkcs8()).unwrap().sign(message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
}

fn header(key: &SigningKey) -> Value {
    json!({"typ": "at+jwt", "alg": "EdDSA", "kid": key.kid()})
}

#[test]
fn an_issued_token_is_accepted_with_its_claims() {
    let key = SigningKey::generate().unwrap();
    let token = issue(&key, &claims()).unwrap();
    assert_eq!(check_at(&token, &key, NOW), Ok(claims()));

    let part = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&part).unwrap(), header(&key));
}

#[test]
fn the_right_key_is_chosen_among_several_and_an_old_one_is_refused_once_gone() {
    let (old, new) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let token = issue(&old, &claims()).unwrap();
    let both = [new.public().clone(), old.public().clone()];
    assert_eq!(verify(&token, &both, "tandem", "tandem-api", NOW), Ok(claims()));
    assert_eq!(check_at(&token, &new, NOW), Err(TokenError::UnknownKey));
}

#[test]
fn time_is_the_given_one_with_five_seconds_of_leeway() {
    let key = SigningKey::generate().unwrap();
    let token = issue(&key, &claims()).unwrap();
    assert!(check_at(&token, &key, NOW - 5).is_ok());
    assert_eq!(check_at(&token, &key, NOW - 6), Err(TokenError::WrongTimes));
    assert!(check_at(&token, &key, NOW + 904).is_ok());
    assert_eq!(check_at(&token, &key, NOW + 905), Err(TokenError::Expired));

    let backwards = issue(&key, &Claims { exp: NOW, ..claims() }).unwrap();
    assert_eq!(check_at(&backwards, &key, NOW), Err(TokenError::WrongTimes));
    let extremes = issue(
        &key,
        &Claims {
            iat: i64::MIN,
            exp: i64::MAX,
            ..claims()
        },
    )
    .unwrap();
    assert!(check_at(&extremes, &key, i64::MAX - 1).is_ok());
}

#[test]
fn issuer_and_audience_must_be_ours() {
    let key = SigningKey::generate().unwrap();
    let foreign = issue(
        &key,
        &Claims {
            iss: "other".into(),
            ..claims()
        },
    )
    .unwrap();
    assert_eq!(check_at(&foreign, &key, NOW), Err(TokenError::WrongIssuer));
    let foreign = issue(
        &key,
        &Claims {
            aud: "other".into(),
            ..claims()
        },
    )
    .unwrap();
    assert_eq!(check_at(&foreign, &key, NOW), Err(TokenError::WrongAudience));
}

#[test]
fn header_tricks_are_refused() {
    let key = SigningKey::generate().unwrap();
    let payload = serde_json::to_value(claims()).unwrap();
    let with = |name: &str, value: Value| {
        let mut changed = header(&key);
        changed[name] = value;
        check_at(&forge(&key, &changed, &payload), &key, NOW)
    };
    assert!(check_at(&forge(&key, &header(&key), &payload), &key, NOW).is_ok());
    assert_eq!(with("typ", json!("JWT")), Err(TokenError::WrongType));
    assert_eq!(with("typ", json!(null)), Err(TokenError::WrongType));
    assert_eq!(with("alg", json!("none")), Err(TokenError::Malformed));
    assert_eq!(with("alg", json!("HS256")), Err(TokenError::WrongAlgorithm));
    assert_eq!(with("alg", json!("RS256")), Err(TokenError::WrongAlgorithm));
    assert_eq!(with("kid", json!(null)), Err(TokenError::UnknownKey));
    assert_eq!(with("kid", json!("other")), Err(TokenError::UnknownKey));
    assert_eq!(with("crit", json!(["exp"])), Err(TokenError::Malformed));
}

#[test]
fn a_key_inside_the_token_is_not_believed() {
    let (ours, theirs) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let mut own = header(&ours);
    own["jwk"] = jwk(theirs.public());
    let token = forge(&theirs, &own, &serde_json::to_value(claims()).unwrap());
    assert_eq!(check_at(&token, &ours, NOW), Err(TokenError::BadSignature));
}

#[test]
fn a_changed_payload_or_signature_does_not_fit() {
    let key = SigningKey::generate().unwrap();
    let token = issue(&key, &claims()).unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    let other = URL_SAFE_NO_PAD.encode(
        serde_json::to_vec(&Claims {
            sub: "user_y".into(),
            ..claims()
        })
        .unwrap(),
    );
    let changed = format!("{}.{other}.{}", parts[0], parts[2]);
    assert_eq!(check_at(&changed, &key, NOW), Err(TokenError::BadSignature));
    let unsigned = format!("{}.{}.", parts[0], parts[1]);
    assert_eq!(check_at(&unsigned, &key, NOW), Err(TokenError::BadSignature));
}

#[test]
fn text_that_is_no_token_is_malformed() {
    let key = SigningKey::generate().unwrap();
    let bare = forge(&key, &header(&key), &json!({"sub": "user_x"}));
    let list = forge(&key, &header(&key), &json!([]));
    for text in [
        "",
        ".",
        "..",
        "a.b.c",
        "tdm_sk_x",
        "é.é.é",
        &"a".repeat(100_000),
        &bare,
        &list,
    ] {
        assert_eq!(
            check_at(text, &key, NOW),
            Err(TokenError::Malformed),
            "{}",
            text.len()
        );
    }
}

#[test]
fn the_key_of_rfc_8037_has_the_thumbprint_of_rfc_8037() {
    let seed = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
    let mut pkcs8 = vec![
        0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
    ];
    pkcs8.extend(URL_SAFE_NO_PAD.decode(seed).unwrap());
    let key = SigningKey::from_pkcs8(pkcs8).unwrap();
    assert_eq!(key.kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    assert_eq!(
        jwk(key.public()),
        json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
            "alg": "EdDSA", "use": "sig", "kid": key.kid()})
    );
}

#[test]
fn a_stored_key_signs_as_before_and_garbage_is_no_key() {
    let key = SigningKey::generate().unwrap();
    let again = SigningKey::from_pkcs8(key.pkcs8().to_vec()).unwrap();
    assert_eq!(issue(&again, &claims()), issue(&key, &claims()));
    assert_eq!(
        PublicKey::from_bytes(key.public().bytes()).as_ref(),
        Ok(key.public())
    );
    assert_eq!(SigningKey::from_pkcs8(vec![1; 48]).unwrap_err(), KeyError);
    assert_eq!(PublicKey::from_bytes(&[1; 31]), Err(KeyError));
    assert!(!format!("{key:?}").contains("pkcs8"));
}
