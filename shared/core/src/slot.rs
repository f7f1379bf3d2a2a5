//! Slots of time, in which the instances of an app are listed by when they were created.
//!
//! When an instance was created never changes, so a window of time can be listed slot by slot: a search that is cut off
//! goes on at the next slot, and searches for different relays have their slots in common.

use jiff::Timestamp;

/// The length of a slot: at 20 instances a second, 12,000 of them.
const LENGTH: i64 = 600;
/// A window has no more slots than this, so that a search that reaches far back does not ask for each ten minutes of it.
const MOST: i64 = 48;

/// A slot: all slots of one length follow each other without a gap, beginning at the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot {
    /// Its start, included.
    pub from: Timestamp,
    /// Its end, excluded.
    pub before: Timestamp,
}

impl Slot {
    /// The slots that cover the window from `from` to `until`, both included, the earliest first: of ten minutes each,
    /// or of twice, four times … as long if the window is longer than eight hours.
    pub fn cover(from: Timestamp, until: Timestamp) -> impl Iterator<Item = Self> + use<> {
        // `as_second` rounds what lies before 1970 up.
        let second = |moment: Timestamp| {
            let second = moment.as_nanosecond().div_euclid(1_000_000_000);
            i64::try_from(second).unwrap_or_default()
        };
        let (first, last) = (second(from), second(until));
        let mut length = LENGTH;
        while last.saturating_sub(first) / length >= MOST - 1 {
            length *= 2;
        }
        let moment = move |number: i64| {
            let limit = if number < 0 {
                Timestamp::MIN
            } else {
                Timestamp::MAX
            };
            Timestamp::from_second(number.saturating_mul(length)).unwrap_or(limit)
        };
        (first.div_euclid(length)..=last.div_euclid(length)).map(move |number| Self {
            from: moment(number),
            before: moment(number + 1),
        })
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_doubt_of_half_an_hour_has_four_slots_at_most() {
        let slots: Vec<Slot> =
            Slot::cover(at("2026-11-22T10:09:00Z"), at("2026-11-22T10:33:00Z")).collect();
        let slot = |from, before| Slot {
            from: at(from),
            before: at(before),
        };
        assert_eq!(
            slots,
            [
                slot("2026-11-22T10:00:00Z", "2026-11-22T10:10:00Z"),
                slot("2026-11-22T10:10:00Z", "2026-11-22T10:20:00Z"),
                slot("2026-11-22T10:20:00Z", "2026-11-22T10:30:00Z"),
                slot("2026-11-22T10:30:00Z", "2026-11-22T10:40:00Z"),
            ]
        );
    }

    proptest! {
        #[test]
        fn the_slots_cover_the_window_without_a_gap_and_are_few(
            from in -377_000_000_000_000_i64..253_000_000_000_000, milliseconds in 0i64..40_000_000_000,
        ) {
            let from = Timestamp::from_millisecond(from).unwrap();
            let until = from + SignedDuration::from_millis(milliseconds);
            let slots: Vec<Slot> = Slot::cover(from, until).collect();
            prop_assert!(slots[0].from <= from && from < slots[0].before);
            let last = slots[slots.len() - 1];
            prop_assert!(last.from <= until && until < last.before);
            prop_assert!(slots.windows(2).all(|pair| pair[0].before == pair[1].from));
            prop_assert!(slots.len() <= 48);
            let length = slots[0].before.duration_since(slots[0].from).as_secs();
            prop_assert!(slots.iter().all(|slot| slot.before.duration_since(slot.from).as_secs() == length));
            prop_assert!(length == 600 || milliseconds / 1000 >= 600 * 40);
        }

        #[test]
        fn two_windows_have_their_slots_in_common(from in 0i64..1_000_000_000, later in 0i64..7_200) {
            let moment = |second| Timestamp::from_second(second).unwrap();
            let of = |from: i64| Slot::cover(moment(from), moment(from + 10_000)).collect::<Vec<_>>();
            let (one, other) = (of(from), of(from + later));
            let overlap = one.iter().filter(|slot| slot.before > other[0].from);
            for slot in overlap {
                prop_assert!(other.contains(slot));
            }
        }
    }
}
