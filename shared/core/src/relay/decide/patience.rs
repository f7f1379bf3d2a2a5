//! How long to wait, and for how long to go on.

use std::time::Duration;

use jiff::Timestamp;

use crate::relay::{Reason, Sent};

/// A message is moved to the dead-letter queue after so many receives. The template's `maxReceiveCount`.
pub const MAX_RECEIVES: u32 = 40;
/// A relay that still waits after so many receives (some eight hours) is left to reconcile.
pub const WAITING_RECEIVES: u32 = 16;
/// An A instance that is not to be found is given up after so many receives (some forty minutes):
/// Storage answers 404 also on failures of its own.
pub const MISSING_RECEIVES: u32 = 10;
/// An owner that Altinn's register does not know, or an A that cannot be read, is given up after so many
/// receives (some five hours): a register that is down answers the same.
pub const UNKNOWN_RECEIVES: u32 = 14;
/// A message that was received this often is no longer put back for the early searches: its
/// receives must outlast a night in which B is down.
pub(super) const EARLY_RECEIVES: u32 = 12;

/// A message that was to come again, or whose holder vanished, is given up for lost after so long: the
/// queue's own visibility timeout in the template.
pub(super) const LOST: Duration = Duration::from_secs(1800);
/// A relay whose message is gone is looked after again after a quarter of its age, but no sooner than this …
pub(super) const SHORTEST_PATIENCE: Duration = Duration::from_secs(900);
/// … and no later.
pub(super) const LONGEST_PATIENCE: Duration = Duration::from_secs(86_400);
/// The longest that a message is put back for.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(6 * 3600);
/// [`super::Quiet::Soon`]: Storage may still be at work on a call that the app gave up on.
pub(super) const SOON: Duration = Duration::from_secs(60);
/// How long after the end of a request it is searched for, before B is quiet.
const EARLY_SEARCHES: [Duration; 5] = [
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(120),
    Duration::from_secs(300),
    Duration::from_secs(600),
];

/// `by` after `moment`, or the end of time: the ledger may hold anything.
pub(super) fn later(moment: Timestamp, by: Duration) -> Timestamp {
    moment.saturating_add(by).unwrap_or(Timestamp::MAX)
}

/// The time from `now` until `moment`, zero if that has passed.
pub(super) fn until(moment: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(moment.duration_since(now)).unwrap_or_default()
}

/// After how many receives a relay fails that goes on meeting this.
pub(super) fn patience(reason: Reason) -> u32 {
    match reason {
        // A request that cannot even be written will not be another time.
        Reason::DraftRefused => 0,
        Reason::SourceMissing | Reason::SourceForbidden => MISSING_RECEIVES,
        Reason::OwnerUnknown | Reason::SourceUnreadable => UNKNOWN_RECEIVES,
        _ => MAX_RECEIVES,
    }
}

/// How long to wait until the next search for what `sent` made, at `now`. The last one is when B is quiet.
pub(super) fn next_search(sent: &Sent, now: Timestamp) -> Duration {
    let early = EARLY_SEARCHES.map(|after| later(sent.ended, after));
    let next = early
        .into_iter()
        .find(|search| *search > now && *search < sent.quiet);
    until(next.unwrap_or(sent.quiet), now)
}

/// How long to wait after the `receives`th receive: 5 s, doubled each time, an hour at most, a fifth more or less.
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
