//! Proof of possession: a key that is to be authorised shows that its private part is there, and for whom.

use crate::{PublicKey, SigningKey, pre_authentication_encoding, proto};

/// DSSE payload type of what a key signs to show that it is held.
pub const POSSESSION_TYPE: &str = "application/vnd.daicho.key-possession.v1";

/// What the key signs: origin, party, purpose, each ended by a newline, and the public key. No text holds a newline.
fn message(origin: &str, party: &str, purpose: &str, key: &PublicKey) -> Vec<u8> {
    let texts = format!("{origin}\n{party}\n{purpose}\n");
    pre_authentication_encoding(POSSESSION_TYPE, &[texts.as_bytes(), key.as_bytes()].concat())
}

impl SigningKey {
    /// What the key's holder asks the ward, or an earlier key of the party, to record: that this key speaks for the
    /// party in the ledger of this origin.
    pub fn request(&self, origin: &str, party: &str, purpose: &str) -> proto::KeyAuthorized {
        let public = self.public();
        proto::KeyAuthorized {
            party: party.to_owned(),
            key: Some(public.to_proto()),
            purpose: purpose.to_owned(),
            possession: self.sign(&message(origin, party, purpose, &public)).to_vec(),
            ..Default::default()
        }
    }
}

/// Whether the key that is to be authorised signed for this party and purpose in this ledger.
pub fn shows_possession(origin: &str, authorized: &proto::KeyAuthorized) -> bool {
    let public = authorized.key.as_ref().and_then(PublicKey::from_proto);
    let Some((public, key)) = public.and_then(|public| Some((public, public.to_verifying_key()?))) else {
        return false;
    };
    let message = message(origin, &authorized.party, &authorized.purpose, &public);
    key.verify_strict(&message, &authorized.possession)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &str = "ledger.example/one";

    #[test]
    fn a_request_holds_for_its_ledger_party_purpose_and_key_alone() {
        let key = SigningKey::from_seed(&[3; 32]);
        let request = key.request(ORIGIN, "mailer", "server");
        assert!(shows_possession(ORIGIN, &request));
        assert!(!shows_possession("ledger.example/two", &request));
        let for_another = proto::KeyAuthorized { party: "printer".into(), ..request.clone() };
        let other_key = Some(SigningKey::from_seed(&[4; 32]).public().to_proto());
        let of_another = proto::KeyAuthorized { key: other_key, ..request.clone() };
        let for_more = proto::KeyAuthorized { purpose: "auditor".into(), ..request.clone() };
        let unproven = proto::KeyAuthorized { possession: Vec::new(), ..request };
        for wrong in [for_another, of_another, for_more, unproven] {
            assert!(!shows_possession(ORIGIN, &wrong));
        }
    }
}
