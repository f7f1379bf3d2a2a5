//! XML into a form, as the code does that .NET's `XmlSerializer` generates for a class.

use super::FormError;
use super::class::{Class, Classes, Kind, Place, Property};
use super::scalar;
use super::value::{Object, Value};
use super::xml::{self, Attribute, Fault, FaultKind, Node, Reader, XSI};

/// How deep groups lie in one another at most; .NET has no such limit.
const DEEPEST: usize = 128;

/// What the root element must be called.
pub(super) enum Root<'r> {
    Named(&'r str),
    Any,
}

/// Reads a form as app-lib does: what fails in the model's namespace is read once more with the root in none, and that second failure
/// is the one that it tells (Altinn/app-lib-dotnet:
/// src/Altinn.App.Core/Helpers/Serialization/ModelSerializationService.cs).
pub(super) fn read(
    classes: &Classes,
    root: &Root<'_>,
    document: &[u8],
) -> Result<Object, FormError> {
    let text = String::from_utf8_lossy(document);
    let attempt = |namespace: &str| {
        let mut reader = FormReader {
            xml: Reader::new(&text),
            classes,
            namespace,
            depth: 0,
        };
        reader.root(root)
    };
    let mut read = attempt(&classes.namespace);
    if read.is_err() && !classes.namespace.is_empty() {
        read = attempt("");
    }
    read.map_err(|fault| {
        let (line, column) = fault.at.map_or((0, 0), |at| xml::place(&text, at));
        let reason = match fault.at {
            Some(_) if fault.kind == FaultKind::Syntax => {
                format!("{} Line {line}, position {column}.", fault.reason)
            }
            _ => fault.reason,
        };
        FormError::Xml {
            line,
            column,
            reason,
            shows_value: fault.kind == FaultKind::Value,
        }
    })
}

struct FormReader<'t, 'm> {
    xml: Reader<'t>,
    classes: &'m Classes,
    namespace: &'m str,
    depth: usize,
}

impl FormReader<'_, '_> {
    fn root(&mut self, root: &Root<'_>) -> Result<Object, Fault> {
        self.xml.read()?;
        self.xml.move_to_content()?;
        let Node::Element { name, .. } = self.xml.node() else {
            return Err(self
                .xml
                .refuse(FaultKind::Structure, "Root element is missing.".to_owned()));
        };
        let expected = match root {
            Root::Named(root) => name.is(self.namespace, root),
            Root::Any => name.namespace == self.namespace,
        };
        if !expected {
            let reason = format!(
                "<{} xmlns='{}'> was not expected.",
                name.local, name.namespace
            );
            return Err(self.xml.refuse(FaultKind::Structure, reason));
        }
        self.object(0)
    }

    /// Reads the element that the reader stands on as a class, and goes past it.
    fn object(&mut self, class: usize) -> Result<Object, Fault> {
        let Node::Element {
            attributes,
            is_empty,
            ..
        } = self.xml.node()
        else {
            return Ok(self.classes.empty(class));
        };
        let (attributes, is_empty) = (attributes.clone(), *is_empty);
        if self.depth >= DEEPEST {
            let reason = format!("The groups of the form lie more than {DEEPEST} deep.");
            return Err(self.xml.refuse(FaultKind::Structure, reason));
        }
        let mut object = self.classes.empty(class);
        let classes = self.classes;
        let class = classes.class(class);
        self.attributes(class, &attributes, &mut object)?;
        if is_empty {
            self.xml.skip()?;
            return Ok(object);
        }
        self.xml.read()?;
        self.depth += 1;
        self.content(class, &mut object)?;
        self.depth -= 1;
        self.xml.read()?;
        Ok(object)
    }

    fn attributes(
        &mut self,
        class: &Class,
        attributes: &[Attribute],
        object: &mut Object,
    ) -> Result<(), Fault> {
        for attribute in attributes {
            let known = class
                .at(Place::Attribute)
                .find(|(_, property)| attribute.name.is("", &property.xml));
            let Some((index, property)) = known else {
                continue;
            };
            let value = scalar::read(self.classes, property.kind, &attribute.value);
            let value = value.map_err(|reason| Fault {
                at: Some(attribute.at),
                reason,
                kind: FaultKind::Value,
            })?;
            set(object, index, value);
        }
        Ok(())
    }

    /// Reads what is between the tags, and stands on the end tag then.
    ///
    /// With `Order` the generated code is a state machine that only moves forward: the state of a single element is left whether it
    /// matched or not, that of a list as soon as something else comes, and what finds no state any more is passed over.
    fn content(&mut self, class: &Class, object: &mut Object) -> Result<(), Fault> {
        let mut states = class.elements().peekable();
        let mut taken = vec![false; class.properties.len()];
        let text = class.at(Place::Text).next();
        loop {
            self.xml.move_to_content()?;
            match (self.xml.node(), text) {
                (Node::EndElement | Node::End, _) => return Ok(()),
                (Node::Text(_), Some((index, property))) => {
                    let text = self.xml.text()?;
                    let value = scalar::read(self.classes, property.kind, &text);
                    set(
                        object,
                        index,
                        value.map_err(|reason| self.xml.refuse(FaultKind::Value, reason))?,
                    );
                }
                (Node::Element { .. }, _) if class.ordered => {
                    let Some((index, property)) = states.peek().copied() else {
                        self.xml.skip()?;
                        continue;
                    };
                    let matches = self.matches(property);
                    if !(matches && property.list) {
                        states.next();
                    }
                    if matches {
                        let value = self.value(property)?;
                        set(object, index, value);
                    }
                }
                (Node::Element { .. }, _) => {
                    let known = class.elements().find(|(index, property)| {
                        let is_taken = taken.get(*index).copied().unwrap_or_default();
                        self.matches(property) && (property.list || !is_taken)
                    });
                    let Some((index, property)) = known else {
                        self.xml.skip()?;
                        continue;
                    };
                    let value = self.value(property)?;
                    set(object, index, value);
                    if let Some(taken) = taken.get_mut(index) {
                        *taken = true;
                    }
                }
                _ => self.xml.skip()?,
            }
        }
    }

    fn matches(&self, property: &Property) -> bool {
        matches!(self.xml.node(), Node::Element { name, .. } if name.is(self.namespace, &property.xml))
    }

    /// Reads the element of a property, and goes past it.
    fn value(&mut self, property: &Property) -> Result<Value, Fault> {
        if property.nillable && self.is_nil()? {
            self.xml.skip()?;
            return Ok(Value::Null);
        }
        match property.kind {
            Kind::Class(class) => self.object(class).map(Value::Object),
            kind => {
                let text = self.xml.element_text()?;
                scalar::read(self.classes, kind, &text)
                    .map_err(|reason| self.xml.refuse(FaultKind::Value, reason))
            }
        }
    }

    fn is_nil(&self) -> Result<bool, Fault> {
        let Node::Element { attributes, .. } = self.xml.node() else {
            return Ok(false);
        };
        let nil = attributes
            .iter()
            .find(|attribute| attribute.name.is(XSI, "nil"));
        let Some(nil) = nil else { return Ok(false) };
        match scalar::read(self.classes, Kind::Boolean, &nil.value) {
            Ok(value) => Ok(value == Value::Boolean(true)),
            Err(reason) => Err(self.xml.refuse(FaultKind::Value, reason)),
        }
    }
}

/// Sets a single value, or adds it to a list.
fn set(object: &mut Object, index: usize, value: Value) {
    match object.get_mut(index) {
        Some(Value::List(items)) => items.push(value),
        Some(slot) => *slot = value,
        None => {}
    }
}
