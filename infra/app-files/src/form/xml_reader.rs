//! Reads a form from XML, as the code that .NET's `XmlSerializer` generates for a class does.

use stafett_core::class::{Class, Classes, Kind, Object, Place, Property, Value};

use super::{
    error::FormError,
    scalar,
    xml_text_reader::{self, Attribute, Fault, FaultKind, Node, Reader, XSI},
};

/// The maximum nesting of groups. .NET has no such limit.
const MAX_DEPTH: usize = 128;

/// The name that the root element must have.
pub(super) enum ExpectedRoot<'r> {
    Named(&'r str),
    Any,
}

/// Reads a form as app-lib does: if reading it in the model's namespace fails, it is read again without a namespace, and the
/// second error is reported (Altinn/app-lib-dotnet:
/// src/Altinn.App.Core/Helpers/Serialization/ModelSerializationService.cs).
pub(super) fn read(
    classes: &Classes,
    root: &ExpectedRoot<'_>,
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
        let (line, column) = fault
            .at
            .map_or((0, 0), |at| xml_text_reader::line_and_column(&text, at));
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
    fn root(&mut self, root: &ExpectedRoot<'_>) -> Result<Object, Fault> {
        self.xml.read()?;
        self.xml.move_to_content()?;
        let Node::Element { name, .. } = self.xml.node() else {
            return Err(self
                .xml
                .refuse(FaultKind::Structure, "Root element is missing.".to_owned()));
        };
        let expected = match root {
            ExpectedRoot::Named(root) => name.is(self.namespace, root),
            ExpectedRoot::Any => name.namespace == self.namespace,
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

    /// Reads the current element as an object of a class, and moves past it.
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
        if self.depth >= MAX_DEPTH {
            let reason = format!("The groups of the form lie more than {MAX_DEPTH} deep.");
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

    /// Reads the content of an element, up to its end tag.
    ///
    /// With `Order` the generated code is a state machine that only moves forward. It leaves the state of a single element
    /// whether or not the element matched, and that of a list at the first other element. It skips elements after the last
    /// state.
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

    /// Reads the current element as the value of a property, and moves past it.
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

/// Sets a single value, or appends it to a list.
fn set(object: &mut Object, index: usize, value: Value) {
    match object.get_mut(index) {
        Some(Value::List(items)) => items.push(value),
        Some(slot) => *slot = value,
        None => {}
    }
}
