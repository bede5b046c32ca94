//! The ordered list of a message's header fields, as they came.

use bytes::Bytes;

use super::name::Name;
use super::token::{split, trim};

/// One header field.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Field {
    /// Its name.
    pub name: Name,
    /// Its value, unfolded and trimmed, otherwise as it came.
    pub value: Bytes,
}

/// Header fields in the order of the message.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Headers {
    fields: Vec<Field>,
}

impl Headers {
    /// No fields, with room for those of a usual message.
    #[must_use]
    pub fn new() -> Self {
        Self {
            fields: Vec::with_capacity(16),
        }
    }

    /// How many fields there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The fields in order.
    pub fn iter(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter()
    }

    /// Adds a field at the end.
    pub fn push(&mut self, name: Name, value: impl Into<Bytes>) {
        let value = value.into();
        self.fields.push(Field { name, value });
    }

    /// Adds a field before all others (a Via, a Record-Route).
    pub fn push_front(&mut self, name: Name, value: impl Into<Bytes>) {
        let value = value.into();
        self.fields.insert(0, Field { name, value });
    }

    /// Sets a field in place of all of its name, where the first of them stood.
    pub fn set(&mut self, name: Name, value: impl Into<Bytes>) {
        let value = value.into();
        match self.fields.iter().position(|field| field.name == name) {
            None => self.fields.push(Field { name, value }),
            Some(first) => {
                let mut at = 0;
                self.fields.retain(|field| {
                    at += 1;
                    at <= first + 1 || field.name != name
                });
                if let Some(field) = self.fields.get_mut(first) {
                    field.value = value;
                }
            }
        }
    }

    /// Takes all fields of that name away.
    pub fn remove(&mut self, name: &Name) {
        self.fields.retain(|field| field.name != *name);
    }

    /// Whether there is a field of that name.
    #[must_use]
    pub fn has(&self, name: &Name) -> bool {
        self.get(name).is_some()
    }

    /// The first field's whole value.
    #[must_use]
    pub fn get(&self, name: &Name) -> Option<&Bytes> {
        self.all(name).next()
    }

    /// The first field's whole value as text, lossily.
    #[must_use]
    pub fn text(&self, name: &Name) -> Option<String> {
        self.get(name)
            .map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// The values of all fields of that name.
    pub fn all(&self, name: &Name) -> impl Iterator<Item = &Bytes> {
        self.fields
            .iter()
            .filter(move |field| field.name == *name)
            .map(|field| &field.value)
    }

    /// The elements of a header that is a list, over all fields of that name: commas inside quotes
    /// and angle brackets divide nothing, empty elements are left out.
    pub fn list(&self, name: &Name) -> impl Iterator<Item = Bytes> {
        self.all(name).flat_map(|value| {
            split(value, b',')
                .map(trim)
                .filter(|part| !part.is_empty())
                .map(|part| value.slice_ref(part))
        })
    }

    /// Whether a list of tokens (Require, Supported, Allow) holds `token`, without case.
    #[must_use]
    pub fn lists(&self, name: &Name, token: &str) -> bool {
        self.list(name)
            .any(|part| part.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// Puts `value` in place of the first element of a list, which then has a field of its own.
    pub(crate) fn replace_first(&mut self, name: &Name, value: Bytes) {
        let Some(at) = self.fields.iter().position(|field| field.name == *name) else {
            return;
        };
        let Some(field) = self.fields.get_mut(at) else {
            return;
        };
        let mut parts = split(&field.value, b',');
        parts.by_ref().find(|part| !trim(part).is_empty());
        let rest = field.value.slice_ref(trim(parts.rest()));
        field.value = value;
        if !rest.is_empty() {
            let (name, value) = (name.clone(), rest);
            self.fields.insert(at + 1, Field { name, value });
        }
    }
}

impl FromIterator<Field> for Headers {
    fn from_iter<T: IntoIterator<Item = Field>>(fields: T) -> Self {
        Self {
            fields: fields.into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers() -> Headers {
        let mut headers = Headers::new();
        headers.push(Name::Require, "a, \"b,c\" ,,");
        headers.push(Name::To, "x");
        headers.push(Name::Require, "D");
        headers
    }

    #[test]
    fn a_list_goes_over_all_fields_of_its_name() {
        let list: Vec<Bytes> = headers().list(&Name::Require).collect();
        assert_eq!(list, ["a", "\"b,c\"", "D"]);
        assert!(headers().lists(&Name::Require, "d"));
        assert!(!headers().lists(&Name::Require, "b"));
    }

    #[test]
    fn setting_leaves_one_field_in_its_place() {
        let mut headers = headers();
        headers.set(Name::Require, "z");
        headers.set(Name::From, "y");
        headers.push_front(Name::Via, "v");
        let names: Vec<&Name> = headers.iter().map(|field| &field.name).collect();
        assert_eq!(names, [&Name::Via, &Name::Require, &Name::To, &Name::From]);
        assert_eq!(headers.get(&Name::Require).unwrap(), "z");
        headers.remove(&Name::Require);
        assert!(!headers.has(&Name::Require));
        assert_eq!(headers.len(), 3);
    }

    #[test]
    fn the_first_element_of_a_list_can_be_replaced() {
        let mut headers = headers();
        headers.replace_first(&Name::Require, Bytes::from_static(b"new"));
        headers.replace_first(&Name::Route, Bytes::from_static(b"none"));
        let list: Vec<Bytes> = headers.list(&Name::Require).collect();
        assert_eq!(list, ["new", "\"b,c\"", "D"]);
    }
}
