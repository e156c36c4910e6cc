//! The output of `iscsi-test-cu`, read.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    Failed,
    Skipped,
}

/// What came of a suite.
pub(crate) struct Report {
    suite: String,
    tests: Vec<(String, Outcome)>,
    pub(crate) output: String,
}

impl Report {
    /// Every test begins with `Test: name ...`; what it says follows, with `[SKIPPED]` when it was left out, and at the end
    /// `passed` or `FAILED`. A `[FAILED]` speaks of a command, which may be meant to fail.
    pub(crate) fn of(suite: &str, output: String) -> Self {
        let tests = output
            .split("Test: ")
            .skip(1)
            .map(|text| {
                let name = text.split_whitespace().next().unwrap_or_default();
                let outcome = if text.replace("[FAILED]", "").contains("FAILED") {
                    Outcome::Failed
                } else if text.contains("[SKIPPED]") {
                    Outcome::Skipped
                } else if text.contains("passed") {
                    Outcome::Passed
                } else {
                    Outcome::Failed
                };
                (name.to_owned(), outcome)
            })
            .collect();
        Self { suite: suite.to_owned(), tests, output }
    }

    pub(crate) fn count(&self, outcome: Outcome) -> usize {
        self.tests.iter().filter(|(_, own)| *own == outcome).count()
    }

    /// A suite without a test was killed, or could not log in.
    pub(crate) fn is_bad(&self) -> bool {
        self.tests.is_empty() || self.count(Outcome::Failed) > 0
    }

    pub(crate) fn line(&self) -> String {
        let of = |outcome| self.count(outcome);
        let names = |outcome| {
            let with = |(name, own): &(String, Outcome)| (*own == outcome).then(|| name.clone());
            self.tests.iter().filter_map(with).collect::<Vec<_>>().join(" ")
        };
        format!(
            "{:24} {:3} passed {:3} failed {:3} left out  {} {}\n",
            self.suite,
            of(Outcome::Passed),
            of(Outcome::Failed),
            of(Outcome::Skipped),
            names(Outcome::Failed),
            names(Outcome::Skipped)
        )
    }
}
