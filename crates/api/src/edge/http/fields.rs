//! `?fields=`: the members of a view that a list shows.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::ser::{Error as _, Impossible, SerializeStruct};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::schema::{ArrayBuilder, ArrayItems, ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// The members of a view, by name, that the caller asks for.
#[derive(Debug)]
pub struct Fields<V> {
    names: BTreeSet<String>,
    view: PhantomData<fn() -> V>,
}

/// Which members are shown; the id always.
#[derive(Debug, Clone)]
pub struct Shown(Arc<Choice>);

#[derive(Debug)]
enum Choice {
    Only(BTreeSet<String>),
    AllBut(&'static [&'static str]),
}

/// A view of which some members are shown. Its name in the document is the view's with `Item` behind it.
#[derive(Debug)]
pub struct Item<V> {
    view: V,
    shown: Shown,
}

impl Shown {
    /// What was asked for; all but these where nothing was.
    pub fn of<V>(fields: Option<Fields<V>>, left_out: &'static [&'static str]) -> Self {
        Self(Arc::new(match fields {
            Some(fields) => Choice::Only(fields.names),
            None => Choice::AllBut(left_out),
        }))
    }

    /// Whether a member is shown.
    pub fn has(&self, member: &str) -> bool {
        match &*self.0 {
            Choice::Only(names) => member == "id" || names.contains(member),
            Choice::AllBut(left_out) => !left_out.contains(&member),
        }
    }

    /// Whether any of these members is shown.
    pub fn has_any(&self, members: &[&str]) -> bool {
        members.iter().any(|member| self.has(member))
    }
}

impl<V> Item<V> {
    /// A view with the members that are shown.
    pub fn new(view: V, shown: &Shown) -> Self {
        Self {
            view,
            shown: shown.clone(),
        }
    }
}

impl<V: Serialize> Serialize for Item<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.view.serialize(Sieve {
            serializer,
            shown: &self.shown,
        })
    }
}

impl<V: ToSchema> PartialSchema for Item<V> {
    fn schema() -> RefOr<Schema> {
        let mut schema = V::schema();
        if let RefOr::T(Schema::Object(object)) = &mut schema {
            object.required.retain(|member| member == "id");
        }
        schema
    }
}

impl<V: ToSchema> ToSchema for Item<V> {
    fn name() -> Cow<'static, str> {
        Cow::Owned(format!("{}Item", V::name()))
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        V::schemas(schemas);
    }
}

impl<'de, V> Deserialize<'de> for Fields<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self {
            names: BTreeSet::deserialize(deserializer)?,
            view: PhantomData,
        })
    }
}

impl<V: ToSchema> PartialSchema for Fields<V> {
    fn schema() -> RefOr<Schema> {
        let names: Vec<String> = match V::schema() {
            RefOr::T(Schema::Object(object)) => object.properties.keys().cloned().collect(),
            _ => vec![],
        };
        let most = names.len();
        let name = ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(names));
        ArrayBuilder::new()
            .items(ArrayItems::RefOrSchema(Box::new(name.into())))
            .description(Some(
                "The members that are shown, and `id`; all of them where nothing is asked for.",
            ))
            .min_items(Some(1))
            .max_items(Some(most))
            .into()
    }
}

impl<V: ToSchema> ToSchema for Fields<V> {
    fn name() -> Cow<'static, str> {
        Cow::Owned(format!("{}Fields", V::name()))
    }
}

/// Lets through those members of a struct that are shown. A view is a struct: nothing else passes.
struct Sieve<'a, S> {
    serializer: S,
    shown: &'a Shown,
}

impl<'a, S: SerializeStruct> SerializeStruct for Sieve<'a, S> {
    type Ok = S::Ok;
    type Error = S::Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), S::Error> {
        match self.shown.has(name) {
            true => self.serializer.serialize_field(name, value),
            false => self.serializer.skip_field(name),
        }
    }

    fn end(self) -> Result<S::Ok, S::Error> {
        self.serializer.end()
    }
}

macro_rules! refuses {
    ($($name:ident($($argument:ty),*) -> $answer:ty;)*) => {$(
        fn $name(self, $(_: $argument),*) -> Result<$answer, S::Error> {
            Err(S::Error::custom("a view is a struct"))
        }
    )*};
}

macro_rules! refuses_generic {
    ($($name:ident($($argument:ty),*);)*) => {$(
        fn $name<T: Serialize + ?Sized>(self, $(_: $argument,)* _: &T) -> Result<S::Ok, S::Error> {
            Err(S::Error::custom("a view is a struct"))
        }
    )*};
}

impl<'a, S: Serializer> Serializer for Sieve<'a, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Impossible<S::Ok, S::Error>;
    type SerializeTuple = Impossible<S::Ok, S::Error>;
    type SerializeTupleStruct = Impossible<S::Ok, S::Error>;
    type SerializeTupleVariant = Impossible<S::Ok, S::Error>;
    type SerializeMap = Impossible<S::Ok, S::Error>;
    type SerializeStruct = Sieve<'a, S::SerializeStruct>;
    type SerializeStructVariant = Impossible<S::Ok, S::Error>;

    fn serialize_struct(self, name: &'static str, length: usize) -> Result<Self::SerializeStruct, S::Error> {
        Ok(Sieve {
            serializer: self.serializer.serialize_struct(name, length)?,
            shown: self.shown,
        })
    }

    refuses! {
        serialize_bool(bool) -> S::Ok;
        serialize_i8(i8) -> S::Ok;
        serialize_i16(i16) -> S::Ok;
        serialize_i32(i32) -> S::Ok;
        serialize_i64(i64) -> S::Ok;
        serialize_u8(u8) -> S::Ok;
        serialize_u16(u16) -> S::Ok;
        serialize_u32(u32) -> S::Ok;
        serialize_u64(u64) -> S::Ok;
        serialize_f32(f32) -> S::Ok;
        serialize_f64(f64) -> S::Ok;
        serialize_char(char) -> S::Ok;
        serialize_str(&str) -> S::Ok;
        serialize_bytes(&[u8]) -> S::Ok;
        serialize_none() -> S::Ok;
        serialize_unit() -> S::Ok;
        serialize_unit_struct(&'static str) -> S::Ok;
        serialize_unit_variant(&'static str, u32, &'static str) -> S::Ok;
        serialize_seq(Option<usize>) -> Self::SerializeSeq;
        serialize_tuple(usize) -> Self::SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
        serialize_map(Option<usize>) -> Self::SerializeMap;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant;
    }

    refuses_generic! {
        serialize_some();
        serialize_newtype_struct(&'static str);
        serialize_newtype_variant(&'static str, u32, &'static str);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(Serialize, ToSchema)]
    struct Thing {
        id: i64,
        name: String,
        weight: Option<i64>,
    }

    fn thing() -> Thing {
        Thing {
            id: 1,
            name: "anvil".into(),
            weight: None,
        }
    }

    fn fields(names: serde_json::Value) -> Fields<Thing> {
        serde_json::from_value(names).unwrap()
    }

    #[test]
    fn an_item_shows_what_was_asked_for_and_its_id() {
        let shown = Shown::of(Some(fields(json!(["name"]))), &["name"]);
        let item = serde_json::to_value(Item::new(thing(), &shown)).unwrap();
        assert_eq!(item, json!({"id": 1, "name": "anvil"}));
    }

    #[test]
    fn an_item_shows_all_but_what_is_left_out_where_nothing_was_asked_for() {
        let item =
            |left_out| serde_json::to_value(Item::new(thing(), &Shown::of::<Thing>(None, left_out))).unwrap();
        assert_eq!(item(&["weight"]), json!({"id": 1, "name": "anvil"}));
        assert_eq!(item(&[]), json!({"id": 1, "name": "anvil", "weight": null}));
    }

    #[test]
    fn the_schema_names_the_members_and_demands_the_id_alone() {
        let fields = serde_json::to_value(Fields::<Thing>::schema()).unwrap();
        let mut names: Vec<&str> = fields["items"]["enum"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|n| n.as_str())
            .collect();
        names.sort_unstable();
        assert_eq!(names, ["id", "name", "weight"]);
        let item = serde_json::to_value(Item::<Thing>::schema()).unwrap();
        assert_eq!(item["required"], json!(["id"]));
    }
}
