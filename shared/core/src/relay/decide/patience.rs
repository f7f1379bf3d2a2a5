//! How long to wait between attempts, and how often to try.

use std::time::Duration;

use jiff::Timestamp;

use crate::relay::{Reason, Sent};

/// SQS moves a message to the dead-letter queue after this number of receives: the template's `maxReceiveCount`. Waiting
/// never uses them up: a message that has none left is acknowledged, and reconcile sends another one.
pub const MAX_RECEIVES: u32 = 40;
/// A relay fails after this number of attempts (some thirty hours).
pub const MAX_ATTEMPTS: u32 = 40;
/// A relay that still waits after this number of attempts (some eight hours) is left to reconcile.
pub const WAITING_ATTEMPTS: u32 = 16;
/// A relay fails after this number of attempts (some forty minutes) if its A instance cannot be found. Not at once,
/// because Storage also answers 404 on failures of its own.
pub const MISSING_ATTEMPTS: u32 = 10;
/// A relay fails after this number of attempts (some five hours) if Altinn's register does not know the owner, or A
/// cannot be read. Not at once, because a register that is down answers the same.
pub const UNKNOWN_ATTEMPTS: u32 = 14;
/// After this number of attempts the early searches are skipped: the attempts must last through a night in which B is
/// down.
pub(super) const EARLY_ATTEMPTS: u32 = 12;

/// The longest time that a message waits invisible in the queue. A relay that waits longer has no message, and reconcile
/// sends one when it is due: a queue has room for some 120 000 messages in flight, and takes no more for any route when
/// they are used up (Amazon SQS Developer Guide, "Quotas").
pub const LONGEST_IN_FLIGHT: Duration = Duration::from_secs(900);
/// `not_before` lies this much before the moment at which the message becomes visible again, so that a message that is on
/// time is never taken for an early one: clocks differ. SQS rounds up, so that no message is early for that reason.
pub(super) const EARLY_BY: Duration = Duration::from_secs(2);
/// How long reconcile leaves a relay alone after it has enqueued it.
pub const TOLD_FOR: Duration = Duration::from_secs(3600);

/// A message that is this late, or whose worker was last heard of this long ago, counts as lost: the queue's visibility
/// timeout in the template.
pub(super) const LOST: Duration = Duration::from_secs(1800);
/// Reconcile looks after a relay without a message after a quarter of the relay's age, but no sooner than this …
pub(super) const SHORTEST_PATIENCE: Duration = Duration::from_secs(900);
/// … and no later.
pub(super) const LONGEST_PATIENCE: Duration = Duration::from_secs(86_400);
/// The longest time that a relay waits for its next attempt, unless it is left to reconcile.
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

/// After how many attempts a relay fails for this reason.
pub(super) fn patience(reason: Reason) -> u32 {
    match reason {
        // A request that cannot be built now can never be built.
        Reason::DraftRefused => 0,
        Reason::SourceMissing | Reason::SourceForbidden => MISSING_ATTEMPTS,
        Reason::OwnerUnknown | Reason::SourceUnreadable => UNKNOWN_ATTEMPTS,
        _ => MAX_ATTEMPTS,
    }
}

/// Whether a relay may wait for this reason as long as it takes. The attempts until then do not count against the patience
/// with failures.
pub(super) fn is_patient_with(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::PartsOpen | Reason::RouteStopped | Reason::BQuiet | Reason::LedgerRebuilding
    ) || a_new_message_may_end(reason)
}

/// Whether a relay that waits for this reason may be able to go on when another trigger of it arrives: A has changed.
pub(super) fn a_new_message_may_end(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::GateClosed | Reason::AttachmentMissing | Reason::AttachmentScanned
    )
}

/// How long a relay of this age is left to reconcile: a quarter of it, within limits.
pub(super) fn until_reconcile(first: Timestamp, now: Timestamp) -> Duration {
    (until(now, first) / 4).clamp(SHORTEST_PATIENCE, LONGEST_PATIENCE)
}

/// How long to wait from `now` until the next search for what `sent` created. The last search is when B is quiet.
pub(super) fn next_search(sent: &Sent, now: Timestamp) -> Duration {
    let early = EARLY_SEARCHES.map(|after| later(sent.ended, after));
    let next = early
        .into_iter()
        .find(|search| *search > now && *search < sent.quiet);
    until(next.unwrap_or(sent.quiet), now)
}

/// How long to wait after this number of attempts or receives: 5 s, doubled with each of them up to an hour, varied by a
/// fifth.
#[must_use]
pub fn backoff(attempts: u32, seed: u64) -> Duration {
    let doubled = 5_000_u64.saturating_mul(1 << attempts.saturating_sub(1).min(20));
    let base = doubled.min(3_600_000);
    // SplitMix64's finishing step: neighbouring seeds give unrelated values.
    let mut mixed = seed.wrapping_add(u64::from(attempts).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    let spread = (mixed ^ (mixed >> 31)) % (base * 2 / 5 + 1);
    Duration::from_millis(base - base / 5 + spread)
}
