//! Keys as the entries of a selective bundle name them.
//!
//! This is not the fold: whole entries are left out here. It checks that each statement is signed by keys that an
//! earlier entry of the bundle authorised, back to entry 0, and no more.

use std::collections::HashMap;

use daicho_core::proto::event::Fact;
use daicho_core::{EntryIndex, KeyId, PublicKey, VerifyingKey, proto};

use super::BundleError;
use crate::Receipt;

/// The keys that are known so far.
#[derive(Debug, Default)]
pub(super) struct KeyRing {
    origin: String,
    ward: String,
    keys: HashMap<KeyId, Known>,
}

#[derive(Debug)]
struct Known {
    party: String,
    ready: VerifyingKey,
    revoked: Option<EntryIndex>,
}

impl KeyRing {
    /// Takes the next entry of the bundle: verifies its signatures and learns the keys that it names. Returns the
    /// parties that signed, in the order of the statement.
    pub(super) fn admit(&mut self, receipt: &Receipt) -> Result<Vec<String>, BundleError> {
        let entry = receipt.entry().index;
        if entry.get() == 0 {
            self.open(receipt)?;
        }
        let statement = receipt.statement();
        for signer in statement.signers() {
            let known = self.keys.get(&signer.key);
            let known = known.ok_or(BundleError::KeyUnknown { entry, key: signer.key })?;
            if let Some(revoked) = known.revoked {
                return Err(BundleError::KeyRevoked { entry, key: signer.key, revoked });
            }
        }
        statement
            .clone()
            .check(&self.origin, |id| self.keys.get(id).map(|known| &known.ready))
            .map_err(|refusal| BundleError::Signature { entry, refusal })?;
        let parties = statement.signers().iter().map(|signer| self.party(&signer.key)).collect::<Vec<_>>();
        for event in &statement.body().events {
            match &event.fact {
                Some(Fact::KeyAuthorized(e)) => {
                    self.may_speak(entry, &parties[0], &e.party)?;
                    self.learn(&e.party, e.key.as_ref());
                }
                Some(Fact::KeyRevoked(e)) => {
                    let id = KeyId::from_slice(&e.key_id);
                    if let Some(id) = id.filter(|id| self.keys.contains_key(id)) {
                        self.may_speak(entry, &parties[0], &self.party(&id))?;
                        self.keys.entry(id).and_modify(|known| known.revoked = Some(entry));
                    }
                }
                _ => {}
            }
        }
        Ok(parties)
    }

    /// Learns the founding keys from entry 0, which the operator's signs itself.
    fn open(&mut self, receipt: &Receipt) -> Result<(), BundleError> {
        let body = receipt.statement().body();
        let Some(Fact::LedgerOpened(opened)) = body.events.first().and_then(|event| event.fact.as_ref())
        else {
            return Err(BundleError::NoFounding);
        };
        if opened.origin != body.ledger_origin {
            return Err(BundleError::NoFounding);
        }
        self.origin.clone_from(&opened.origin);
        self.ward.clone_from(&opened.ward_party);
        self.learn(&opened.operator_party, opened.operator_key.as_ref());
        self.learn(&opened.ward_party, opened.ward_key.as_ref());
        Ok(())
    }

    fn learn(&mut self, party: &str, key: Option<&proto::PublicKey>) {
        if let Some(public) = key.and_then(PublicKey::from_proto)
            && let Some(ready) = public.to_verifying_key()
        {
            let known = Known { party: party.to_owned(), ready, revoked: None };
            self.keys.entry(public.id()).or_insert(known);
        }
    }

    fn party(&self, key: &KeyId) -> String {
        self.keys.get(key).map_or_else(String::new, |known| known.party.clone())
    }

    /// The ward speaks about all keys, a party about its own.
    fn may_speak(&self, entry: EntryIndex, signer: &str, party: &str) -> Result<(), BundleError> {
        if signer == self.ward || signer == party {
            return Ok(());
        }
        Err(BundleError::KeyRights { entry, signer: signer.to_owned(), party: party.to_owned() })
    }
}
