//! Which parameters of an address let somebody in, by their names.

/// Names of parameters that let somebody in: short ones that are parts of harmless names too (`promo_code`).
const SECRETS: [&str; 9] = [
    "code",
    "key",
    "pass",
    "pin",
    "pw",
    "reset",
    "samlresponse",
    "sso",
    "ticket",
];
/// Parts of such names, between capitals and what is neither letter nor digit: `reset_password_token`, `X-Amz-Credential`,
/// `resetKey`.
const SECRET_PARTS: [&str; 30] = [
    "accesskey",
    "activation",
    "apikey",
    "assertion",
    "auth",
    "authkey",
    "authorization",
    "bearer",
    "credential",
    "credentials",
    "invitation",
    "invite",
    "jsessionid",
    "jwt",
    "key",
    "magic",
    "magiclink",
    "otp",
    "passcode",
    "passwd",
    "phpsessid",
    "pwd",
    "reset",
    "session",
    "sessionid",
    "sid",
    "sig",
    "signature",
    "verification",
    "verify",
];
/// The two halves of names that let somebody in only together: `login_code`, `accessCode`, `userpass`.
const SECRET_PAIRS: ([&str; 14], [&str; 7]) = (
    [
        "access",
        "account",
        "confirm",
        "confirmation",
        "invite",
        "license",
        "login",
        "private",
        "security",
        "session",
        "sign",
        "signin",
        "unlock",
        "user",
    ],
    ["code", "hash", "key", "link", "pass", "pin", "pw"],
);
/// What gives such a name away wherever it stands: `accessToken`.
const SECRET_WORDS: [&str; 5] = ["api_key", "passphrase", "password", "secret", "token"];

/// Whether a parameter of this name lets somebody in.
pub(super) fn is_secret(name: &str) -> bool {
    let (name, words) = (name.trim().to_ascii_lowercase(), words(name));
    let words: Vec<&str> = words.split(' ').filter(|word| !word.is_empty()).collect();
    let (first, second) = SECRET_PAIRS;
    let is_pair = |one: &str, next: &str| first.contains(&one) && second.contains(&next);
    let is_compound = |word: &&str| {
        SECRET_PARTS.contains(word)
            || second.iter().any(|end| {
                let start = word.strip_suffix(end);
                start.is_some_and(|start| first.contains(&start) || SECRET_PARTS.contains(&start))
            })
    };
    let mut parts = name.split(|c: char| !c.is_ascii_alphanumeric());
    SECRETS.contains(&name.as_str())
        || SECRET_WORDS.iter().any(|word| name.contains(word))
        || parts.any(|part| is_compound(&part))
        || words.iter().any(is_compound)
        || words.windows(2).any(|two| is_pair(two[0], two[1]))
}

/// The words of a name in lower case, with a space between them: `resetKey` is `reset key`.
fn words(name: &str) -> String {
    let mut words = String::new();
    let mut was_small = false;
    for c in name.chars() {
        if was_small && c.is_ascii_uppercase() {
            words.push(' ');
        }
        was_small = c.is_ascii_lowercase() || c.is_ascii_digit();
        words.push(if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            ' '
        });
    }
    words
}
