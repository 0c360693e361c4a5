//! What kinds of values a key takes, as its type's own `Deserialize` says.

use std::cell::Cell;
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeSeed, EnumAccess, IntoDeserializer, VariantAccess, Visitor};
use serde::{Deserialize, Deserializer, forward_to_deserialize_any};

/// The kind of a key with values of type `T`, in Markdown; none for a section of keys.
pub(super) fn kind_of<T: for<'de> Deserialize<'de>>() -> Option<String> {
    let is_optional = Cell::new(false);
    let kind = match T::deserialize(Probe(&is_optional)) {
        // It takes any text.
        Ok(_) => "text".to_owned(),
        Err(Answer::Kind(kind)) => kind?,
        // It is a text, and not any.
        Err(Answer::Refused) => "address".to_owned(),
    };
    Some(match is_optional.get() {
        true => kind + " or `\"none\"`",
        false => kind,
    })
}

/// Asks a type what it wants to be made of; the answer comes as an error.
struct Probe<'a>(&'a Cell<bool>);

#[derive(Debug)]
enum Answer {
    Kind(Option<String>),
    Refused,
}

impl fmt::Display for Answer {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(text, "{self:?}")
    }
}

impl std::error::Error for Answer {}

impl de::Error for Answer {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Refused
    }
}

/// Methods that answer with one word.
macro_rules! answers {
    ($($method:ident)* => $kind:expr) => {
        $(fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Answer> {
            Err(Answer::Kind($kind.map(str::to_owned)))
        })*
    };
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Answer;

    answers!(deserialize_any deserialize_map => None::<&str>);
    answers!(deserialize_bool => Some("boolean"));
    answers!(deserialize_u32 deserialize_u64 => Some("integer"));
    answers!(deserialize_f32 deserialize_f64 => Some("number"));
    answers!(deserialize_seq => Some("list"));

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Answer> {
        visitor.visit_str("")
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Answer> {
        visitor.visit_str("")
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Answer> {
        self.0.set(true);
        visitor.visit_some(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Answer> {
        visitor.visit_enum(Variants(variants))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Answer> {
        self.deserialize_map(visitor)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u128 char bytes byte_buf unit unit_struct newtype_struct tuple tuple_struct
        identifier ignored_any
    }
}

/// The variants of a choice. All of them are alike: names, or tables with one number.
struct Variants(&'static [&'static str]);

impl Variants {
    fn listed<T>(&self, show: impl Fn(&str) -> String) -> Result<T, Answer> {
        let shown: Vec<String> = self.0.iter().map(|name| show(name)).collect();
        Err(Answer::Kind(Some(shown.join(", "))))
    }
}

impl<'de> EnumAccess<'de> for Variants {
    type Error = Answer;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Answer> {
        let first: StrDeserializer<'_, Answer> = self
            .0
            .first()
            .copied()
            .unwrap_or_default()
            .into_deserializer();
        Ok((seed.deserialize(first)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variants {
    type Error = Answer;

    fn unit_variant(self) -> Result<(), Answer> {
        self.listed(|name| format!("`\"{name}\"`"))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, Answer> {
        self.listed(|name| format!("`{{ {name} = N }}`"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Answer> {
        Err(Answer::Kind(None))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Answer> {
        Err(Answer::Kind(None))
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::path::PathBuf;

    use super::*;
    use crate::address::Address;
    use crate::experiment::{AtariSettings, Publish, View};

    #[test]
    fn kinds_are_those_of_the_types() {
        let check = |kind: Option<String>, expected: &str| assert_eq!(kind.unwrap(), expected);
        check(kind_of::<u64>(), "integer");
        check(kind_of::<usize>(), "integer");
        check(kind_of::<u32>(), "integer");
        check(kind_of::<f32>(), "number");
        check(kind_of::<Option<f64>>(), "number or `\"none\"`");
        check(kind_of::<Option<PathBuf>>(), "text or `\"none\"`");
        check(kind_of::<bool>(), "boolean");
        check(kind_of::<Vec<usize>>(), "list");
        check(kind_of::<String>(), "text");
        check(kind_of::<Address>(), "address");
        check(kind_of::<SocketAddr>(), "address");
        check(kind_of::<View>(), "`\"forward\"`, `\"backward\"`");
        check(
            kind_of::<Publish>(),
            "`{ interval_ms = N }`, `{ updates = N }`",
        );
        assert_eq!(kind_of::<AtariSettings>(), None);
        assert_eq!(kind_of::<toml::Table>(), None);
    }
}
