//! The edge cases of Ed25519 that C2SP/CCTV collected: exactly those signatures are accepted that the strict rules
//! allow, on the only path that verifies.
//!
//! The vectors were made by others and are not part of this project. They are looked for beside it; where they are
//! absent the test says so and checks nothing.

use daicho_core::PublicKey;
use serde_json::Value;

const VECTORS: &str = "../../../shared/vectors/cctv-ed25519/ed25519vectors.json";

/// Flags that the strict rules refuse: `R` or `A` of small order, `R` or `A` not in canonical form, or an equation
/// that holds only after multiplication by the cofactor.
///
/// What remains is accepted: points with a component of small order are no fault as long as the equation holds.
const REFUSED: [&str; 5] =
    ["low_order_R", "low_order_A", "low_order_residue", "non_canonical_R", "non_canonical_A"];

fn field(vector: &Value, name: &str) -> Vec<u8> {
    hex::decode(vector[name].as_str().expect("a text")).expect("hexadecimal")
}

fn accepted(vector: &Value) -> bool {
    let public: [u8; 32] = field(vector, "key").try_into().expect("32 bytes");
    let message = vector["msg"].as_str().expect("a text");
    PublicKey::from_bytes(public)
        .to_verifying_key()
        .is_some_and(|key| key.verify_strict(message.as_bytes(), &field(vector, "sig")))
}

#[test]
fn strict_verification_accepts_exactly_what_its_rules_allow() {
    let Ok(text) = std::fs::read_to_string(VECTORS) else {
        eprintln!("SKIPPED: {VECTORS} is absent, so the edge cases of Ed25519 were NOT checked");
        return;
    };
    let vectors: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    let (mut good, mut bad) = (0, 0);
    for vector in &vectors {
        let flags: Vec<&str> =
            vector["flags"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let allowed = !flags.iter().any(|flag| REFUSED.contains(flag));
        assert_eq!(accepted(vector), allowed, "vector {}: {flags:?}", vector["number"]);
        if allowed { good += 1 } else { bad += 1 }
    }
    // Both sides must be there, or the test would prove nothing.
    assert!(good > 0 && bad > 0, "{good} to accept, {bad} to refuse");
    println!("{good} accepted, {bad} refused");
}
