//! The time of a run, and how it is shared out.

use std::time::{Duration, Instant};

/// What a page is expected to take as long as none has been seen.
const FIRST_PAGE: Duration = Duration::from_millis(500);

/// The time of a run.
#[derive(Debug)]
pub(crate) struct Time {
    end: Instant,
    /// The longest that a page has taken so far.
    page: Duration,
}

/// One step's share of it.
#[derive(Debug)]
pub(crate) struct Share<'t> {
    time: &'t mut Time,
    end: Instant,
    pages: u32,
}

impl Time {
    /// So much of it, from `now` on.
    pub(crate) fn new(now: Instant, left: Duration) -> Self {
        Self {
            end: now + left,
            page: FIRST_PAGE,
        }
    }

    /// Whether another page can be dealt with.
    pub(crate) fn admits_a_page(&self, now: Instant) -> bool {
        now + self.page <= self.end
    }

    /// An equal share for one of `steps` that are left. Whatever it does not use, the others get.
    pub(crate) fn share(&mut self, now: Instant, steps: usize) -> Share<'_> {
        let left = self.end.saturating_duration_since(now);
        let steps = u32::try_from(steps).unwrap_or(u32::MAX).max(1);
        Share {
            end: now + left / steps,
            time: self,
            pages: 0,
        }
    }
}

impl Share<'_> {
    /// Whether another page can be dealt with. The first one only needs time, not a share of it: a step
    /// whose share is smaller than a page gets on all the same.
    pub(crate) fn admits_a_page(&self, now: Instant) -> bool {
        let in_share = self.pages == 0 || now + self.time.page <= self.end;
        in_share && self.time.admits_a_page(now)
    }

    /// Another page was dealt with in this time.
    pub(crate) fn spent(&mut self, page: Duration) {
        self.pages += 1;
        self.time.page = self.time.page.max(page);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn no_step_takes_the_others_time() {
        let mut now = Instant::now();
        let mut time = Time::new(now, 60 * SECOND);
        for (steps, pages) in [(3, 20), (2, 20), (1, 20)] {
            let mut share = time.share(now, steps);
            let mut dealt_with = 0;
            while share.admits_a_page(now) {
                now += SECOND;
                share.spent(SECOND);
                dealt_with += 1;
            }
            assert_eq!(dealt_with, pages);
        }
        assert!(!time.admits_a_page(now));
    }

    #[test]
    fn what_a_step_leaves_the_next_ones_get() {
        let now = Instant::now();
        let mut time = Time::new(now, 60 * SECOND);
        time.share(now, 3).spent(SECOND);
        let mut share = time.share(now + SECOND, 1);
        share.spent(SECOND);
        assert!(share.admits_a_page(now + 59 * SECOND));
        assert!(!share.admits_a_page(now + 60 * SECOND));
    }

    #[test]
    fn a_step_whose_share_is_small_gets_on_by_a_page() {
        let now = Instant::now();
        let mut time = Time::new(now, 60 * SECOND);
        time.share(now, 1).spent(20 * SECOND);
        let mut share = time.share(now, 100);
        assert!(share.admits_a_page(now));
        share.spent(SECOND);
        assert!(!share.admits_a_page(now));
    }

    #[test]
    fn a_page_that_cannot_end_in_time_is_not_begun() {
        let now = Instant::now();
        let mut time = Time::new(now, 30 * SECOND);
        time.share(now, 1).spent(20 * SECOND);
        assert!(time.admits_a_page(now));
        assert!(!time.admits_a_page(now + 11 * SECOND));
        assert!(
            !time
                .share(now + 11 * SECOND, 1)
                .admits_a_page(now + 11 * SECOND)
        );
        assert!(!Time::new(now, Duration::ZERO).admits_a_page(now));
    }
}
