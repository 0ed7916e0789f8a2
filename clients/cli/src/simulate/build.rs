//! From scheme files to a plan.

use std::collections::BTreeSet;

use super::assumptions::Assumptions;
use super::faults::FaultSet;
use super::plan::{Part, Plan};
use super::play::Play;
use super::schemes::{CASTS, Cast};
use super::setup::{self, Source};
use super::touch::Toucher;
use super::{baseline, governance};

/// Days after the end of a play on which it is judged: every deadline has passed by then.
pub(crate) const DAYS_AFTER: i32 = 45;

/// What a plan is made from.
pub(crate) struct Order<'o> {
    /// The schemes.
    pub(crate) sources: &'o [Source],
    /// Scale in millionths.
    pub(crate) scale_ppm: u64,
    /// Seed.
    pub(crate) seed: u64,
    /// What goes wrong.
    pub(crate) faults: &'o FaultSet,
    /// Name of the ledger on which it is played: keys are authorised for it alone.
    pub(crate) origin: &'o str,
    /// Volumes that the papers do not give.
    pub(crate) assumptions: &'o Assumptions,
}

/// The play of a scheme.
pub(crate) fn cast(id: &str) -> Option<&'static Cast> {
    CASTS.iter().find(|cast| cast.id == id)
}

/// Makes the plan: the same order gives the same plan, byte for byte.
pub(crate) fn plan(order: &Order<'_>) -> anyhow::Result<Plan> {
    let known = order.sources.iter().filter_map(|source| cast(&source.scheme.id).map(|cast| (source, cast)));
    let mut known: Vec<(&Source, &Cast)> = known.collect();
    // What serves several schemes is set up by the first of them.
    known.sort_by_key(|(_, cast)| cast.from());
    let mut shared = BTreeSet::new();
    let (mut steps, mut parts) = (Vec::new(), Vec::new());
    for (source, cast) in known {
        steps.extend(setup::steps(source, cast, (order.seed, order.origin), &mut shared)?);
        let period = (cast.from(), cast.to());
        let mut play =
            Play::new(&source.scheme, period, (order.scale_ppm, order.seed), order.faults, order.assumptions);
        governance::play(&mut play, &source.vocabulary, cast.members);
        (cast.play)(&mut play);
        let (said, injected) = play.finish();
        let mut toucher = Toucher::new(&source.scheme);
        said.iter().flat_map(|step| &step.events).for_each(|event| toucher.event(event));
        let (touches, copies) = toucher.finish();
        steps.extend(said);
        parts.push(Part {
            id: source.scheme.id.clone(),
            from: cast.from(),
            to: cast.to(),
            as_of: cast.to().plus_days(DAYS_AFTER).end(),
            baseline: baseline::counts(&source.scheme.id),
            injected,
            touches,
            copies,
        });
    }
    Ok(Plan::new(steps, parts))
}
