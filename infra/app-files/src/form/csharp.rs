//! Builds the classes of a model from the app's C#. Only code in the style of Altinn Studio's generator is understood.
//!
//! A class with anything else (inheritance, `XmlArray`, namespaces of its own, fields) gives `None`, and the classes are
//! generated from the JSON schema instead.

mod attribute;
mod class_order;
mod member;
mod source;
mod tokens;

use std::collections::BTreeMap;

pub use class_order::{ReadClass, ReadGroup};
use stafett_core::class::{
    Class, Classes, Enumeration, Kind, Place, Property, ROW_ID, Stated, Value,
};

use super::scalar;
use member::Member;
use source::{ClassSource, Declarations, Omission};

/// The C# of a folder of models.
#[derive(Debug, Default)]
pub struct CsharpModels {
    classes: BTreeMap<String, ClassSource>,
    enumerations: BTreeMap<String, Vec<String>>,
}

impl CsharpModels {
    /// Adds the declarations of a file. The first declaration of a name counts.
    pub fn add(&mut self, text: &str) {
        let Declarations {
            classes,
            enumerations,
        } = source::parse(text);
        for class in classes {
            self.classes.entry(class.name.clone()).or_insert(class);
        }
        for (name, values) in enumerations {
            self.enumerations.entry(name).or_insert(values);
        }
    }

    /// The XML root element of a class.
    #[cfg(test)]
    pub(super) fn root(&self, class: &str) -> Option<&str> {
        let class = self.classes.get(class)?;
        Some(class.root.as_deref().unwrap_or(&class.name))
    }

    /// The classes of the model with `class` as its root; `None` if one of them is missing or not understood.
    pub(super) fn classes(&self, class: &str) -> Option<Classes> {
        let mut compiler = Compiler {
            models: self,
            classes: Classes::default(),
            seen: Vec::new(),
        };
        compiler.class(class)?;
        compiler.classes.namespace = self.classes.get(class)?.namespace.clone();
        Some(compiler.classes)
    }
}

struct Compiler<'m> {
    models: &'m CsharpModels,
    classes: Classes,
    seen: Vec<&'m str>,
}

impl<'m> Compiler<'m> {
    fn class(&mut self, name: &str) -> Option<usize> {
        if let Some(index) = self.seen.iter().position(|seen| *seen == name) {
            return Some(index);
        }
        let class = self
            .models
            .classes
            .get(name)
            .filter(|class| class.is_understood)?;
        let index = self.classes.classes.len();
        self.classes.classes.push(Class::default());
        self.seen.push(&class.name);
        let properties = class
            .members
            .iter()
            .map(|member| self.property(class, member))
            .collect::<Option<Vec<_>>>()?;
        let orders: Vec<_> = class.members.iter().map(|member| member.order).collect();
        *self.classes.classes.get_mut(index)? = Class::new(properties, &orders);
        Some(index)
    }

    fn property(&mut self, class: &ClassSource, member: &Member) -> Option<Property> {
        let is_nullable = member.is_nullable;
        let kind = match member.type_name.as_str() {
            "string" | "String" => Kind::Text,
            "short" | "Int16" => Kind::Int16,
            "int" | "Int32" => Kind::Int32,
            "long" | "Int64" => Kind::Int64,
            "decimal" | "Decimal" => Kind::Decimal,
            "double" | "Double" => Kind::Double,
            "bool" | "Boolean" => Kind::Boolean,
            "DateTime" if member.data_type.as_deref() == Some("date") => Kind::Date,
            "DateTime" => Kind::DateTime,
            "Guid" if member.xml.as_deref() == Some(ROW_ID) => Kind::RowId,
            name if self.models.enumerations.contains_key(name) => self.enumeration(name)?,
            name => Kind::Class(self.class(name)?),
        };
        let is_known_data_type = matches!(
            (kind, member.data_type.as_deref()),
            (_, None) | (Kind::Date, _) | (Kind::DateTime, Some("dateTime"))
        );
        let is_single = !member.is_list && !matches!(kind, Kind::Class(_));
        let is_value = kind.is_value_type() && kind != Kind::RowId;
        let omission = class.omissions.get(&member.name);
        let fits = match omission {
            None => true,
            Some(Omission::Null) => is_nullable || !is_value,
            Some(Omission::Default) => is_single && !is_nullable,
            Some(Omission::Unknown) => false,
        };
        if !is_known_data_type || !fits || (member.place != Place::Element && !is_single) {
            return None;
        }
        // .NET cannot generate a serializer for these.
        if member.place != Place::Element && is_value && is_nullable {
            return None;
        }
        let initial = match (&member.initial, member.is_list) {
            (_, true) => Value::List(Vec::new()),
            (Some(text), false) if is_single => scalar::read(&self.classes, kind, text).ok()?,
            (Some(_), false) => return None,
            (None, false) if is_value && !is_nullable => self.classes.default_of(kind),
            (None, false) => Value::Null,
        };
        Some(Property {
            json: member
                .json
                .clone()
                .unwrap_or_else(|| camel_case(&member.name)),
            xml: member.xml.clone().unwrap_or_else(|| member.name.clone()),
            place: member.place,
            list: member.is_list,
            kind,
            nillable: (is_value && is_nullable) || member.is_nillable,
            omits_default: omission.is_some(),
            initial,
            stated: Stated::default(),
        })
    }

    fn enumeration(&mut self, name: &str) -> Option<Kind> {
        let known = &mut self.classes.enumerations;
        if let Some(index) = known.iter().position(|one| one.name == name) {
            return Some(Kind::Enumeration(index));
        }
        known.push(Enumeration {
            name: name.to_owned(),
            values: self.models.enumerations.get(name)?.clone(),
        });
        Some(Kind::Enumeration(known.len() - 1))
    }
}

/// `JsonNamingPolicy.CamelCase`: lowercases the leading capitals, except the last one if a lowercase letter follows.
fn camel_case(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let capitals = chars.iter().take_while(|char| char.is_uppercase()).count();
    let lowered = match capitals {
        0 | 1 => capitals,
        all if all == chars.len() => all,
        some => some - 1,
    };
    chars
        .iter()
        .enumerate()
        .flat_map(|(index, char)| {
            let lowercase = char.to_lowercase();
            let stays = (index >= lowered).then_some(*char);
            stays
                .into_iter()
                .chain(lowercase.filter(move |_| index < lowered))
        })
        .collect()
}

#[cfg(test)]
mod tests;
