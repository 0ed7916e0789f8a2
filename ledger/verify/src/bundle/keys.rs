//! Keys as the entries of a selective bundle name them.
//!
//! This is not the fold: whole entries are left out here. It checks that each statement is signed by keys that an
//! earlier entry of the bundle authorised, back to entry 0, and no more: what an entry that is missing has ended is not
//! known here.

use std::collections::HashMap;

use daicho_core::proto::event::Fact;
use daicho_core::{EntryIndex, KeyId, PublicKey, VerifyingKey, proto, shows_possession};
use daicho_custody::fold::{AUDITOR_PURPOSE, COUNCIL_PURPOSE, FIRST_WITH_POSSESSION, INVITATION_PURPOSE};

use super::BundleError;
use crate::Receipt;

/// The keys that are known so far.
#[derive(Debug, Default)]
pub(super) struct KeyRing {
    origin: String,
    ward: String,
    wants_possession: bool,
    keys: HashMap<KeyId, Known>,
}

#[derive(Debug)]
struct Known {
    party: String,
    ready: VerifyingKey,
    revoked: Option<EntryIndex>,
    /// What it may authorise, and until when, where it is a one-time key.
    invites: Option<(String, i64)>,
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
        let invited = self.spend_invitation(receipt)?;
        let parties = statement.signers().iter().map(|signer| self.party(&signer.key)).collect::<Vec<_>>();
        for event in &statement.body().events {
            match &event.fact {
                Some(Fact::KeyAuthorized(e)) => {
                    let reads = matches!(&*e.purpose, AUDITOR_PURPOSE | COUNCIL_PURPOSE);
                    let by_ward = reads || self.wants_possession && e.purpose == INVITATION_PURPOSE;
                    if by_ward && !invited && parties[0] != self.ward {
                        let (signer, party) = (parties[0].clone(), e.party.clone());
                        return Err(BundleError::KeyRights { entry, signer, party });
                    }
                    self.may_speak(entry, &parties[0], &e.party)?;
                    if self.wants_possession && !shows_possession(&self.origin, e) {
                        return Err(BundleError::NoPossession { entry });
                    }
                    self.learn(&e.party, e.key.as_ref());
                    if self.wants_possession
                        && e.purpose == INVITATION_PURPOSE
                        && let Some(id) = e.key.as_ref().and_then(PublicKey::from_proto).map(|key| key.id())
                        && let Some(known) = self.keys.get_mut(&id)
                    {
                        known.invites = Some((e.invites_for.clone(), e.invites_until_ms));
                    }
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

    /// A one-time key signs alone, in time, and one event: that a key of its party and for its purpose takes its place.
    /// Returns whether one did.
    fn spend_invitation(&mut self, receipt: &Receipt) -> Result<bool, BundleError> {
        let (entry, statement) = (receipt.entry(), receipt.statement());
        let invites = |key: &KeyId| self.keys.get(key).is_some_and(|known| known.invites.is_some());
        let Some(signer) = statement.signers().iter().find(|signer| invites(&signer.key)) else {
            return Ok(false);
        };
        let Some(known) = self.keys.get_mut(&signer.key) else { return Ok(false) };
        let Some((purpose, until)) = &known.invites else { return Ok(false) };
        let fits = match statement.body().events.as_slice() {
            [proto::Event { fact: Some(Fact::KeyAuthorized(e)), .. }] => {
                statement.signers().len() == 1 && e.party == known.party && e.purpose == *purpose
            }
            _ => false,
        };
        if !fits || entry.recorded.unix_ms() > *until {
            return Err(BundleError::Invitation { entry: entry.index });
        }
        known.revoked = Some(entry.index);
        Ok(true)
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
        self.wants_possession = opened.fold_version >= FIRST_WITH_POSSESSION;
        self.learn(&opened.operator_party, opened.operator_key.as_ref());
        self.learn(&opened.ward_party, opened.ward_key.as_ref());
        Ok(())
    }

    fn learn(&mut self, party: &str, key: Option<&proto::PublicKey>) {
        if let Some(public) = key.and_then(PublicKey::from_proto)
            && let Some(ready) = public.to_verifying_key()
        {
            let known = Known { party: party.to_owned(), ready, revoked: None, invites: None };
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
