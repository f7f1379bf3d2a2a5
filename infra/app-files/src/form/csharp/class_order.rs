//! Which elements a C# class reads, and in which order.

use stafett_core::class::{Classes, Kind};

use super::CsharpModels;

/// A class of an app's C#, as it reads XML.
#[derive(Debug)]
pub struct ReadClass(Classes);

/// The properties of a class within a [`ReadClass`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadGroup<'c> {
    /// The names of its elements, in the order in which the class reads them.
    pub elements: Vec<&'c str>,
    /// The names of its attributes, and the one of its text content, as its JSON has them.
    pub others: Vec<&'c str>,
    /// Whether an element that comes too late is dropped, with all that follows it.
    pub is_ordered: bool,
}

impl CsharpModels {
    /// The class of this name; `None` if the C# does not have it, or it is not as Altinn Studio generates classes.
    #[must_use]
    pub fn read_class(&self, name: &str) -> Option<ReadClass> {
        self.classes(name).map(ReadClass)
    }
}

impl ReadClass {
    /// The group at this path of element names; `None` if there is none.
    #[must_use]
    pub fn group(&self, path: &[&str]) -> Option<ReadGroup<'_>> {
        let mut class = self.0.classes.first()?;
        for name in path {
            let mut properties = class.properties.iter();
            match properties.find(|property| property.xml == *name)?.kind {
                Kind::Class(index) => class = self.0.classes.get(index)?,
                _ => return None,
            }
        }
        let elements: Vec<&str> = class.elements().map(|(_, it)| it.xml.as_str()).collect();
        let others = class.properties.iter().map(|it| it.json.as_str());
        Some(ReadGroup {
            others: others.filter(|name| !elements.contains(name)).collect(),
            elements,
            is_ordered: class.ordered,
        })
    }
}
