//! Runs a property over random cases, as many as the tests ask for.

use std::{collections::BTreeSet, fmt};

use proptest::{
    strategy::Strategy,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner},
};
use stafett_core::language::{FILTERS, TESTS};

/// How many triples are tried: a schema, an expression or a route, and an instance. `STAFETT_TRIPLES=1000000` asks for
/// that many.
#[derive(Debug, Clone, Copy)]
pub struct Triples {
    /// Cases, each with several instances.
    pub cases: usize,
    is_asked: bool,
}

impl Triples {
    /// As many triples as the environment asks for, or the default, where each case has this many `instances`.
    ///
    /// # Panics
    /// If `STAFETT_TRIPLES` is not a number.
    #[must_use]
    pub fn of(default: usize, instances: usize) -> Self {
        let asked = std::env::var("STAFETT_TRIPLES").ok();
        let is_asked = asked.is_some();
        let triples = asked.map_or(default, |asked| {
            asked.parse().expect("STAFETT_TRIPLES is a number")
        });
        Self {
            cases: triples.div_ceil(instances),
            is_asked,
        }
    }

    /// Holds every case to a property. The cases are the same in every run of the tests, and others in every run that
    /// asks for a number of triples.
    ///
    /// # Errors
    /// Why the simplest case that fails does, with the case.
    pub fn hold<S>(
        self,
        cases: &S,
        property: impl Fn(S::Value) -> Result<(), TestCaseError>,
    ) -> Result<(), String>
    where
        S: Strategy,
        S::Value: fmt::Debug,
    {
        let config = Config {
            failure_persistence: None,
            max_shrink_iters: 1_000,
            ..Config::with_cases(u32::try_from(self.cases).unwrap_or(u32::MAX))
        };
        let mut runner = if self.is_asked {
            TestRunner::new(config)
        } else {
            let seed = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
            TestRunner::new_with_rng(config, seed)
        };
        runner.run(cases, property).map_err(|error| match error {
            TestError::Fail(reason, case) => format!("{reason}\n{case:?}"),
            TestError::Abort(reason) => reason.to_string(),
        })
    }
}

/// The filters and tests of the language.
pub fn all_words() -> impl Iterator<Item = &'static str> {
    let filters = FILTERS.iter().map(|filter| filter.name);
    filters.chain(TESTS.iter().map(|test| test.name))
}

/// The filters and tests that an expression uses.
pub fn words(source: &str) -> impl Iterator<Item = &'static str> {
    let tokens: BTreeSet<String> = source
        .split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .map(str::to_owned)
        .collect();
    all_words().filter(move |word| tokens.contains(*word))
}
