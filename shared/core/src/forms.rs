//! One thing for each form of B that a route fills.

/// One `T` for each form of B that a route fills: always one for the main form.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Forms<T> {
    /// For the form that the route's `model` describes.
    pub main: T,
    /// For the forms of the route's `to.forms`, in its order.
    pub further: Vec<T>,
}

impl<T> Forms<T> {
    /// For a route that fills one form.
    #[must_use]
    pub fn one(main: T) -> Self {
        Self {
            main,
            further: Vec::new(),
        }
    }

    /// All of them, the main one first.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        std::iter::once(&self.main).chain(&self.further)
    }

    /// References to all of them.
    #[must_use]
    pub fn as_ref(&self) -> Forms<&T> {
        Forms {
            main: &self.main,
            further: self.further.iter().collect(),
        }
    }

    /// Mutable references to all of them.
    #[must_use]
    pub fn as_mut(&mut self) -> Forms<&mut T> {
        Forms {
            main: &mut self.main,
            further: self.further.iter_mut().collect(),
        }
    }

    /// Makes something else of each.
    #[must_use]
    pub fn map<U>(self, mut make: impl FnMut(T) -> U) -> Forms<U> {
        Forms {
            main: make(self.main),
            further: self.further.into_iter().map(make).collect(),
        }
    }

    /// Makes something else of each, up to the first that fails.
    ///
    /// # Errors
    /// That of `make`.
    pub fn try_map<U, E>(self, mut make: impl FnMut(T) -> Result<U, E>) -> Result<Forms<U>, E> {
        Ok(Forms {
            main: make(self.main)?,
            further: self
                .further
                .into_iter()
                .map(make)
                .collect::<Result<_, E>>()?,
        })
    }

    /// Puts each beside what `other` has for the same form. Both are of the same route.
    #[must_use]
    pub fn zip<U>(self, other: Forms<U>) -> Forms<(T, U)> {
        Forms {
            main: (self.main, other.main),
            further: self.further.into_iter().zip(other.further).collect(),
        }
    }
}

impl<T> IntoIterator for Forms<T> {
    type Item = T;
    type IntoIter = std::iter::Chain<std::iter::Once<T>, std::vec::IntoIter<T>>;

    fn into_iter(self) -> Self::IntoIter {
        std::iter::once(self.main).chain(self.further)
    }
}
