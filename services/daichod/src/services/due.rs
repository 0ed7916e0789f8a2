//! What is due: the list, and following what changes in it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use daicho_core::Instant;
use daicho_custody::ContextCache;
use daicho_custody::state::{Scan, StateError, Table, key};
use daicho_engine::Engine;
use daicho_proto::v1;
use tonic::Status;

use super::pages::{Pages, Responses};
use super::read::{Failure, judge, scheme_ids};
use super::{seen, status, wire};
use crate::access::{Sight, local};

/// Of what a list is asked for: a scheme and a party, or all of them (empty).
#[derive(Clone)]
pub(super) struct Wanted {
    pub(super) scheme: String,
    pub(super) party: String,
}

/// Answers of a follower.
pub(super) type Changes = Responses<v1::FollowDueResponse>;

/// The list is computed anew at least this often: time alone makes things due.
const AT_LEAST_EVERY: Duration = Duration::from_secs(60);
/// The same on a simulated ledger, whose time may leap.
const AT_LEAST_EVERY_SIMULATED: Duration = Duration::from_secs(1);
/// And at most this often.
const AT_MOST_EVERY: Duration = Duration::from_secs(1);
/// A list is computed for at most a twentieth of the time.
const REST: u32 = 20;

/// What is due at the second time as known at the first, over all schemes nearest first.
pub(super) fn list(
    state: &dyn Scan,
    cache: &mut ContextCache,
    wanted: &Wanted,
    sight: &Sight,
    (now, until): (Instant, Instant),
) -> Result<Vec<v1::DueItem>, Failure> {
    let mut items = Vec::new();
    let mut known = wanted.party.is_empty();
    for scheme in scheme_ids(state, &wanted.scheme)? {
        let mut parties = HashMap::new();
        let judge = judge(state, cache, &scheme)?;
        let sight = seen::here(sight, &judge);
        let named = local(&wanted.party, &scheme);
        known |= named.is_some_and(|party| judge.context_at(now).party(party).is_some());
        for one in judge.due(now, until)? {
            let who = one.who();
            if !parties.contains_key(who) {
                parties.insert(who.to_owned(), party_of_ledger(state, &scheme, who)?);
            }
            let party = &parties[who];
            let asked_for = wanted.party.is_empty() || wanted.party == who || wanted.party == *party;
            if asked_for && sight.of_any(&scheme, [who]) {
                items.push(wire::due(&scheme, party.clone(), one));
            }
        }
    }
    if !known {
        return Err(status::not_found(&format!("party `{}`", wanted.party)).into());
    }
    // Each scheme is in order already, and stays so.
    items.sort_by_key(|item| item.due_ms);
    Ok(items)
}

/// How the ledger names a party of a scheme.
fn party_of_ledger(state: &dyn Scan, scheme: &str, party: &str) -> Result<String, StateError> {
    let own = format!("{scheme}/{party}");
    Ok(if state.get(&key(Table::Party, &[&own]))?.is_some() { own } else { party.to_owned() })
}

/// Sends the list, then its changes, until the follower or the server is gone, or the follower takes nothing for a minute.
pub(super) fn follow<Looked>(
    engine: Arc<Engine>,
    look: impl Fn() -> Looked + Send + 'static,
    (as_of, list): (Instant, Vec<v1::DueItem>),
) -> Changes
where
    Looked: Future<Output = Result<(Instant, Vec<v1::DueItem>), Status>> + Send,
{
    let (pages, stream) = Pages::new();
    let mut head = engine.head();
    let simulated = engine.origin().is_simulated();
    let at_least_every = if simulated { AT_LEAST_EVERY_SIMULATED } else { AT_LEAST_EVERY };
    tokio::spawn(async move {
        let mut known: HashMap<(String, String), v1::DueItem> = HashMap::new();
        let mut answer =
            v1::FollowDueResponse { as_of_ms: as_of.unix_ms(), due: list.clone(), settled: Vec::new() };
        known.extend(list.into_iter().map(|item| (name(&item), item)));
        let mut first = true;
        let mut took = Duration::ZERO;
        loop {
            let changed = first || !(answer.due.is_empty() && answer.settled.is_empty());
            if changed && !pages.send(Ok(std::mem::take(&mut answer))).await {
                return;
            }
            first = false;
            let next_due = known.values().filter(|item| !item.overdue).map(|item| item.due_ms).min();
            let wait = async {
                tokio::time::sleep(AT_MOST_EVERY.max(took * REST)).await;
                let ms = next_due.map_or(i64::MAX, |due| due.saturating_sub(engine.now().unix_ms()) + 1);
                let until_due = Duration::from_millis(ms.max(0).unsigned_abs());
                tokio::select! {
                    changed = head.changed() => changed.is_ok(),
                    () = tokio::time::sleep(at_least_every.min(until_due)) => true,
                }
            };
            tokio::select! {
                goes_on = wait => if !goes_on { return },
                () = pages.closed() => return,
            }
            // What is recorded from here on is looked at the next time.
            head.mark_unchanged();
            let watch = std::time::Instant::now();
            let (as_of, list) = match look().await {
                Ok(list) => list,
                Err(status) => {
                    // The follower may have gone; then nobody misses it.
                    pages.send(Err(status)).await;
                    return;
                }
            };
            took = watch.elapsed();
            answer = changes(&mut known, as_of, list);
        }
    });
    stream
}

/// What is new, nearer or past in a list, and what is not in it any more. The list becomes what is known.
fn changes(
    known: &mut HashMap<(String, String), v1::DueItem>,
    as_of: Instant,
    list: Vec<v1::DueItem>,
) -> v1::FollowDueResponse {
    let mut before = std::mem::take(known);
    let mut due = Vec::new();
    for item in list {
        let name = name(&item);
        let same = |old: v1::DueItem| old.due_ms == item.due_ms && old.overdue == item.overdue;
        if !before.remove(&name).is_some_and(same) {
            due.push(item.clone());
        }
        known.insert(name, item);
    }
    let mut settled: Vec<v1::DueItem> = before.into_values().collect();
    settled.sort_by_cached_key(|item| (item.due_ms, name(item)));
    v1::FollowDueResponse { as_of_ms: as_of.unix_ms(), due, settled }
}

/// Scheme, and copy or duty; the two never share a name.
fn name(item: &v1::DueItem) -> (String, String) {
    let copy = item.copy.as_ref().map(|copy| copy.id.clone());
    let object = copy.or_else(|| item.duty.as_ref().map(|duty| format!("duty {}", duty.object)));
    (item.scheme.clone(), object.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(id: &str, due_ms: i64, overdue: bool) -> v1::DueItem {
        let copy = Some(v1::CopyState { id: id.to_owned(), ..Default::default() });
        v1::DueItem { scheme: "s".to_owned(), copy, due_ms, overdue, ..Default::default() }
    }

    #[test]
    fn only_changes_are_told() {
        let mut known = HashMap::new();
        let ids = |items: &[v1::DueItem]| -> Vec<String> { items.iter().map(|i| name(i).1).collect() };
        let first = changes(&mut known, Instant::EPOCH, vec![copy("a", 5, false), copy("b", 6, false)]);
        assert_eq!((ids(&first.due), first.settled.len()), (vec!["a".to_owned(), "b".to_owned()], 0));
        let again = changes(&mut known, Instant::EPOCH, vec![copy("a", 5, false), copy("b", 6, false)]);
        assert!(again.due.is_empty() && again.settled.is_empty());
        // One passes its time, one goes, one comes, one is put off.
        let later = changes(&mut known, Instant::EPOCH, vec![copy("a", 5, true), copy("c", 7, false)]);
        assert_eq!(
            (ids(&later.due), ids(&later.settled)),
            (vec!["a".to_owned(), "c".to_owned()], vec!["b".to_owned()])
        );
        let off = changes(&mut known, Instant::EPOCH, vec![copy("a", 9, false), copy("c", 7, false)]);
        assert_eq!((ids(&off.due), off.settled.len()), (vec!["a".to_owned()], 0));
    }
}
