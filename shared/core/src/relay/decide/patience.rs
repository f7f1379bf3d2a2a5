//! How long to wait between attempts, and how often to try.

use std::time::Duration;

use jiff::Timestamp;

use crate::relay::{Reason, Sent};

/// SQS moves a message to the dead-letter queue after this number of receives: the template's `maxReceiveCount`.
pub const MAX_RECEIVES: u32 = 40;
/// A relay that still waits after this number of receives (some eight hours) is left to reconcile.
pub const WAITING_RECEIVES: u32 = 16;
/// A relay fails after this number of receives (some forty minutes) if its A instance cannot be found. Not at once,
/// because Storage also answers 404 on failures of its own.
pub const MISSING_RECEIVES: u32 = 10;
/// A relay fails after this number of receives (some five hours) if Altinn's register does not know the owner, or A
/// cannot be read. Not at once, because a register that is down answers the same.
pub const UNKNOWN_RECEIVES: u32 = 14;
/// After this number of receives the early searches are skipped: the receives must last through a night in which B is
/// down.
pub(super) const EARLY_RECEIVES: u32 = 12;

/// A message that is this late, or whose worker was last heard of this long ago, counts as lost: the queue's visibility
/// timeout in the template.
pub(super) const LOST: Duration = Duration::from_secs(1800);
/// Reconcile looks after a relay without a message after a quarter of the relay's age, but no sooner than this …
pub(super) const SHORTEST_PATIENCE: Duration = Duration::from_secs(900);
/// … and no later.
pub(super) const LONGEST_PATIENCE: Duration = Duration::from_secs(86_400);
/// The longest time that a message is made to wait.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(6 * 3600);
/// [`super::Quiet::Soon`]: how long Storage may still be processing a call that the app gave up on.
pub(super) const SOON: Duration = Duration::from_secs(60);
/// When the searches before B is quiet are made, counted from the end of the request.
const EARLY_SEARCHES: [Duration; 5] = [
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(120),
    Duration::from_secs(300),
    Duration::from_secs(600),
];

/// `by` after `moment`. Saturates, because the ledger may have any value.
pub(super) fn later(moment: Timestamp, by: Duration) -> Timestamp {
    moment.saturating_add(by).unwrap_or(Timestamp::MAX)
}

/// The time from `now` until `moment`; zero if `moment` has passed.
pub(super) fn until(moment: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(moment.duration_since(now)).unwrap_or_default()
}

/// After how many receives a relay fails for this reason.
pub(super) fn patience(reason: Reason) -> u32 {
    match reason {
        // A request that cannot be built now can never be built.
        Reason::DraftRefused => 0,
        Reason::SourceMissing | Reason::SourceForbidden => MISSING_RECEIVES,
        Reason::OwnerUnknown | Reason::SourceUnreadable => UNKNOWN_RECEIVES,
        _ => MAX_RECEIVES,
    }
}

/// How long to wait from `now` until the next search for what `sent` created. The last search is when B is quiet.
pub(super) fn next_search(sent: &Sent, now: Timestamp) -> Duration {
    let early = EARLY_SEARCHES.map(|after| later(sent.ended, after));
    let next = early
        .into_iter()
        .find(|search| *search > now && *search < sent.quiet);
    until(next.unwrap_or(sent.quiet), now)
}

/// How long to wait after this number of receives: 5 s, doubled with each receive up to an hour, varied by a fifth.
#[must_use]
pub fn backoff(receives: u32, seed: u64) -> Duration {
    let doubled = 5_000_u64.saturating_mul(1 << receives.saturating_sub(1).min(20));
    let base = doubled.min(3_600_000);
    // SplitMix64's finishing step: neighbouring seeds give unrelated values.
    let mut mixed = seed.wrapping_add(u64::from(receives).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    let spread = (mixed ^ (mixed >> 31)) % (base * 2 / 5 + 1);
    Duration::from_millis(base - base / 5 + spread)
}
