//! Choices that are taken from a list of numbers, so that proptest can make what was made of them simpler.

/// Choices in a row. A smaller number is a simpler choice, and behind the end of the list every choice is the simplest.
pub struct Choices<'t> {
    rest: std::slice::Iter<'t, u16>,
}

impl<'t> Choices<'t> {
    /// The choices that a list of numbers makes.
    pub fn new(tape: &'t [u16]) -> Self {
        Self { rest: tape.iter() }
    }

    fn next(&mut self) -> u16 {
        self.rest.next().copied().unwrap_or(0)
    }

    /// A number below `count`.
    pub fn below(&mut self, count: usize) -> usize {
        (usize::from(self.next()) * count) >> 16
    }

    /// A number from `least` to `most`.
    pub fn within(&mut self, least: usize, most: usize) -> usize {
        least + self.below(most - least + 1)
    }

    /// True in so many of a hundred cases, and never the simplest choice.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) >= 100 - percent
    }

    /// One of several, of which the first is the simplest.
    pub fn pick<'p, T>(&mut self, from: &'p [T]) -> &'p T {
        &from[self.below(from.len())]
    }

    /// A number from `least` to `most`, of any size.
    pub fn large(&mut self, least: i128, most: i128) -> i128 {
        let any = (0..5).fold(0_i128, |sum, _| (sum << 16) | i128::from(self.next()));
        least + any % (most - least + 1)
    }
}
