//! The time of a run, and how it is shared out.

use std::time::{Duration, Instant};

use jiff::Timestamp;

/// How long the first page is expected to take.
const FIRST_PAGE: Duration = Duration::from_millis(500);

/// The time of a run.
#[derive(Debug)]
pub(crate) struct Time {
    end: Instant,
    /// The longest that a page has taken so far.
    page: Duration,
}

/// One job's share of it.
#[derive(Debug)]
pub(crate) struct Share<'t> {
    time: &'t mut Time,
    end: Instant,
    pages: u32,
}

impl Time {
    /// `left` from `now` on.
    pub(crate) fn new(now: Instant, left: Duration) -> Self {
        Self {
            end: now + left,
            page: FIRST_PAGE,
        }
    }

    /// Whether there is time for another page.
    pub(crate) fn admits_a_page(&self, now: Instant) -> bool {
        now + self.page <= self.end
    }

    /// An equal share for one of the `jobs` that are left. What it does not use is left to the others.
    pub(crate) fn share(&mut self, now: Instant, jobs: usize) -> Share<'_> {
        let left = self.end.saturating_duration_since(now);
        let jobs = u32::try_from(jobs).unwrap_or(u32::MAX).max(1);
        Share {
            end: now + left / jobs,
            time: self,
            pages: 0,
        }
    }
}

impl Share<'_> {
    /// Whether there is time for another page. The first page may exceed the share, so that a job whose share is
    /// smaller than a page still makes progress.
    pub(crate) fn admits_a_page(&self, now: Instant) -> bool {
        let in_share = self.pages == 0 || now + self.time.page <= self.end;
        in_share && self.time.admits_a_page(now)
    }

    /// Another page was processed in this time.
    pub(crate) fn spent(&mut self, page: Duration) {
        self.pages += 1;
        self.time.page = self.time.page.max(page);
    }
}

/// The moment `by` before another.
pub(crate) fn earlier(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_sub(by).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn no_job_takes_the_time_of_the_others() {
        let mut now = Instant::now();
        let mut time = Time::new(now, 60 * SECOND);
        for (jobs, pages) in [(3, 20), (2, 20), (1, 20)] {
            let mut share = time.share(now, jobs);
            let mut processed = 0;
            while share.admits_a_page(now) {
                now += SECOND;
                share.spent(SECOND);
                processed += 1;
            }
            assert_eq!(processed, pages);
        }
        assert!(!time.admits_a_page(now));
    }

    #[test]
    fn the_next_job_gets_what_the_last_one_did_not_use() {
        let now = Instant::now();
        let mut time = Time::new(now, 60 * SECOND);
        time.share(now, 3).spent(SECOND);
        let mut share = time.share(now + SECOND, 1);
        share.spent(SECOND);
        assert!(share.admits_a_page(now + 59 * SECOND));
        assert!(!share.admits_a_page(now + 60 * SECOND));
    }

    #[test]
    fn a_job_whose_share_is_smaller_than_a_page_processes_one_page() {
        let now = Instant::now();
        let mut time = Time::new(now, 60 * SECOND);
        time.share(now, 1).spent(20 * SECOND);
        let mut share = time.share(now, 100);
        assert!(share.admits_a_page(now));
        share.spent(SECOND);
        assert!(!share.admits_a_page(now));
    }

    #[test]
    fn no_page_is_begun_that_cannot_end_in_time() {
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
